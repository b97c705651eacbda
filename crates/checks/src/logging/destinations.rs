//! Where the server's log goes.

use super::settings::list_elements;
use crate::context::Context;
use pgattest_model::{Missing, ObservationId};

/// The two settings that decide it.
#[derive(Clone, Debug)]
pub struct Destinations {
    /// `stderr`, `csvlog`, `jsonlog`, `syslog`, `eventlog`, as `log_destination` lists them, in lower case.
    pub listed: Vec<String>,
    /// Whether `logging_collector` is on: what it takes to write files.
    pub collector: bool,
    /// The observation that shows both.
    pub seen_in: ObservationId,
}

/// Destinations that only the collector can write.
const FILES_ONLY: [&str; 2] = ["csvlog", "jsonlog"];

impl Destinations {
    pub fn of(context: &Context<'_>) -> Result<Self, Missing> {
        let (destination, seen_in) = context.setting("log_destination")?;
        let (collector, _) = context.setting("logging_collector")?;
        let mut listed: Vec<String> = list_elements(&destination.value)
            .iter()
            .map(|one| one.to_ascii_lowercase())
            .collect();
        listed.sort();
        listed.dedup();
        Ok(Self {
            listed,
            collector: collector.is_on(),
            seen_in: seen_in.clone(),
        })
    }

    pub fn has(&self, destination: &str) -> bool {
        self.listed.iter().any(|listed| listed == destination)
    }

    /// Those that nothing writes, because the collector is off.
    pub fn dead(&self) -> Vec<&str> {
        self.listed
            .iter()
            .map(String::as_str)
            .filter(|listed| !self.collector && FILES_ONLY.contains(listed))
            .collect()
    }

    /// Whether records reach the server's standard error as lines of text, also because what was asked for cannot be written.
    pub fn writes_text(&self) -> bool {
        self.has("stderr") || !self.dead().is_empty()
    }

    /// Whether records go to the machine's own log.
    pub fn writes_to_system(&self) -> bool {
        self.has("syslog") || self.has("eventlog")
    }

    /// Whether the server writes files of its own.
    pub fn writes_files(&self) -> bool {
        self.collector
            && self
                .listed
                .iter()
                .any(|listed| listed == "stderr" || FILES_ONLY.contains(&listed.as_str()))
    }
}
