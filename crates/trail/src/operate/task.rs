//! What runs beside the capture: sinks, archive, detection. Each reads the journal and hands leaves in.

use super::{Metrics, Stop, Teller};
use crate::journal::{JournalError, JournalReader};
use crate::leaf::Leaf;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A part of a collector. It runs on a thread of its own; one that needs tokio makes a runtime there.
pub trait Task: Send {
    /// What it is called in messages: `sink splunk`.
    fn name(&self) -> String;

    /// Works until `context.stop` says otherwise, see [`Phase`](super::Phase). What it does must be resumable from the journal: it may be
    /// killed at any instant. An error is told and the task is run again after a pause; one that can go on by itself does so and
    /// tells.
    fn run(&mut self, context: &Context) -> Result<(), TaskError>;
}

/// Why a task has ended.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// What a task is given.
#[derive(Clone, Debug)]
pub struct Context {
    /// The journal's directory.
    pub journal: PathBuf,
    /// Hands leaves to the journal's writer.
    pub leaves: Leaves,
    /// How far the journal is, to be waited for.
    pub head: Head,
    /// When to end.
    pub stop: Stop,
    /// Its numbers.
    pub metrics: Metrics,
    /// Whom to tell.
    pub teller: Teller,
}

impl Context {
    /// The journal for reading.
    pub fn reader(&self) -> Result<JournalReader, JournalError> {
        JournalReader::open(&self.journal)
    }

    /// The journal's directory.
    pub fn dir(&self) -> &Path {
        &self.journal
    }
}

/// Hands leaves to the journal's writer, from any thread. Outlives a writer that had to be opened again after an error.
#[derive(Clone)]
pub struct Leaves(Arc<dyn Fn(Leaf) -> Result<(), JournalError> + Send + Sync>);

impl Leaves {
    /// Hands every leaf to this function.
    pub fn new(send: impl Fn(Leaf) -> Result<(), JournalError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(send))
    }

    /// Hands in a leaf and returns once it is durable.
    ///
    /// While the journal cannot be written (its volume is full) this waits. [`JournalError::Ended`] when the writer has ended.
    pub fn send(&self, leaf: Leaf) -> Result<(), JournalError> {
        (self.0)(leaf)
    }
}

impl std::fmt::Debug for Leaves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leaves")
    }
}

/// How far the journal is: the size of its tree at the last commit.
#[derive(Clone, Debug, Default)]
pub struct Head {
    shared: Arc<(Mutex<u64>, Condvar)>,
}

impl Head {
    /// The size now.
    pub fn size(&self) -> u64 {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the tree is larger than `seen`, at most this long; the size then.
    ///
    /// Tasks use a deadline of a second or so and look at [`Stop`] in between.
    pub fn wait(&self, seen: u64, longest: Duration) -> u64 {
        let until = Instant::now() + longest;
        let mut size = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        while *size <= seen {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            size = self
                .shared
                .1
                .wait_timeout(size, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *size
    }

    /// Says that the tree has this size now.
    pub fn set(&self, size: u64) {
        let mut now = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *now < size {
            *now = size;
            self.shared.1.notify_all();
        }
    }
}
