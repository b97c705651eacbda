//! OpenTelemetry logs over HTTP (OTLP/HTTP, protobuf).
//!
//! At-least-once. Tried again: 429, 502, 503 and 504, and whatever is no whole answer; nothing else, as the protocol says. A success
//! that rejects some records (`partial_success`) does not say which: then the whole batch is kept in the dead letter.

mod attributes;
mod record;

use crate::http::{HttpOptions, Response, send};
use crate::record::{Batch, Record};
use crate::secret::{Secret, SecretFrom};
use crate::sink::{Answer, Limits, OpenError, Sink, Task};
use flate2::{Compression, write::GzEncoder};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use reqwest::Url;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;

/// What a request holds besides records: resource, scope, lengths.
const ENVELOPE_BYTES: usize = 8 * 1024;
/// A record's key and length within a request.
const RECORD_OVERHEAD: usize = 6;

/// Configuration.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The receiver: `https://collector.example:4318`. Without a path, `/v1/logs` is added.
    pub endpoint: String,
    /// Headers whose values are no secrets.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Headers whose values are secrets.
    #[serde(default)]
    pub secret_headers: BTreeMap<String, SecretFrom>,
    /// `service.name` of the resource.
    #[serde(default = "postgresql")]
    pub service_name: String,
    /// Further attributes of the resource: `"deployment.environment.name" = "production"`.
    #[serde(default)]
    pub resource: BTreeMap<String, String>,
    /// The largest request before compression, in bytes. Collectors take 20 MB, Datadog's agent 1 MB; 1000000 when nothing is said.
    #[serde(default = "request_bytes")]
    pub request_bytes: usize,
    /// The most records of a request.
    #[serde(default = "request_records")]
    pub request_records: usize,
    /// Compress with gzip.
    #[serde(default = "yes")]
    pub gzip: bool,
    /// How to reach it.
    #[serde(default)]
    pub http: HttpOptions,
}

fn postgresql() -> String {
    "postgresql".into()
}

fn request_bytes() -> usize {
    1_000_000
}

fn request_records() -> usize {
    1_000
}

fn yes() -> bool {
    true
}

/// Opens it: reads the secrets, makes the client.
pub(crate) fn open(config: &Config) -> Result<Box<dyn Sink>, OpenError> {
    if config.request_bytes < 4 * ENVELOPE_BYTES {
        return Err(OpenError::Setting {
            setting: "request_bytes",
            problem: format!("must be {} at least", 4 * ENVELOPE_BYTES),
        });
    }
    Ok(Box::new(Otlp {
        url: url(&config.endpoint)?,
        headers: headers(config)?,
        client: config.http.client()?,
        config: config.clone(),
    }))
}

fn url(endpoint: &str) -> Result<Url, OpenError> {
    let problem = |problem: &str| OpenError::Setting {
        setting: "endpoint",
        problem: problem.into(),
    };
    let mut url = Url::parse(endpoint)
        .map_err(|_| problem("is no URL such as https://collector.example:4318"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(problem("must begin with https:// (or http://)"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(problem("must not hold a password: use secret_headers"));
    }
    if url.path() == "/" {
        url.set_path("/v1/logs");
    }
    Ok(url)
}

fn headers(config: &Config) -> Result<HeaderMap, OpenError> {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &str, secret: bool| {
        let problem = |problem: String| OpenError::Setting {
            setting: if secret { "secret_headers" } else { "headers" },
            problem,
        };
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| problem(format!("has a name that no header can have: {name:?}")))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| problem(format!("has a value for `{name}` that no header can have")))?;
        value.set_sensitive(secret);
        headers.insert(header, value);
        Ok::<_, OpenError>(())
    };
    for (name, value) in &config.headers {
        add(name, value, false)?;
    }
    for (name, from) in &config.secret_headers {
        let value: Secret = from.read()?;
        add(name, value.expose(), true)?;
    }
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-protobuf"),
    );
    if config.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(headers)
}

struct Otlp {
    config: Config,
    url: Url,
    headers: HeaderMap,
    client: reqwest::Client,
}

impl Sink for Otlp {
    fn limits(&self) -> Limits {
        let bytes = self.config.request_bytes.saturating_sub(ENVELOPE_BYTES);
        Limits {
            records: self.config.request_records.max(1),
            bytes,
            overhead: RECORD_OVERHEAD,
            record_bytes: bytes.saturating_sub(RECORD_OVERHEAD),
            whole_blocks: false,
        }
    }

    fn encode(&self, record: &Record) -> Vec<u8> {
        record::log_record(record).encode_to_vec()
    }

    fn deliver<'a>(&'a mut self, batch: &'a Batch) -> Task<'a, Answer> {
        Box::pin(async {
            let body = match self.body(batch) {
                Ok(body) => body,
                Err(answer) => return answer,
            };
            let request = self
                .client
                .post(self.url.clone())
                .headers(self.headers.clone())
                .body(body);
            match send(request).await {
                Ok(response) => judge(&response),
                Err(answer) => answer,
            }
        })
    }

    fn place(&self) -> String {
        // What follows the path may be a key.
        let mut url = self.url.clone();
        url.set_query(None);
        format!("OTLP, {url}")
    }
}

impl Otlp {
    fn body(&self, batch: &Batch) -> Result<Vec<u8>, Answer> {
        let records = batch
            .items
            .iter()
            .map(|item| LogRecord::decode(item.encoded.as_slice()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Answer::refused(format!("a record cannot be encoded: {error}")))?;
        let instance = batch
            .items
            .first()
            .map_or("", |item| item.record.instance.as_ref());
        let body = ExportLogsServiceRequest {
            resource_logs: vec![record::resource_logs(&self.config, instance, records)],
        }
        .encode_to_vec();
        if !self.config.gzip {
            return Ok(body);
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&body)
            .and_then(|()| gzip.finish())
            .map_err(|error| Answer::again(format!("cannot compress: {error}")))
    }
}

/// What a receiver's answer means (OTLP 1.x, "OTLP/HTTP response").
fn judge(response: &Response) -> Answer {
    match response.status {
        200..=299 => accepted(response),
        429 | 502 | 503 | 504 => response.again(),
        // Something in it, or too much of it.
        400 | 413 => Answer::refused(response.shown()),
        401 | 403 | 407 => Answer::misconfigured(format!(
            "{}. Check the headers that the receiver wants for authentication",
            response.shown()
        )),
        // The protocol forbids to try again at once. Nothing is given up for an answer that says nothing of the records.
        _ => Answer::misconfigured(format!(
            "{}. Check `endpoint`, and the receiver's own log",
            response.shown()
        )),
    }
}

fn accepted(response: &Response) -> Answer {
    let Some((rejected, message)) = partial_success(&response.body) else {
        return Answer::misconfigured(format!(
            "{}: a success that is no answer of OTLP; whether anything was taken is not known. Check `endpoint`: something else may listen there",
            response.shown()
        ));
    };
    let message: String = message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect();
    match usize::try_from(rejected) {
        Ok(0) | Err(_) => {
            if !message.is_empty() {
                tracing::warn!(message, "the OTLP receiver took everything and warns");
            }
            Answer::Durable
        }
        Ok(refused) => Answer::DurableSome {
            refused,
            reason: format!(
                "the receiver rejected {refused} records and does not say which: {message}"
            ),
        },
    }
}

/// How many records were rejected, and what was said. Receivers answer in protobuf as they were asked, some in JSON all the same.
fn partial_success(body: &[u8]) -> Option<(i64, String)> {
    if body.first() == Some(&b'{') {
        let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
        let partial = answer.get("partialSuccess");
        let field = |name: &str| partial.and_then(|partial| partial.get(name));
        // 64 bits are text in protobuf's JSON, and a number with those who do not know.
        let rejected = match field("rejectedLogRecords") {
            Some(serde_json::Value::String(text)) => text.parse().ok()?,
            Some(value) => value.as_i64()?,
            None => 0,
        };
        let message = field("errorMessage").and_then(|text| text.as_str());
        return Some((rejected, message.unwrap_or_default().to_owned()));
    }
    let answer = ExportLogsServiceResponse::decode(body).ok()?;
    let partial = answer.partial_success.unwrap_or_default();
    Some((partial.rejected_log_records, partial.error_message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;
    use rstest::rstest;

    fn response(status: u16, body: &[u8]) -> Response {
        Response {
            status,
            retry_after: None,
            body: body.to_vec(),
        }
    }

    #[rstest]
    #[case(429)]
    #[case(502)]
    #[case(503)]
    #[case(504)]
    fn tried_again(#[case] status: u16) {
        assert!(matches!(
            judge(&response(status, b"")),
            Answer::Again { .. }
        ));
    }

    #[rstest]
    #[case(401)]
    #[case(404)]
    #[case(415)]
    #[case(500)]
    #[case(302)]
    fn nothing_is_given_up_for_what_says_nothing_of_the_records(#[case] status: u16) {
        assert!(matches!(
            judge(&response(status, b"")),
            Answer::Misconfigured { .. }
        ));
    }

    #[test]
    fn too_large_and_malformed_are_halved() {
        assert!(matches!(judge(&response(413, b"")), Answer::Refused { .. }));
        assert!(matches!(judge(&response(400, b"")), Answer::Refused { .. }));
    }

    #[test]
    fn a_success_is_read_to_its_end() {
        assert_eq!(judge(&response(200, b"")), Answer::Durable);
        assert_eq!(judge(&response(200, b"{}")), Answer::Durable);
        assert_eq!(
            judge(&response(200, br#"{"partialSuccess":null}"#)),
            Answer::Durable
        );
        let rejected = ExportLogsServiceResponse {
            partial_success: Some(ExportLogsPartialSuccess {
                rejected_log_records: 3,
                error_message: "too old".into(),
            }),
        };
        assert!(matches!(
            judge(&response(200, &rejected.encode_to_vec())),
            Answer::DurableSome { refused: 3, .. }
        ));
        let json = br#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"x"}}"#;
        assert!(matches!(
            judge(&response(200, json)),
            Answer::DurableSome { refused: 2, .. }
        ));
        assert!(matches!(
            judge(&response(200, b"<html>sign in</html>")),
            Answer::Misconfigured { .. }
        ));
    }

    #[test]
    fn where_it_goes() {
        assert_eq!(url("https://c:4318").unwrap().path(), "/v1/logs");
        assert_eq!(
            url("https://c/otlp/v1/logs").unwrap().path(),
            "/otlp/v1/logs"
        );
        assert!(url("grpc://c:4317").is_err());
        assert!(url("https://user:secret@c").is_err());
    }
}
