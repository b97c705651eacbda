//! Datadog Logs, version 2 of the intake.
//!
//! At most 1,000 logs and 5 MB (uncompressed) a request, 1 MB a log: what is longer would be cut off with a 2xx, so it is split before.
//! 202 is all the confirmation there is. Logs that are more than 18 hours old lose their time there: they go without `timestamp` and
//! keep it as the attribute `time`.

use crate::http::{self, HttpOptions, Response};
use crate::record::{Batch, Record};
use crate::secret::{Secret, SecretFrom};
use crate::sink::{Answer, Limits, OpenError, Sink, Task};
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::Write;

/// Configuration.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the API key is.
    pub api_key: SecretFrom,
    /// The site: `datadoghq.com`, `datadoghq.eu`, `us5.datadoghq.com`.
    #[serde(default = "site")]
    pub site: String,
    /// The intake's URL in place of the site's, for a private link or a relay: `https://host`.
    pub url: Option<String>,
    /// `service`.
    #[serde(default = "service")]
    pub service: String,
    /// `ddsource`: chooses Datadog's own parsers.
    #[serde(default = "source")]
    pub source: String,
    /// `ddtags`.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// How to get there.
    #[serde(default)]
    pub http: HttpOptions,
}

fn site() -> String {
    "datadoghq.com".into()
}

fn service() -> String {
    "postgresql-audit".into()
}

fn source() -> String {
    "postgresql".into()
}

/// Older than this, a log goes without `timestamp`: half an hour before Datadog's 18 hours, for the way and the clocks.
const OLDEST: i64 = (17 * 60 + 30) * 60 * 1_000;
/// The longest `"timestamp":"..",`.
const STAMP: usize = 64;

pub(crate) fn open(config: &Config) -> Result<Box<dyn Sink>, OpenError> {
    let base = config
        .url
        .clone()
        .unwrap_or_else(|| format!("https://http-intake.logs.{}", config.site));
    let url = reqwest::Url::parse(&format!("{}/api/v2/logs", base.trim_end_matches('/'))).map_err(
        |_| OpenError::Setting {
            setting: if config.url.is_some() { "url" } else { "site" },
            problem: "gives no URL: it is the likes of datadoghq.eu, or https://host".into(),
        },
    )?;
    let tags: Vec<String> = config
        .tags
        .iter()
        .map(|(key, value)| format!("{key}:{value}"))
        .collect();
    Ok(Box::new(Datadog {
        client: config.http.client()?,
        key: config.api_key.read()?,
        url,
        service: config.service.clone(),
        source: config.source.clone(),
        tags: tags.join(","),
    }))
}

struct Datadog {
    client: reqwest::Client,
    key: Secret,
    url: reqwest::Url,
    service: String,
    source: String,
    tags: String,
}

impl Sink for Datadog {
    fn limits(&self) -> Limits {
        Limits {
            records: 1_000,
            bytes: 5_000_000 - 2,
            // A comma, and the time that is added when it is sent.
            overhead: 1 + STAMP,
            record_bytes: 1_000_000 - STAMP,
            whole_blocks: false,
        }
    }

    /// The log but its `timestamp`, which depends on when it is sent. Attributes are texts: Datadog's schema wants them so.
    fn encode(&self, record: &Record) -> Vec<u8> {
        let mut log = Map::new();
        log.insert("ddsource".into(), self.source.as_str().into());
        log.insert("service".into(), self.service.as_str().into());
        log.insert("hostname".into(), record.instance.as_ref().into());
        if !self.tags.is_empty() {
            log.insert("ddtags".into(), self.tags.as_str().into());
        }
        for (name, value) in record.fields() {
            let text = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            log.insert(name, text.into());
        }
        log.insert("message".into(), record.text().into_owned().into());
        Value::Object(log).to_string().into_bytes()
    }

    fn deliver<'a>(&'a mut self, batch: &'a Batch) -> Task<'a, Answer> {
        Box::pin(async move {
            let now = jiff::Timestamp::now().as_millisecond();
            let body = match compressed(&body(batch, now)) {
                Ok(body) => body,
                Err(error) => return Answer::again(format!("cannot compress: {error}")),
            };
            let Ok(mut key) = HeaderValue::from_str(self.key.expose()) else {
                return Answer::misconfigured(
                    "the API key has characters that no header may have: put the key, and only it, where `api_key` says",
                );
            };
            key.set_sensitive(true);
            let request = self
                .client
                .post(self.url.clone())
                .header("DD-API-KEY", key)
                .header(CONTENT_TYPE, "application/json")
                .header(CONTENT_ENCODING, "gzip")
                .body(body);
            match http::send(request).await {
                Ok(response) => understood(&response),
                Err(answer) => answer,
            }
        })
    }

    fn place(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }
}

/// What an answer means.
fn understood(response: &Response) -> Answer {
    let said = response.shown();
    match response.status {
        202 => Answer::Durable,
        // Something about the payload; when every record is refused the engine takes it for a matter of configuration.
        400 | 413 => Answer::refused(said),
        401 | 403 => Answer::misconfigured(format!(
            "{said}: the API key is not accepted; put a valid one where `api_key` says"
        )),
        408 | 429 | 500..=599 => response.again(),
        _ => Answer::misconfigured(format!(
            "{said}: that is not Datadog's intake; look at `site`, `url` and the proxy"
        )),
    }
}

/// The request's body: an array of the logs, with their times where Datadog takes them.
fn body(batch: &Batch, now: i64) -> Vec<u8> {
    let mut body = vec![b'['];
    for (index, item) in batch.items.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        let at = item.record.at();
        if now.saturating_sub(at) < OLDEST {
            let stamp = format!("{{\"timestamp\":\"{}\",", crate::record::rfc3339(at));
            body.extend_from_slice(stamp.as_bytes());
            body.extend_from_slice(item.encoded.get(1..).unwrap_or_default());
        } else {
            body.extend_from_slice(&item.encoded);
        }
    }
    body.push(b']');
    body
}

/// gzip, at the level that costs little.
pub(crate) fn compressed(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Item, sample};

    #[test]
    fn an_old_log_keeps_its_time_as_an_attribute() {
        let sink = Datadog {
            client: HttpOptions::default().client().unwrap(),
            key: secret(),
            url: "https://example.invalid/".parse().unwrap(),
            service: service(),
            source: source(),
            tags: "env:test".into(),
        };
        let record = sample(3, "a");
        let at = record.at();
        let encoded = sink.encode(&record);
        let batch = Batch {
            items: vec![Item { record, encoded }],
            block: None,
        };
        let parsed = |now| -> Value { serde_json::from_slice(&body(&batch, now)).unwrap() };
        let fresh = parsed(at + 1);
        assert_eq!(fresh[0]["timestamp"], "2026-01-01T00:00:00.123Z");
        assert_eq!(fresh[0]["seq"], "3");
        let old = parsed(at + 18 * 3_600_000);
        assert_eq!(old[0].get("timestamp"), None);
        assert_eq!(old[0]["time"], "2026-01-01T00:00:00.123Z");
    }

    fn secret() -> Secret {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0123456789abcdef\n").unwrap();
        SecretFrom::File(file.path().to_owned()).read().unwrap()
    }

    #[test]
    fn a_key_is_in_no_debug_text() {
        assert_eq!(format!("{:?}", secret()), "Secret(..)");
    }
}
