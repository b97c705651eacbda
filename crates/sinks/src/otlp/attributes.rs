//! The fields of a record as attributes, named by OpenTelemetry's semantic conventions where they have a name.

use super::record::{number, text};
use crate::record::{Record, What};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use pgattest_parse::audit_log::pgaudit::{self, Said};
use pgattest_parse::audit_log::{self, Format, record::Text};

/// What the fields say.
#[derive(Default)]
pub(super) struct Decoded {
    pub(super) attributes: Vec<KeyValue>,
    pub(super) severity_number: i32,
    pub(super) severity_text: String,
}

/// Nothing for what cannot be decoded: parts of records, torn pieces, forms whose prefix is not known here.
pub(super) fn of(record: &Record) -> Decoded {
    if record.what != What::Record || record.part.is_some() {
        return Decoded::default();
    }
    let formats: &[Format] = match record.format {
        "csvlog" => &[
            Format::Csvlog { columns: 26 },
            Format::Csvlog { columns: 24 },
            Format::Csvlog { columns: 23 },
        ],
        "jsonlog" => &[Format::Jsonlog],
        "rds-stderr" => &[Format::RdsStderr],
        "pgauditlogtofile-csv" => &[Format::PgauditlogtofileCsv],
        "pgauditlogtofile-json" => &[Format::PgauditlogtofileJson],
        "cloud-sql" => &[Format::CloudSql],
        _ => &[],
    };
    formats
        .iter()
        .find_map(|format| audit_log::decode(format, &record.bytes))
        .map(|fields| attributes(&fields))
        .unwrap_or_default()
}

fn attributes(fields: &audit_log::Record<'_>) -> Decoded {
    let mut found = Vec::new();
    let mut add = |name: &str, value: Option<&Text<'_>>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            found.push(text(name, shown(value)));
        }
    };
    let audit = pgaudit::read(&fields.message);
    add("db.namespace", fields.database.as_ref());
    add("user.name", fields.user.as_ref());
    add("client.address", fields.host.as_ref());
    // Only of what ended with a warning or an error, the conventions say.
    let sqlstate = fields.sqlstate.as_ref();
    add(
        "db.response.status_code",
        sqlstate.filter(|state| state.as_ref() != b"00000"),
    );
    add(
        "pgattest.application_name",
        fields.application_name.as_ref(),
    );
    add("pgattest.backend_type", fields.backend_type.as_ref());
    if let Some(audit) = &audit {
        add("db.operation.name", Some(&audit.command));
        add("pgattest.audit.kind", Some(&audit.kind));
        add("pgattest.audit.class", Some(&audit.class));
        add("pgattest.audit.object_type", Some(&audit.object_type));
        add("db.collection.name", Some(&audit.object_name));
        if let Said::Text(statement) = &audit.statement {
            add("db.query.text", Some(statement));
        }
    } else {
        add("db.operation.name", fields.command_tag.as_ref());
        add("db.query.text", fields.statement.as_ref());
    }
    if let Some(port) = fields.port {
        found.push(number("client.port", port.into()));
    }
    if let Some(pid) = fields.pid {
        found.push(number("process.pid", pid.into()));
    }
    if let Some(line) = fields.line {
        found.push(number("pgattest.session_line", line));
    }
    if let Some(rows) = audit.and_then(|audit| audit.rows) {
        found.push(number("db.response.returned_rows", rows));
    }
    let severity_text = fields.severity.as_ref().map(shown).unwrap_or_default();
    Decoded {
        attributes: found,
        severity_number: severity(&severity_text) as i32,
        severity_text,
    }
}

/// A server that logs in another language says nothing that could be told here.
fn severity(text: &str) -> SeverityNumber {
    match text {
        "DEBUG" | "DEBUG1" | "DEBUG2" | "DEBUG3" | "DEBUG4" | "DEBUG5" => SeverityNumber::Debug,
        "LOG" | "INFO" => SeverityNumber::Info,
        "NOTICE" => SeverityNumber::Info2,
        "WARNING" => SeverityNumber::Warn,
        "ERROR" => SeverityNumber::Error,
        "FATAL" => SeverityNumber::Fatal,
        "PANIC" => SeverityNumber::Fatal4,
        _ => SeverityNumber::Unspecified,
    }
}

fn shown(value: &Text<'_>) -> String {
    String::from_utf8_lossy(value).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;

    #[test]
    fn an_audit_record_speaks_the_conventions() {
        let record = sample(
            1,
            r#"2026-01-01 00:00:00.123 UTC,"app","shop",4711,"10.0.0.7:50001",6907c5a2.1f3,5,"SELECT",2026-01-01 00:00:00 UTC,3/4,0,LOG,00000,"AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.account,select * from account,<none>",,,,,,,,,"psql","client backend",,0"#,
        );
        let decoded = of(&record);
        let said = |name: &str| {
            decoded
                .attributes
                .iter()
                .find(|attribute| attribute.key == name)
                .and_then(|attribute| attribute.value.clone()?.value)
        };
        let is = |text: &str| Some(Value::StringValue(text.into()));
        assert_eq!(said("db.namespace"), is("shop"));
        assert_eq!(said("user.name"), is("app"));
        assert_eq!(said("client.address"), is("10.0.0.7"));
        assert_eq!(said("client.port"), Some(Value::IntValue(50001)));
        assert_eq!(said("db.operation.name"), is("SELECT"));
        assert_eq!(said("db.collection.name"), is("public.account"));
        assert_eq!(said("db.query.text"), is("select * from account"));
        assert_eq!(said("process.pid"), Some(Value::IntValue(4711)));
        assert_eq!(decoded.severity_number, SeverityNumber::Info as i32);
    }

    #[test]
    fn what_cannot_be_decoded_has_no_attributes() {
        let mut record = sample(1, "nothing of the kind");
        assert!(of(&record).attributes.is_empty());
        record.what = What::Torn("foreign");
        assert!(of(&record).attributes.is_empty());
    }
}
