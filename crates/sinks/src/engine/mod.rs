//! Delivers the journal to a sink: from a durable cursor, at least once, in order, never dropping a record and never stuck on one.
//!
//! | module | subject |
//! |---|---|
//! | [`delivery`] | the task of one sink: open, fill a batch, deliver, confirm, again |
//! | [`settle`] | what an answer leads to: confirm, back off, halve, dead letter |
//! | [`feed`] | records to items, items to batches within the sink's limits |
//! | [`source`] | blocks of the journal, in order |
//! | [`cursor`] | how far a sink is, on the disk |
//! | [`dead`] | what a sink refuses for good, on the disk |
//! | [`status`] | how a sink is doing, for people and for metrics |
//! | [`by_hand`] | what a person asks of a sink: a trial, dead letters once more |
//!
//! A sink has a thread of its own and holds one block and one batch: what is slow or down slows nothing else and only stays behind.

pub mod by_hand;
mod cursor;
mod dead;
mod delivery;
mod feed;
mod files;
mod settle;
mod source;
mod status;

pub use cursor::Cursor;
pub use dead::{DeadLetter, dead_letters};
pub use delivery::Delivery;
pub use feed::split;
pub use files::FileError;
pub use source::{JournalSource, Source};
pub use status::{Failure, Standing, Status};

use crate::config::{Config, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How the engine works. The defaults are for production; tests make the waits short.
#[derive(Clone, Debug)]
pub struct Options {
    /// The instance's name, in every record.
    pub instance: Arc<str>,
    /// The first wait after a failure; each one is about twice the one before, with jitter.
    pub first_delay: Duration,
    /// The longest wait after a failure, but for `Retry-After`.
    pub last_delay: Duration,
    /// The longest `Retry-After` that is heeded.
    pub longest_retry_after: Duration,
    /// How often a misconfigured sink is opened anew.
    pub misconfigured_delay: Duration,
    /// A delivery that takes longer is given up, the sink opened anew and the batch sent again.
    pub longest_delivery: Duration,
    /// How often a watermark becomes a leaf, at most.
    pub watermark: Duration,
    /// How often a checkpoint is delivered among the records, at most. Zero: never.
    pub checkpoint: Duration,
    /// How often a sink is asked what the other end keeps, at most.
    pub evidence: Duration,
    /// How long a delivery that is under way may go on when the collector stops.
    pub grace: Duration,
    /// How long a sink that takes nothing is tried again once nothing more will be sealed. Then it is left behind.
    pub last_wait: Duration,
}

impl Options {
    /// The defaults.
    pub fn new(instance: impl Into<Arc<str>>) -> Self {
        Self {
            instance: instance.into(),
            first_delay: Duration::from_millis(500),
            last_delay: Duration::from_mins(1),
            longest_retry_after: Duration::from_hours(1),
            misconfigured_delay: Duration::from_mins(5),
            longest_delivery: Duration::from_mins(5),
            watermark: Duration::from_secs(5),
            checkpoint: Duration::from_mins(5),
            evidence: Duration::from_hours(1),
            grace: Duration::from_secs(2),
            last_wait: Duration::from_mins(1),
        }
    }
}

/// What is known of a sink from the journal alone, whether the collector runs or not.
#[derive(Clone, Debug)]
pub struct Known {
    /// The sink.
    pub name: Name,
    /// How far it is; the error says why that cannot be read.
    pub cursor: Result<Cursor, String>,
    /// How it was doing when its task last wrote so; `None`: it never ran.
    pub status: Option<Status>,
    /// Dead letters that were not delivered since: files, and records in them.
    pub dead: (usize, usize),
}

/// Every sink that has a cursor or a status in the journal, and these.
pub fn known(journal: &Path, configured: &[Name]) -> Result<Vec<Known>, FileError> {
    let mut names: BTreeSet<Name> = configured.iter().cloned().collect();
    let folder = cursor::directory(journal);
    match std::fs::read_dir(&folder) {
        Ok(entries) => {
            for entry in entries {
                let file = entry.map_err(files::failed("list", &folder))?.file_name();
                let file = file.to_string_lossy();
                let stem = file
                    .strip_suffix(".status.json")
                    .or_else(|| file.strip_suffix(".json"));
                names.extend(stem.and_then(|stem| Name::try_from(stem.to_owned()).ok()));
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(files::failed("list", &folder)(error)),
    }
    names
        .into_iter()
        .map(|name| {
            let letters = dead_letters(journal, &name)?;
            let waiting = letters.iter().filter(|letter| !letter.redelivered);
            let dead = waiting.fold((0, 0), |(files, records), letter| {
                (files + 1, records + letter.records.len())
            });
            Ok(Known {
                cursor: Cursor::load(journal, &name).map_err(|error| error.to_string()),
                status: Status::load(journal, &name),
                dead,
                name,
            })
        })
        .collect()
}

/// The tasks of these sinks, one each, for the collector to run.
pub fn tasks(sinks: &BTreeMap<Name, Config>, options: &Options) -> Vec<Delivery> {
    sinks
        .iter()
        .map(|(name, config)| {
            Delivery::new(name.clone(), Arc::new(config.clone()), options.clone())
        })
        .collect()
}
