//! What a sink is to the engine.

use crate::evidence::SinkEvidence;
use crate::record::{Batch, Record};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// What an asynchronous method of a [`Sink`] gives: the trait is used as `dyn`.
pub type Task<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A place that records are delivered to.
///
/// Implementations hold no queue: when [`Self::deliver`] answers, the batch is either durable at the other end, or it is the engine's
/// again. Nothing here retries, waits for a back-off, or gives a record up; that is the engine's.
pub trait Sink: Send {
    /// What a batch may hold. Asked once, after opening.
    fn limits(&self) -> Limits;

    /// A record as it goes over the wire, before compression. Called once a record; its length counts against the limits.
    ///
    /// It must grow with the record's text: the engine finds by it where a record that is too long is cut.
    fn encode(&self, record: &Record) -> Vec<u8>;

    /// Delivers a batch and waits until the other end has confirmed it as durably as it ever does.
    ///
    /// After [`Answer::Again`] the same sink is asked again, so a connection that is broken is to be made anew. After
    /// [`Answer::Misconfigured`], and when the answer takes too long (the future is then dropped), the sink is opened anew.
    ///
    /// The batch is never empty. Its items are in order of their numbers and fit the limits.
    fn deliver<'a>(&'a mut self, batch: &'a Batch) -> Task<'a, Answer>;

    /// What the sink wants to find again after a restart; asked after opening and after each delivery, and saved with the cursor. It
    /// describes what has been confirmed, nothing else.
    fn state(&self) -> Option<serde_json::Value> {
        None
    }

    /// Hands back what [`Self::state`] gave last, once, before the first delivery. `None`: there was nothing.
    fn restore(&mut self, state: Option<serde_json::Value>) -> Task<'_, Result<(), OpenError>> {
        let _ = state;
        Box::pin(async { Ok(()) })
    }

    /// Looks at what the other end keeps: retention, lock, the oldest record that can still be fetched. `None`: it cannot be asked.
    /// The error says why it could not be looked at; that is no evidence of anything.
    fn evidence(&mut self) -> Task<'_, Result<Option<SinkEvidence>, String>> {
        Box::pin(async { Ok(None) })
    }

    /// Where it delivers to, for people: host, stream, path. Never a secret.
    fn place(&self) -> String;
}

/// What a batch may hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Records (or parts of records), at least 1.
    pub records: usize,
    /// Sum over the items of their encoded length and `overhead`.
    pub bytes: usize,
    /// What each item adds to the batch besides its encoded length: separators, CloudWatch's 26 bytes.
    pub overhead: usize,
    /// Encoded length of one item. A longer record is cut into parts that fit.
    pub record_bytes: usize,
    /// A batch is exactly the pieces of one block of the journal, whole, whatever the other limits say, with the block; nothing but
    /// records is delivered. For sinks whose objects are named by what they hold: after a crash the same batch is made again. What such
    /// a sink refuses is not halved.
    pub whole_blocks: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            records: 1_000,
            bytes: 1_000_000,
            overhead: 0,
            record_bytes: 1_000_000,
            whole_blocks: false,
        }
    }
}

/// What the other end said to a batch. Reasons are for people and never hold a secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// Everything is durable.
    Durable,
    /// Everything is durable but these items, which are refused for good.
    DurableBut(Vec<Refusal>),
    /// All is settled; so many items of the batch were refused for good, and nobody said which. The batch is not sent again.
    DurableSome {
        /// How many.
        refused: usize,
        /// What was said.
        reason: String,
    },
    /// The first items are durable; of the others, the answer says more.
    First {
        /// How many items are durable.
        durable: usize,
        /// What of the rest.
        rest: Box<Answer>,
    },
    /// The first item alone is refused for good; of the others, the answer says more.
    FirstRefused {
        /// What was said.
        reason: String,
        /// What of the rest.
        rest: Box<Answer>,
    },
    /// Nothing is confirmed: try again later. Also when it is unknown what became of the batch.
    Again {
        /// Why.
        reason: String,
        /// Not before this has passed: `Retry-After`.
        after: Option<Duration>,
    },
    /// The batch is refused for good because of something in it. The engine halves it until it knows what.
    Refused {
        /// What was said.
        reason: String,
    },
    /// The other end takes nothing from us before a person changes something: credentials, a name, a right. Nothing is given up; the
    /// sink is opened anew from time to time.
    Misconfigured {
        /// What was said, and what to do.
        reason: String,
    },
}

impl Answer {
    /// Try again, no sooner than the back-off says.
    pub fn again(reason: impl Into<String>) -> Self {
        Self::Again {
            reason: reason.into(),
            after: None,
        }
    }

    /// See [`Self::Refused`].
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::Refused {
            reason: reason.into(),
        }
    }

    /// See [`Self::Misconfigured`].
    pub fn misconfigured(reason: impl Into<String>) -> Self {
        Self::Misconfigured {
            reason: reason.into(),
        }
    }
}

/// An item that is refused for good.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Its index in the batch.
    pub index: usize,
    /// What was said.
    pub reason: String,
}

/// Why a sink cannot be opened. The engine says so in its state and tries again slowly; it never gives up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A secret's environment variable is not set.
    #[error(
        "the environment variable `{0}` is not set: it holds the secret of this sink; set it for the collector"
    )]
    NoVariable(String),
    /// A file (secret, certificate, key) cannot be read.
    #[error("cannot read `{}`: {source}", .path.display())]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A setting's value does not do.
    #[error("`{setting}` {problem}")]
    Setting {
        /// Its name in the configuration.
        setting: &'static str,
        /// What is wrong with it, and what would do.
        problem: String,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}
