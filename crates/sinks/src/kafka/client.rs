//! Connecting to the cluster, one request a partition, and what an error means.

use super::{Compression, Config, Mechanism, message};
use crate::record::Item;
use crate::secret::Secret;
use crate::sink::{Answer, OpenError};
use rskafka::BackoffConfig;
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::partition::{self, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The library tries again by itself (a leader moved, a connection broke) for so long; then the engine decides.
const OWN_RETRIES: Duration = Duration::from_secs(5);

/// What connecting takes.
pub(super) struct Connector {
    config: Config,
    tls: Option<Arc<rustls::ClientConfig>>,
    sasl: Option<(Mechanism, String, Secret)>,
}

impl Connector {
    /// Reads certificates and secrets.
    pub(super) fn new(config: &Config) -> Result<Self, OpenError> {
        let tls = if config.plaintext {
            None
        } else {
            Some(Arc::new(config.tls.client()?))
        };
        let sasl = match &config.sasl {
            None => None,
            Some(sasl) => Some((sasl.mechanism, sasl.user.clone(), sasl.password.read()?)),
        };
        Ok(Self {
            config: config.clone(),
            tls,
            sasl,
        })
    }

    /// Asks the brokers for the topic.
    pub(super) async fn connect(&self, timeout: Duration) -> Result<Connection, Answer> {
        let mut builder = ClientBuilder::new(self.config.brokers.clone())
            .client_id("pgattest")
            .backoff_config(BackoffConfig {
                deadline: Some(OWN_RETRIES),
                ..BackoffConfig::default()
            });
        if let Some(tls) = &self.tls {
            builder = builder.tls_config(Arc::clone(tls));
        }
        if let Some((mechanism, user, password)) = &self.sasl {
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            builder = builder.sasl_config(match mechanism {
                Mechanism::Plain => SaslConfig::Plain(credentials),
                Mechanism::ScramSha256 => SaslConfig::ScramSha256(credentials),
                Mechanism::ScramSha512 => SaslConfig::ScramSha512(credentials),
            });
        }
        let topic = &self.config.topic;
        let look = async {
            let client = builder.build().await?;
            let partitions = client
                .list_topics()
                .await?
                .into_iter()
                .find(|found| &found.name == topic)
                .map(|found| found.partitions.into_iter().collect::<Vec<_>>())
                .unwrap_or_default();
            Ok((client, partitions))
        };
        match tokio::time::timeout(timeout, look).await {
            Err(_) => Err(Answer::again("the brokers do not answer")),
            Ok(Err(error)) => Err(answer(&error)),
            Ok(Ok((_, partitions))) if partitions.is_empty() => {
                Err(Answer::misconfigured(format!(
                    "there is no topic `{topic}`, or we may not see it: make it, and allow Describe and Write on it"
                )))
            }
            Ok(Ok((client, partitions))) => Ok(Connection {
                client,
                topic: topic.clone(),
                compression: self.config.compression,
                batch_bytes: self.config.message_bytes,
                partitions,
                open: BTreeMap::new(),
            }),
        }
    }
}

/// A connection to the cluster.
pub(super) struct Connection {
    client: Client,
    topic: String,
    compression: Compression,
    batch_bytes: usize,
    /// The topic's partitions, ascending.
    partitions: Vec<i32>,
    open: BTreeMap<i32, Arc<PartitionClient>>,
}

/// What became of one partition's messages.
pub(super) struct Produced {
    pub(super) partition: i32,
    pub(super) result: Result<(), Answer>,
}

impl Connection {
    /// The partition of a key: CRC-32 modulo the number of partitions, as librdkafka's `consistent` partitioner has it.
    pub(super) fn partition(&self, key: &[u8]) -> i32 {
        let count = self.partitions.len().max(1) as u64;
        let place = u64::from(crc32fast::hash(key)) % count;
        usize::try_from(place)
            .ok()
            .and_then(|place| self.partitions.get(place))
            .copied()
            .unwrap_or(0)
    }

    /// Sends each partition its messages in order, all partitions at once, and waits for every replica in sync.
    pub(super) async fn produce(
        &mut self,
        runs: &BTreeMap<i32, Vec<&Item>>,
        timeout: Duration,
    ) -> Vec<Produced> {
        let mut done = Vec::new();
        let mut tasks = JoinSet::new();
        for (&partition, items) in runs {
            let client = match self.open(partition, timeout).await {
                Ok(client) => client,
                Err(answer) => {
                    done.push(Produced {
                        partition,
                        result: Err(answer),
                    });
                    continue;
                }
            };
            let messages: Vec<_> = items.iter().map(|item| message::message(item)).collect();
            let compression = match self.compression {
                Compression::None => partition::Compression::NoCompression,
                Compression::Gzip => partition::Compression::Gzip,
                Compression::Zstd => partition::Compression::Zstd,
            };
            let limit = self.batch_bytes;
            tasks.spawn(async move {
                let sent = async {
                    for messages in requests(messages, limit) {
                        client.produce(messages, compression).await?;
                    }
                    Ok(())
                };
                let result = match tokio::time::timeout(timeout, sent).await {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(answer(&error)),
                    Err(_) => Err(Answer::again(format!(
                        "partition {partition} does not answer"
                    ))),
                };
                Produced { partition, result }
            });
        }
        while let Some(produced) = tasks.join_next().await {
            // A task that is lost says nothing of its partition, which is then not settled.
            match produced {
                Ok(produced) => done.push(produced),
                Err(error) => done.push(Produced {
                    partition: -1,
                    result: Err(Answer::again(error.to_string())),
                }),
            }
        }
        done
    }

    async fn open(
        &mut self,
        partition: i32,
        timeout: Duration,
    ) -> Result<Arc<PartitionClient>, Answer> {
        if let Some(client) = self.open.get(&partition) {
            return Ok(Arc::clone(client));
        }
        let opening = self.client.partition_client(
            self.topic.clone(),
            partition,
            UnknownTopicHandling::Error,
        );
        match tokio::time::timeout(timeout, opening).await {
            Err(_) => Err(Answer::again(format!(
                "the leader of partition {partition} does not answer"
            ))),
            Ok(Err(error)) => Err(answer(&error)),
            Ok(Ok(client)) => {
                let client = Arc::new(client);
                self.open.insert(partition, Arc::clone(&client));
                Ok(client)
            }
        }
    }
}

/// Cuts messages into requests of this many bytes at most, one message at least.
fn requests(
    messages: Vec<rskafka::record::Record>,
    limit: usize,
) -> Vec<Vec<rskafka::record::Record>> {
    let mut requests: Vec<Vec<_>> = Vec::new();
    let mut bytes = limit;
    for message in messages {
        let size = message::size(&message);
        bytes = bytes.saturating_add(size);
        match requests.last_mut() {
            Some(request) if bytes <= limit => request.push(message),
            _ => {
                bytes = size;
                requests.push(vec![message]);
            }
        }
    }
    requests
}

/// What an error asks for.
fn answer(error: &Error) -> Answer {
    let text = crate::http::chain(error);
    match error {
        Error::ServerError { protocol_error, .. } => meaning(*protocol_error, text),
        // What the library gave up on after its own retries.
        Error::RetryFailed(rskafka::BackoffError::DeadlineExceded { source, .. }) => {
            match source.downcast_ref::<Error>() {
                Some(source) => answer(source),
                None => connection(text),
            }
        }
        _ => connection(text),
    }
}

fn meaning(error: ProtocolError, text: String) -> Answer {
    use ProtocolError as P;
    match error {
        P::MessageTooLarge | P::RecordListTooLarge | P::InvalidTimestamp | P::InvalidRecord => {
            Answer::refused(text)
        }
        P::TopicAuthorizationFailed | P::ClusterAuthorizationFailed => Answer::misconfigured(
            format!("{text}. Allow our user Describe and Write on the topic"),
        ),
        P::SaslAuthenticationFailed | P::UnsupportedSaslMechanism | P::IllegalSaslState => {
            Answer::misconfigured(format!("{text}. Check `sasl`"))
        }
        P::UnknownTopicOrPartition | P::InvalidTopicException => {
            Answer::misconfigured(format!("{text}. Make the topic"))
        }
        P::UnsupportedCompressionType
        | P::UnsupportedForMessageFormat
        | P::UnsupportedVersion
        | P::InvalidRequiredAcks
        | P::PolicyViolation => Answer::misconfigured(format!(
            "{text}. The broker is too old, or its policy forbids it"
        )),
        // Among them NotEnoughReplicasAfterAppend: written, and not as durably as was asked for.
        _ => Answer::again(text),
    }
}

/// The library's types of these are not public: its words tell them apart. A handshake that broke off says nothing of who we are.
fn connection(text: String) -> Answer {
    let handshake = text.contains("Sasl handshake failed");
    if handshake && !text.contains("Sasl handshake failed: Request error") {
        return Answer::misconfigured(format!("{text}. Check `sasl`"));
    }
    Answer::again(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> rskafka::record::Record {
        rskafka::record::Record {
            key: None,
            value: Some(vec![0; bytes]),
            headers: BTreeMap::new(),
            timestamp: chrono::DateTime::default(),
        }
    }

    #[test]
    fn requests_stay_below_the_limit_and_lose_nothing() {
        let sizes = |requests: Vec<Vec<rskafka::record::Record>>| -> Vec<usize> {
            requests.iter().map(Vec::len).collect()
        };
        let messages = || (0..5).map(|_| message(872)).collect();
        assert_eq!(sizes(requests(messages(), 2000)), [2, 2, 1]);
        assert_eq!(sizes(requests(messages(), 10)), [1, 1, 1, 1, 1]);
        assert_eq!(sizes(requests(messages(), 100_000)), [5]);
        assert!(requests(Vec::new(), 10).is_empty());
    }

    #[test]
    fn what_an_error_asks_for() {
        let meaning = |error| meaning(error, String::new());
        assert!(matches!(
            meaning(ProtocolError::MessageTooLarge),
            Answer::Refused { .. }
        ));
        assert!(matches!(
            meaning(ProtocolError::TopicAuthorizationFailed),
            Answer::Misconfigured { .. }
        ));
        assert!(matches!(
            meaning(ProtocolError::NotEnoughReplicas),
            Answer::Again { .. }
        ));
        assert!(matches!(
            meaning(ProtocolError::RequestTimedOut),
            Answer::Again { .. }
        ));
    }
}
