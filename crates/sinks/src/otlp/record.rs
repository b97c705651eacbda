//! A record as a log record of OpenTelemetry's.

use super::{Config, attributes};
use crate::record::{Record, What};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// The conventions that the attributes' names follow.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// The body is the text. Where the bytes are no UTF-8 the attribute `pgattest.bytes` has them as they are.
pub(super) fn log_record(record: &Record) -> LogRecord {
    let mut attributes = vec![
        text("log.record.uid", uid(record)),
        number("pgattest.seq", record.number),
        number("pgattest.block", record.block),
        text("pgattest.kind", record.what.name()),
        text("pgattest.format", record.format),
    ];
    if let What::Torn(reason) = record.what {
        attributes.push(text("pgattest.torn", reason));
    }
    if let Some(part) = record.part {
        attributes.push(number("pgattest.part", part.index.into()));
        attributes.push(number("pgattest.parts", part.of.into()));
    }
    if let Some(session) = &record.session {
        attributes.push(text("session.id", session.as_str()));
    }
    if record.is_lossy() {
        attributes.push(attribute(
            "pgattest.bytes",
            Value::BytesValue(record.payload().to_vec()),
        ));
    }
    let decoded = attributes::of(record);
    attributes.extend(decoded.attributes);

    LogRecord {
        time_unix_nano: record.logged_at.map_or(0, nanoseconds),
        observed_time_unix_nano: nanoseconds(record.sealed_at),
        severity_number: decoded.severity_number,
        severity_text: decoded.severity_text,
        body: Some(AnyValue {
            value: Some(Value::StringValue(record.text().into_owned())),
        }),
        attributes,
        ..LogRecord::default()
    }
}

/// Records with the resource they come from.
pub(super) fn resource_logs(
    config: &Config,
    instance: &str,
    log_records: Vec<LogRecord>,
) -> ResourceLogs {
    let mut attributes = vec![
        text("service.name", config.service_name.as_str()),
        text("service.instance.id", instance),
        text("db.system.name", "postgresql"),
    ];
    attributes.extend(
        config
            .resource
            .iter()
            .map(|(name, value)| text(name, value.as_str())),
    );
    ResourceLogs {
        resource: Some(Resource {
            attributes,
            ..Resource::default()
        }),
        scope_logs: vec![ScopeLogs {
            scope: Some(InstrumentationScope {
                name: "pgattest".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                ..InstrumentationScope::default()
            }),
            log_records,
            schema_url: SCHEMA.into(),
        }],
        schema_url: SCHEMA.into(),
    }
}

/// What tells a record from every other: the same each time it is sent.
fn uid(record: &Record) -> String {
    let kind = match record.what {
        What::Record | What::Torn(_) => "",
        What::Checkpoint => "checkpoint/",
        What::Canary => "canary/",
    };
    let part = record
        .part
        .map(|part| format!("/{}", part.index))
        .unwrap_or_default();
    format!("{}/{kind}{}{part}", record.instance, record.number)
}

pub(super) fn text(name: &str, value: impl Into<String>) -> KeyValue {
    attribute(name, Value::StringValue(value.into()))
}

pub(super) fn number(name: &str, value: u64) -> KeyValue {
    attribute(
        name,
        Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)),
    )
}

fn attribute(name: &str, value: Value) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn nanoseconds(milliseconds: i64) -> u64 {
    u64::try_from(milliseconds)
        .unwrap_or(0)
        .saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;

    #[test]
    fn every_sending_has_the_same_identifier() {
        let mut record = sample(41, "x");
        assert_eq!(uid(&record), "production/41");
        record.part = Some(crate::Part { index: 2, of: 3 });
        assert_eq!(uid(&record), "production/41/2");
        record.part = None;
        record.what = What::Checkpoint;
        assert_eq!(uid(&record), "production/checkpoint/41");
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_as_they_are() {
        let mut record = sample(41, "x");
        record.bytes = b"caf\xe9\n".to_vec();
        let log = log_record(&record);
        let bytes = log
            .attributes
            .iter()
            .find(|attribute| attribute.key == "pgattest.bytes")
            .and_then(|attribute| attribute.value.clone()?.value);
        assert_eq!(bytes, Some(Value::BytesValue(b"caf\xe9".to_vec())));
        assert_eq!(log.time_unix_nano, 1_767_225_600_123_000_000);
    }
}
