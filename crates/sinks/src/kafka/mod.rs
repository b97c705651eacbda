//! Kafka.
//!
//! At-least-once: every request asks for `acks=all`, and what is not confirmed is sent again. There is no idempotent producer in the
//! client library, so a lost answer leaves duplicates; the header `seq` tells them. Records of one session have one key and go to one
//! partition, one request after the other: their first occurrences are in order.

mod client;
mod message;

use crate::record::{Batch, Item, Record};
use crate::secret::SecretFrom;
use crate::sink::{Answer, Limits, OpenError, Sink, Task};
use crate::tls::TlsOptions;
use client::{Connection, Produced};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// What key and headers add to a message, with room to spare.
const MESSAGE_OVERHEAD: usize = 512;

/// Configuration.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Brokers to begin with: `kafka-1.example:9093`.
    pub brokers: Vec<String>,
    /// The topic. It is never made here.
    pub topic: String,
    /// The largest batch of messages that the topic takes (`max.message.bytes`), in bytes. A longer record is sent in parts.
    #[serde(default = "message_bytes")]
    pub message_bytes: usize,
    /// How batches are compressed.
    #[serde(default)]
    pub compression: Compression,
    /// TLS.
    #[serde(default)]
    pub tls: TlsOptions,
    /// No TLS: for a network that is nobody else's.
    #[serde(default)]
    pub plaintext: bool,
    /// Who we are, by name and password. Without it: by the certificate in `tls`, or nobody.
    #[serde(default)]
    pub sasl: Option<Sasl>,
    /// A request that takes longer is tried again over a new connection, in seconds.
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: u64,
}

/// How batches are compressed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not.
    None,
    /// gzip: every broker and consumer knows it.
    #[default]
    Gzip,
    /// Zstandard: Kafka 2.1 and later.
    Zstd,
}

/// Name and password.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    /// The mechanism.
    pub mechanism: Mechanism,
    /// The user.
    pub user: String,
    /// The password.
    pub password: SecretFrom,
}

/// The mechanism of authentication.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// The password in clear: only over TLS.
    Plain,
    /// SCRAM-SHA-256.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// SCRAM-SHA-512.
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}

fn message_bytes() -> usize {
    1_000_000
}

fn timeout_seconds() -> u64 {
    60
}

/// Opens it: reads the secrets. Brokers are asked with the first delivery.
pub(crate) fn open(config: &Config) -> Result<Box<dyn Sink>, OpenError> {
    let problem = |setting: &'static str, problem: &str| {
        Err(OpenError::Setting {
            setting,
            problem: problem.into(),
        })
    };
    if config.brokers.is_empty() {
        return problem("brokers", "is empty: name one broker at least, `host:port`");
    }
    if config.topic.is_empty() {
        return problem("topic", "is empty");
    }
    if config.message_bytes < 16 * MESSAGE_OVERHEAD {
        return problem(
            "message_bytes",
            "must be 8192 at least; brokers take 1000000",
        );
    }
    let plain = config
        .sasl
        .as_ref()
        .is_some_and(|sasl| sasl.mechanism == Mechanism::Plain);
    if plain && config.plaintext {
        return problem(
            "mechanism",
            "`plain` would send the password in clear: use TLS, or scram-sha-512",
        );
    }
    Ok(Box::new(Kafka {
        connector: client::Connector::new(config)?,
        connection: None,
        settled: HashSet::new(),
        config: config.clone(),
    }))
}

struct Kafka {
    config: Config,
    connector: client::Connector,
    connection: Option<Connection>,
    /// Items that are durable though their batch was not confirmed as a whole: they are not sent again with the rest of it.
    settled: HashSet<Identity>,
}

/// What tells an item from every other.
type Identity = (&'static str, u64, u32);

fn identity(item: &Item) -> Identity {
    let record = &item.record;
    let part = record.part.map_or(0, |part| part.index);
    (record.what.name(), record.number, part)
}

impl Sink for Kafka {
    fn limits(&self) -> Limits {
        Limits {
            records: 10_000,
            bytes: self.config.message_bytes,
            overhead: MESSAGE_OVERHEAD,
            record_bytes: self.config.message_bytes - 2 * MESSAGE_OVERHEAD,
            whole_blocks: false,
        }
    }

    /// The value of a message: the record's bytes as they are.
    fn encode(&self, record: &Record) -> Vec<u8> {
        record.payload().to_vec()
    }

    fn deliver<'a>(&'a mut self, batch: &'a Batch) -> Task<'a, Answer> {
        Box::pin(async {
            let answer = self.produce(batch).await;
            match &answer {
                Answer::Durable => {
                    for item in &batch.items {
                        self.settled.remove(&identity(item));
                    }
                }
                // A connection of which something unexpected came is not used again.
                Answer::Again { .. } | Answer::Misconfigured { .. } => self.connection = None,
                _ => {}
            }
            answer
        })
    }

    fn place(&self) -> String {
        format!(
            "Kafka, topic {}, brokers {}",
            self.config.topic,
            self.config.brokers.join(",")
        )
    }
}

impl Kafka {
    async fn produce(&mut self, batch: &Batch) -> Answer {
        let timeout = Duration::from_secs(self.config.timeout_seconds.max(1));
        if self.connection.is_none() {
            match self.connector.connect(timeout).await {
                Ok(connection) => self.connection = Some(connection),
                Err(answer) => return answer,
            }
        }
        let Some(connection) = &mut self.connection else {
            return Answer::again("there is no connection");
        };

        let mut runs: BTreeMap<i32, Vec<&Item>> = BTreeMap::new();
        for item in &batch.items {
            if !self.settled.contains(&identity(item)) {
                let partition = connection.partition(message::key(&item.record).as_bytes());
                runs.entry(partition).or_default().push(item);
            }
        }
        let mut worst: Option<Answer> = None;
        for Produced { partition, result } in connection.produce(&runs, timeout).await {
            match result {
                Ok(()) => {
                    let items = runs.get(&partition).into_iter().flatten();
                    self.settled.extend(items.map(|item| identity(item)));
                }
                Err(answer) => {
                    if worst
                        .as_ref()
                        .is_none_or(|worst| weight(&answer) > weight(worst))
                    {
                        worst = Some(answer);
                    }
                }
            }
        }
        worst.unwrap_or(Answer::Durable)
    }
}

/// Of several partitions' answers the one that asks for most. A refusal comes last: halving goes on when nothing else is wrong.
fn weight(answer: &Answer) -> u8 {
    match answer {
        Answer::Misconfigured { .. } => 2,
        Answer::Again { .. } => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_password_is_never_sent_in_clear() {
        let config = config(
            r#"
            brokers = ["localhost:9092"]
            topic = "audit"
            plaintext = true
            sasl = { mechanism = "plain", user = "x", password = { env = "PATH" } }
            "#,
        );
        let error = open(&config).err().unwrap().to_string();
        assert!(error.contains("in clear"), "{error}");
    }

    #[test]
    fn tls_is_what_is_done_when_nothing_is_said() {
        let config = config("brokers = [\"localhost:9093\"]\ntopic = \"audit\"");
        assert!(!config.plaintext);
        assert_eq!(config.compression, Compression::Gzip);
    }
}
