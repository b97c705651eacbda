//! Splunk's HTTP Event Collector, with indexer acknowledgement.
//!
//! A request that is answered with code 0 is in the memory of one Splunk process. Durable is what `/services/collector/ack` says `true`
//! of; acknowledgement identifiers belong to a channel and are forgotten when it idles, when a load balancer moves us, or when the
//! process restarts: then the batch is sent again, with the same numbers.

mod code;

use crate::datadog::compressed;
use crate::http::{self, HttpOptions};
use crate::record::{Batch, Item, Record};
use crate::secret::{Secret, SecretFrom};
use crate::sink::{Answer, Limits, OpenError, Sink, Task};
use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Configuration.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The collector, `https://splunk.example:8088`.
    pub url: String,
    /// Where the token is.
    pub token: SecretFrom,
    /// The index; the token's default when it is not given.
    pub index: Option<String>,
    /// `sourcetype`.
    #[serde(default = "sourcetype")]
    pub sourcetype: String,
    /// `source`.
    #[serde(default = "source")]
    pub source: String,
    /// Wait for the indexers' acknowledgement. Without it (Splunk Cloud has none) a record counts as delivered when it is in the memory of
    /// one process, and can be lost there.
    #[serde(default = "yes")]
    pub acknowledgement: bool,
    /// Bytes of a request, before compression; the server's `max_content_length` must allow it.
    #[serde(default = "request_bytes")]
    pub request_bytes: usize,
    /// Requests that wait for their acknowledgement at the same time: acknowledgement takes seconds to a minute.
    #[serde(default = "requests")]
    pub requests: usize,
    /// How long to wait for an acknowledgement before the batch is sent again, in seconds.
    #[serde(default = "acknowledgement_seconds")]
    pub acknowledgement_seconds: u64,
    /// How to get there.
    #[serde(default)]
    pub http: HttpOptions,
}

fn sourcetype() -> String {
    "postgresql:audit".into()
}

fn source() -> String {
    "pgattest".into()
}

fn yes() -> bool {
    true
}

fn request_bytes() -> usize {
    1_000_000
}

fn requests() -> usize {
    8
}

fn acknowledgement_seconds() -> u64 {
    180
}

pub(crate) fn open(config: &Config) -> Result<Box<dyn Sink>, OpenError> {
    let parse = |path: &str| {
        let base = config.url.trim_end_matches('/');
        reqwest::Url::parse(&format!("{base}{path}")).map_err(|_| OpenError::Setting {
            setting: "url",
            problem: "is no URL such as https://splunk.example:8088".into(),
        })
    };
    Ok(Box::new(Splunk {
        event_url: parse("/services/collector/event")?,
        ack_url: parse("/services/collector/ack")?,
        client: config.http.client()?,
        token: config.token.read()?,
        config: config.clone(),
        channel: channel()?,
    }))
}

/// A GUID for a channel.
fn channel() -> Result<String, OpenError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| OpenError::Other(format!("no random numbers: {error}")))?;
    // Version 4, variant 1 (RFC 9562).
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex::encode(bytes);
    let parts =
        [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| text.get(range).unwrap_or_default());
    Ok(parts.join("-"))
}

struct Splunk {
    event_url: reqwest::Url,
    ack_url: reqwest::Url,
    client: reqwest::Client,
    token: Secret,
    config: Config,
    channel: String,
}

/// A request that was taken, with the index behind its last item.
struct Taken {
    behind: usize,
    ack: u64,
    durable: bool,
}

/// What `/services/collector/ack` answers.
#[derive(Deserialize)]
struct Acks {
    acks: BTreeMap<u64, bool>,
}

impl Sink for Splunk {
    fn limits(&self) -> Limits {
        Limits {
            records: 10_000,
            bytes: self
                .request_bytes()
                .saturating_mul(self.config.requests.max(1)),
            overhead: 1,
            record_bytes: self.request_bytes(),
            whole_blocks: false,
        }
    }

    fn encode(&self, record: &Record) -> Vec<u8> {
        let mut event = Map::new();
        let at = record.at();
        // Seconds with a fraction, as a text: a float would lose digits.
        let time = format!("{}.{:03}", at.div_euclid(1000), at.rem_euclid(1000));
        event.insert("time".into(), time.into());
        event.insert("host".into(), record.instance.as_ref().into());
        event.insert("source".into(), self.config.source.as_str().into());
        event.insert("sourcetype".into(), self.config.sourcetype.as_str().into());
        if let Some(index) = &self.config.index {
            event.insert("index".into(), index.as_str().into());
        }
        let text = record.text();
        // Code 13: an event must not be blank.
        let text = if text.trim().is_empty() {
            "<blank>"
        } else {
            text.as_ref()
        };
        event.insert("event".into(), text.into());
        // Indexed fields are texts.
        let fields: Map<String, Value> = record
            .fields()
            .into_iter()
            .map(|(name, value)| match value {
                Value::String(text) => (name, text.into()),
                other => (name, other.to_string().into()),
            })
            .collect();
        event.insert("fields".into(), fields.into());
        Value::Object(event).to_string().into_bytes()
    }

    fn deliver<'a>(&'a mut self, batch: &'a Batch) -> Task<'a, Answer> {
        Box::pin(async move {
            let mut taken = Vec::new();
            let mut failed = None;
            let mut from = 0;
            for request in requests_of(&batch.items, self.request_bytes()) {
                from += request.len();
                match self.post(request).await {
                    Ok(ack) => taken.push(Taken {
                        behind: from,
                        ack: ack.unwrap_or_default(),
                        durable: ack.is_none(),
                    }),
                    Err(answer) => {
                        failed = Some(answer);
                        break;
                    }
                }
            }
            let unconfirmed = self.acknowledged(&mut taken).await;
            let durable = taken
                .iter()
                .take_while(|taken| taken.durable)
                .last()
                .map_or(0, |taken| taken.behind);
            // What came first goes first: an acknowledgement that is missing is about earlier items than a request that failed.
            let Some(rest) = unconfirmed.or(failed) else {
                return Answer::Durable;
            };
            if durable == 0 {
                return rest;
            }
            Answer::First {
                durable,
                rest: Box::new(rest),
            }
        })
    }

    fn place(&self) -> String {
        let host = self.event_url.host_str().unwrap_or_default();
        match (&self.config.index, self.event_url.port_or_known_default()) {
            (Some(index), Some(port)) => format!("{host}:{port}, index {index}"),
            (None, Some(port)) => format!("{host}:{port}"),
            _ => host.to_owned(),
        }
    }
}

impl Splunk {
    fn request_bytes(&self) -> usize {
        self.config.request_bytes.max(10_000)
    }

    fn request(&self, url: &reqwest::Url) -> Result<reqwest::RequestBuilder, Answer> {
        let text = zeroize::Zeroizing::new(format!("Splunk {}", self.token.expose()));
        let Ok(mut token) = HeaderValue::from_str(&text) else {
            return Err(Answer::misconfigured(
                "the token has characters that no header may have: put the token, and only it, where `token` says",
            ));
        };
        token.set_sensitive(true);
        Ok(self
            .client
            .post(url.clone())
            .header(AUTHORIZATION, token)
            .header("X-Splunk-Request-Channel", &self.channel)
            .header(CONTENT_TYPE, "application/json"))
    }

    /// Sends one request. The identifier to ask about; `None` when none is to be waited for.
    async fn post(&mut self, items: &[Item]) -> Result<Option<u64>, Answer> {
        let mut body = Vec::new();
        for item in items {
            body.extend_from_slice(&item.encoded);
            body.push(b'\n');
        }
        let body = compressed(&body)
            .map_err(|error| Answer::again(format!("cannot compress: {error}")))?;
        let request = self
            .request(&self.event_url)?
            .header(CONTENT_ENCODING, "gzip")
            .body(body);
        let response = http::send(request).await?;
        let said = code::Said::of(&response);
        if let Some(answer) = said.trouble(&response) {
            if said.is_channel() {
                self.renew()?;
            }
            return Err(answer);
        }
        match (self.config.acknowledgement, said.ack) {
            (false, _) => Ok(None),
            (true, Some(ack)) => Ok(Some(ack)),
            (true, None) => Err(Answer::misconfigured(
                "Splunk gave no `ackId`: switch on indexer acknowledgement (`useACK`) for the token, or say `acknowledgement = false`, with which records can be lost in Splunk's memory",
            )),
        }
    }

    /// Asks about what was taken until all of it is durable. `Some`: not all of it is.
    async fn acknowledged(&mut self, taken: &mut [Taken]) -> Option<Answer> {
        let until = Instant::now() + Duration::from_secs(self.config.acknowledgement_seconds);
        let mut waits = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(2))
            .without_max_times()
            .build();
        while taken.iter().any(|taken| !taken.durable) {
            if Instant::now() >= until {
                return Some(self.forgotten("no indexer acknowledged the batch in time"));
            }
            tokio::time::sleep(waits.next().unwrap_or(Duration::from_secs(2))).await;
            if let Err(answer) = self.ask(taken).await {
                return Some(answer);
            }
        }
        None
    }

    async fn ask(&mut self, taken: &mut [Taken]) -> Result<(), Answer> {
        let open: Vec<u64> = taken
            .iter()
            .filter(|taken| !taken.durable)
            .map(|taken| taken.ack)
            .collect();
        let request = self
            .request(&self.ack_url)?
            .body(json!({ "acks": open }).to_string());
        // A question that got lost is asked again; the acknowledgement's own deadline ends that.
        let Ok(response) = http::send(request).await else {
            return Ok(());
        };
        if response.status == 200
            && let Ok(answer) = serde_json::from_slice::<Acks>(&response.body)
        {
            for taken in taken.iter_mut().filter(|taken| !taken.durable) {
                // `false` is also what an identifier gets that is not known (any more).
                taken.durable = answer.acks.get(&taken.ack) == Some(&true);
            }
            return Ok(());
        }
        let said = code::Said::of(&response);
        if said.is_channel() {
            return Err(self.forgotten("the channel is forgotten"));
        }
        match said.trouble(&response) {
            Some(answer @ Answer::Misconfigured { .. }) => Err(answer),
            // Busy: the question is asked again.
            Some(Answer::Again { .. }) => Ok(()),
            _ => Err(self.forgotten(&response.shown())),
        }
    }

    /// The identifiers are of no use any more: a new channel, and the batch again.
    fn forgotten(&mut self, why: &str) -> Answer {
        match self.renew() {
            Ok(()) => Answer::again(format!(
                "{why}: the batch is sent again in a new channel; duplicates have the same seq"
            )),
            Err(answer) => answer,
        }
    }

    fn renew(&mut self) -> Result<(), Answer> {
        self.channel = channel().map_err(|error| Answer::again(error.to_string()))?;
        Ok(())
    }
}

/// Items in requests of at most so many bytes.
fn requests_of(items: &[Item], bytes: usize) -> Vec<&[Item]> {
    let mut requests = Vec::new();
    let (mut from, mut size) = (0, 0_usize);
    for (index, item) in items.iter().enumerate() {
        let more = item.encoded.len().saturating_add(1);
        if index > from && size.saturating_add(more) > bytes {
            requests.push(items.get(from..index).unwrap_or_default());
            (from, size) = (index, 0);
        }
        size = size.saturating_add(more);
    }
    requests.push(items.get(from..).unwrap_or_default());
    requests
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;

    #[test]
    fn a_channel_is_a_guid() {
        let guid = channel().unwrap();
        assert_eq!(guid.len(), 36);
        assert_eq!(guid.as_bytes()[14], b'4');
        assert_ne!(guid, channel().unwrap());
    }

    #[test]
    fn requests_fit_and_hold_every_item() {
        let items: Vec<Item> = (0..10)
            .map(|number| Item {
                record: sample(number, ""),
                encoded: vec![b'x'; 30],
            })
            .collect();
        let requests = requests_of(&items, 100);
        assert_eq!(
            requests
                .iter()
                .map(|request| request.len())
                .collect::<Vec<_>>(),
            [3, 3, 3, 1]
        );
    }
}
