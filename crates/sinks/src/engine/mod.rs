//! Delivers the journal to every sink.

use crate::config::{Config, Name};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How the engine works.
#[derive(Clone, Debug)]
pub struct Options {
    /// The journal's directory.
    pub journal: PathBuf,
    /// The instance's name, in every record.
    pub instance: Arc<str>,
    /// How often the journal is looked at for more.
    pub poll: Duration,
    /// The first wait after a failure; each one is about twice the one before.
    pub first_delay: Duration,
    /// The longest wait after a failure, but for `Retry-After`.
    pub last_delay: Duration,
    /// How often a misconfigured sink is opened anew.
    pub misconfigured_delay: Duration,
    /// How often a watermark becomes a leaf, at most.
    pub watermark: Duration,
    /// How long sinks may go on after the stop.
    pub drain: Duration,
}

/// Delivers the journal to every sink.
pub struct Engine {
    options: Options,
    sinks: BTreeMap<Name, Config>,
}

impl Engine {
    /// For these sinks.
    pub fn new(options: Options, sinks: BTreeMap<Name, Config>) -> Self {
        Self { options, sinks }
    }

    /// Runs until it is told to stop.
    pub async fn run(self, stop: tokio::sync::watch::Receiver<bool>) {
        let _ = (self.options, self.sinks, stop);
        todo!("the engine")
    }
}
