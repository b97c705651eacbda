//! The archive beside the capture: what the journal has is archived while it grows.

use crate::archive::Archive;
use crate::compact::compact;
use crate::error::ArchiveError;
use crate::location::{Location, Place, S3Options};
use crate::make::{MakeOptions, catch_up};
use crate::name::day;
use crate::record_list::Register;
use crate::retain::{FLOOR_DAYS, Retention};
use crate::source::{Sealed, Source};
use pgattest_sinks::AwsOptions;
use pgattest_trail::operate::{Context, Counter, Gauge, Leaves, Phase, Stop, Task, TaskError};
use pgattest_trail::{JournalError, JournalReader, Leaf};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long an archive is left alone that somebody else writes to.
const LOCKED: Duration = Duration::from_mins(1);

/// `[archive]` of `trail.toml`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where it is: a directory, or `s3://BUCKET/PREFIX`.
    #[serde(alias = "dir")]
    pub location: Location,
    /// How often new records are archived, in minutes. The small files of a day are merged when it is over.
    #[serde(default = "hourly")]
    pub every_minutes: u32,
    /// Days that every record is kept at least. The collector prunes nothing; `pgattest trail prune` is given the same number.
    #[serde(default = "floor")]
    pub retention_days: u32,
    /// Days after which records have to go.
    #[serde(default)]
    pub maximum_days: Option<u32>,
    /// On S3: a key of KMS to encrypt with (SSE-KMS). Without it: as the bucket does by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
    /// On S3: put the bucket's name into the path, not into the host's name: for services of the same protocol.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub path_style: bool,
    /// On S3: how to reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsOptions>,
}

fn hourly() -> u32 {
    60
}

fn floor() -> u32 {
    FLOOR_DAYS
}

impl Config {
    /// Where it is, with how it is reached.
    pub fn place(&self) -> Place {
        Place {
            location: self.location.clone(),
            s3: S3Options {
                kms_key: self.kms_key.clone(),
                path_style: self.path_style,
                aws: self.aws.clone().unwrap_or_default(),
            },
        }
    }

    /// How long records are kept.
    pub fn retention(&self) -> Retention {
        Retention {
            retention_days: self.retention_days,
            maximum_days: self.maximum_days,
        }
    }

    /// What is wrong with it, if anything.
    pub fn fault(&self) -> Option<String> {
        if self.every_minutes == 0 {
            return Some(
                "`every_minutes` is 0: an archive of a file for each block could not be read"
                    .to_owned(),
            );
        }
        let is_for_s3 = self.aws.is_some() || self.kms_key.is_some() || self.path_style;
        if is_for_s3 && !self.location.is_s3() {
            return Some(format!(
                "`aws`, `kms_key` and `path_style` are for an archive on S3, and `location` is the directory `{}`",
                self.location
            ));
        }
        self.retention().fault()
    }
}

/// Archives what is new when it begins, from time to time, and when the capture ends.
pub struct ArchiveTask {
    place: Place,
    instance: String,
    /// The time between two runs.
    pub every: Duration,
}

impl ArchiveTask {
    /// The task of an instance's archive.
    pub fn new(config: &Config, instance: &str) -> Self {
        Self {
            place: config.place(),
            instance: instance.to_owned(),
            every: Duration::from_secs(u64::from(config.every_minutes.max(1)) * 60),
        }
    }
}

impl Task for ArchiveTask {
    fn name(&self) -> String {
        "archive".to_owned()
    }

    fn run(&mut self, context: &Context) -> Result<(), TaskError> {
        let stop = context.stop.clone();
        let archive =
            Archive::at(&self.place, &self.instance)?.stopping_when(move || stop.is_stopping());
        let mut reader = context.reader()?;
        let tree = Tree::new(context.leaves.clone());
        let numbers = Numbers::of(context);
        let mut next = Instant::now();
        let mut merged = None;
        loop {
            let phase = context.stop.phase();
            if phase == Phase::Stopping {
                return Ok(());
            }
            if phase == Phase::Draining || Instant::now() >= next {
                reader.refresh()?;
                tree.read(&reader)?;
                let at = jiff::Timestamp::now().as_millisecond();
                let source = UntilStopped(&reader, &context.stop);
                let made = match made(&archive, &source, &tree, at, merged != day(at)) {
                    // `trail archive` makes it: nothing is wrong, and it is done soon.
                    Err(error @ ArchiveError::Locked { .. }) if phase == Phase::Running => {
                        context
                            .teller
                            .info(format!("{error}; it is looked again in a minute"));
                        next = Instant::now() + LOCKED;
                        continue;
                    }
                    // What was begun does not count, and the next start begins it again.
                    Err(_) if context.stop.is_stopping() => return Ok(()),
                    made => made?,
                };
                merged = day(at);
                numbers.records.inc_by(made.records);
                numbers
                    .until
                    .set(i64::try_from(reader.next_record()?).unwrap_or(i64::MAX));
                for (first, end) in made.pruned.iter().filter(|_| made.records > 0) {
                    context.teller.warn(format!(
                        "records {first} to {} were pruned from the journal before they were archived",
                        end.saturating_sub(1)
                    ));
                }
                next = Instant::now() + self.every;
            }
            if phase == Phase::Draining {
                return Ok(());
            }
            context
                .stop
                .wait(phase, next.saturating_duration_since(Instant::now()));
        }
    }
}

struct Numbers {
    records: Counter,
    until: Gauge,
}

impl Numbers {
    fn of(context: &Context) -> Self {
        Self {
            records: context.metrics.counter(
                "archived_records",
                "Records that were written to the archive",
                &[],
            ),
            until: context.metrics.gauge(
                "archive_next_record",
                "The number of the first record that is not in the archive",
                &[],
            ),
        }
    }
}

fn made(
    archive: &Archive,
    source: &dyn Source,
    tree: &Tree,
    at: i64,
    is_another_day: bool,
) -> Result<crate::make::Made, ArchiveError> {
    let options = MakeOptions::default();
    let made = catch_up(archive, source, tree, options, at, &mut |_, _| {})?;
    if is_another_day {
        compact(archive, tree, options.file_bytes, at)?;
    }
    Ok(made)
}

/// The journal, whose blocks end in an error once the collector stops.
struct UntilStopped<'a>(&'a JournalReader, &'a Stop);

impl Source for UntilStopped<'_> {
    fn range(&self) -> Result<(u64, u64), JournalError> {
        self.0.range()
    }

    fn sealed<'a>(
        &'a self,
        from: u64,
    ) -> Result<Box<dyn Iterator<Item = Result<Sealed, JournalError>> + 'a>, JournalError> {
        let blocks = self.0.sealed(from)?;
        Ok(Box::new(blocks.map(|block| {
            if self.1.is_stopping() {
                return Err(JournalError::Ended);
            }
            block
        })))
    }
}

/// What the journal's tree says of files, and where more is said.
struct Tree {
    recorded: RefCell<BTreeMap<String, String>>,
    /// Leaves that were read.
    read: Cell<u64>,
    leaves: Leaves,
}

impl Tree {
    fn new(leaves: Leaves) -> Self {
        Self {
            recorded: RefCell::default(),
            read: Cell::new(0),
            leaves,
        }
    }

    /// Reads what is new in it: a command may have had files recorded.
    fn read(&self, reader: &JournalReader) -> Result<(), JournalError> {
        let mut recorded = self.recorded.borrow_mut();
        for leaf in reader.leaves(self.read.get()) {
            let (index, leaf) = leaf?;
            if let Leaf::Archived { file, sha256, .. } = leaf {
                recorded.insert(file, sha256);
            }
            self.read.set(index.saturating_add(1));
        }
        Ok(())
    }
}

impl Register for Tree {
    fn recorded(&self) -> Result<BTreeMap<String, String>, ArchiveError> {
        Ok(self.recorded.borrow().clone())
    }

    fn record(&self, leaf: Leaf) -> Result<(), ArchiveError> {
        self.leaves.send(leaf.clone())?;
        if let Leaf::Archived { file, sha256, .. } = leaf {
            self.recorded.borrow_mut().insert(file, sha256);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    fn config(more: &str) -> Result<Config, serde_json::Error> {
        serde_json::from_str(&format!("{{\"location\":\"archive\"{more}}}"))
    }

    #[test]
    fn a_directory_is_enough_and_an_unknown_key_is_refused() {
        let read = config("").unwrap();
        assert_eq!((read.every_minutes, read.retention_days), (60, 365));
        assert_eq!(read.fault(), None);
        assert!(config(",\"retention\":3").is_err());
        assert!(config(",\"every_minutes\":0").unwrap().fault().is_some());
        assert!(config(",\"maximum_days\":30").unwrap().fault().is_some());
        let fault = config(",\"path_style\":true").unwrap().fault();
        assert!(fault.unwrap().contains("for an archive on S3"));
    }
}
