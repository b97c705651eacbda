//! What a caller sees of a collection.

use crate::canceller::Canceller;
use crate::limits::Limits;
use crate::run::Run;
use pgattest_model::{Observation, ObservationId, ServerVersion};
use pgattest_wire::{ConnectError, ConnectOptions};

/// Everything that was recorded. Times are RFC 3339 in UTC, milliseconds kept.
#[derive(Debug)]
pub struct Collection {
    /// The cluster's own first, then each database's in the order of `databases`.
    pub observations: Vec<Observation>,
    /// The collector's clock when it began to connect.
    pub started_at: String,
    /// The collector's clock when the last observation was complete.
    pub finished_at: String,
    /// Collector's clock minus server's clock, in milliseconds, measured once at the start; `None` when the server said no
    /// time.
    pub clock_skew_ms: Option<i64>,
}

/// Why there is no collection at all. A query or a database that fails is no error: it is an observation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// The first connection did not come about.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The other end let us in and then did not answer like PostgreSQL, as the admin console of a pooler does.
    #[error("{asked_at} let us in but does not answer like a PostgreSQL server: {why}")]
    NotAServer {
        /// Host and port, or socket.
        asked_at: String,
        /// What it said.
        why: String,
    },
    /// The first connection broke while the cluster's own groups were read.
    #[error(
        "the connection to {asked_at} was lost while reading `{at}`: {why}; is the server still running?"
    )]
    Lost {
        /// Host and port, or socket.
        asked_at: String,
        /// The observation that was being made.
        at: ObservationId,
        /// What happened.
        why: String,
    },
    /// The caller had it stopped; running queries were cancelled.
    #[error("stopped before everything was read; nothing was changed on the server")]
    Stopped,
}

/// What happens meanwhile, for a progress bar.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The first connection is open.
    Connected {
        /// Host and port, or socket.
        asked_at: &'a str,
        /// The role that looks.
        role: &'a str,
        /// The server's version; `0.0` when it did not say.
        version: ServerVersion,
    },
    /// It is known how much there is to do.
    Planned {
        /// Databases to look into.
        databases: usize,
        /// Observations that remain to be made.
        observations: usize,
    },
    /// One more observation is complete, a failed one included.
    Observed(&'a Observation),
}

/// Collects everything that the role may see.
///
/// Dropping the future cancels what runs on the server, by a task of the current Tokio runtime; a process that ends at once
/// should use [`collect_until`].
///
/// # Errors
///
/// Nothing was collected, see [`CollectError`]. What could not be read is no error but a failed observation.
pub async fn collect(
    options: &ConnectOptions,
    limits: Limits,
    progress: impl Fn(Event<'_>) + Sync,
) -> Result<Collection, CollectError> {
    collect_until(options, limits, std::future::pending(), progress).await
}

/// As [`collect`], until `stop` is ready: then what runs on the servers is cancelled, the servers are told before this returns,
/// and the result is [`CollectError::Stopped`].
///
/// # Errors
///
/// As [`collect`], and [`CollectError::Stopped`].
pub async fn collect_until(
    options: &ConnectOptions,
    limits: Limits,
    stop: impl Future<Output = ()>,
    progress: impl Fn(Event<'_>) + Sync,
) -> Result<Collection, CollectError> {
    let canceller = Canceller::default();
    let run = Run {
        options,
        limits: &limits,
        canceller: &canceller,
        progress: &progress,
    };
    // Boxed, so that a caller's own future stays small.
    let everything = Box::pin(run.everything());
    tokio::select! {
        collection = everything => collection,
        () = stop => {
            canceller.cancel().await;
            Err(CollectError::Stopped)
        }
    }
}
