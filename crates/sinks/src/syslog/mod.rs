//! syslog (RFC 5424) over TLS (RFC 5425), or plain TCP with octet counting (RFC 6587).
//!
//! The protocol has no acknowledgement. A batch counts as delivered when the peer's TCP has taken every byte of it: what the peer's
//! process loses after that, when it is killed, is lost there. [`crate::relp`] is the one that is at-least-once.

pub(crate) mod connection;
pub(crate) mod message;
mod queue;

use crate::record::{Batch, Record};
use crate::sink::{Answer, Limits, OpenError, Sink, Task};
use crate::tls::TlsOptions;
use connection::{Connection, Target};
use message::Style;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Configuration: of `syslog` and of `relp`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The receiver, `host:port`. The port of syslog over TLS is 6514; for RELP rsyslog's examples use 2514, or 20514.
    pub address: String,
    /// TLS; on unless `plain` says otherwise.
    #[serde(default)]
    pub tls: TlsOptions,
    /// No TLS: for a receiver on the same machine.
    #[serde(default)]
    pub plain: bool,
    /// How messages look.
    #[serde(default)]
    pub message: Style,
}

impl Config {
    /// Whom to connect to, and how.
    pub(crate) fn target(&self) -> Result<Target, OpenError> {
        Target::new(&self.address, (!self.plain).then_some(&self.tls))
    }
}

pub(crate) fn open(config: &Config) -> Result<Box<dyn Sink>, OpenError> {
    Ok(Box::new(Syslog {
        target: config.target()?,
        style: config.message.clone(),
        connection: None,
    }))
}

struct Syslog {
    target: Target,
    style: Style,
    connection: Option<Connection>,
}

/// How long the peer's TCP may take with nothing getting through.
const STALLED: Duration = Duration::from_mins(1);

impl Sink for Syslog {
    fn limits(&self) -> Limits {
        Limits {
            records: 1_000,
            bytes: 1_000_000,
            // The length, and the blank behind it.
            overhead: 12,
            record_bytes: self.style.message_bytes.max(message::LEAST),
            whole_blocks: false,
        }
    }

    fn encode(&self, record: &Record) -> Vec<u8> {
        self.style.message(record)
    }

    fn deliver<'a>(&'a mut self, batch: &'a Batch) -> Task<'a, Answer> {
        Box::pin(async move {
            // Taken out: a delivery that is given up leaves no connection with half a frame on it.
            let mut kept = None;
            if let Some(mut old) = self.connection.take()
                && old.is_open().await
            {
                kept = Some(old);
            }
            let mut connection = match kept {
                Some(old) => old,
                None => match self.target.connect().await {
                    Ok(new) => new,
                    Err(answer) => return answer,
                },
            };
            let mut bytes = Vec::new();
            for item in &batch.items {
                bytes.extend_from_slice(format!("{} ", item.encoded.len()).as_bytes());
                bytes.extend_from_slice(&item.encoded);
            }
            let sent = async {
                connection.stream.write_all(&bytes).await?;
                connection.stream.flush().await
            }
            .await;
            if let Err(error) = sent {
                return self.target.lost(&error);
            }
            if let Err(answer) = connection.taken(&self.target, STALLED).await {
                return answer;
            }
            self.connection = Some(connection);
            Answer::Durable
        })
    }

    fn place(&self) -> String {
        self.target.address.clone()
    }
}
