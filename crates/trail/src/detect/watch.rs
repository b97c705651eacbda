//! Rules over a journal that grows, as a task of the collector.
//!
//! ```text
//! STATE/detect.json   what the rules remember, the leaf that comes next, alerts that are still to be delivered
//! STATE/tests/        answers to `trail detect --test` of another process, waiting to be sealed
//! ```
//!
//! An alert is in the saved state before it is delivered, and the leaf up to which the rules have looked is saved with it. A crash at
//! any instant loses no alert; one that was on its way may be delivered a second time, with the same identifier.

use super::alert::{Alert, Severity};
use super::deliver::Place;
use super::engine::{Engine, Input, Memory};
use super::outbox::{Attempt, Outbox};
use super::rule::{Rule, RuleError};
use crate::block::PieceKind;
use crate::completeness::summary::TEST_RULE;
use crate::journal::{JournalError, JournalReader};
use crate::leaf::{BlockLeaf, Leaf};
use crate::operate::Phase;
use crate::operate::task::{Context, Task, TaskError};
use pgattest_parse::audit_log::Decoder;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The state is saved after this many blocks without an alert; what lies between is looked at again after a crash.
const BLOCKS: u32 = 256;

/// Why the rules could not go on.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The journal could not be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A rule is none.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The state could not be read or written.
    #[error("cannot {action} `{}`", .path.display())]
    Disk {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The state is not what this version writes.
    #[error(
        "`{}` is damaged: {reason}; move it away to begin anew: rules forget what they have learnt, and old records are looked at again",
        .path.display()
    )]
    State {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// What is saved.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    schema: String,
    next_leaf: u64,
    instance: Option<String>,
    memory: Memory,
    outbox: Outbox,
    /// Records that were pruned before the rules saw them.
    unseen: u64,
}

/// A proof of a record, as JSON: given by whoever can make one.
pub type Prover = Box<dyn Fn(&JournalReader, u64) -> Option<serde_json::Value> + Send>;

/// The rules over one journal.
pub struct Watch {
    engine: Engine,
    outbox: Outbox,
    next_leaf: u64,
    instance: Option<String>,
    unseen: u64,
    unsaved: u32,
    directory: PathBuf,
    places: Vec<Box<dyn Place>>,
    prover: Option<Prover>,
}

/// What a step did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Step {
    /// Records looked at.
    pub records: u64,
    /// Alerts raised.
    pub alerts: u64,
}

impl Watch {
    /// Goes on from the state in this directory, or begins; the directory is made.
    pub fn open(
        directory: &Path,
        rules: Vec<Rule>,
        places: Vec<Box<dyn Place>>,
    ) -> Result<Self, WatchError> {
        std::fs::create_dir_all(directory).map_err(|source| WatchError::Disk {
            action: "make",
            path: directory.to_owned(),
            source,
        })?;
        let path = directory.join("detect.json");
        let saved = match std::fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice::<Saved>(&bytes).map_err(|error| WatchError::State {
                    path: path.clone(),
                    reason: error.to_string(),
                })?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Saved::default(),
            Err(source) => {
                return Err(WatchError::Disk {
                    action: "read",
                    path,
                    source,
                });
            }
        };
        let mut engine = Engine::new(rules, saved.memory)?;
        if let Some(instance) = &saved.instance {
            engine.set_instance(instance);
        }
        Ok(Self {
            engine,
            outbox: saved.outbox,
            next_leaf: saved.next_leaf,
            instance: saved.instance,
            unseen: saved.unseen,
            unsaved: 0,
            directory: directory.to_owned(),
            places,
            prover: None,
        })
    }

    /// Puts the proof of its last record into each alert. Made when the alert is raised, from what the checkpoint covers then.
    pub fn set_prover(&mut self, prover: Prover) {
        self.prover = Some(prover);
    }

    /// The leaf that comes next.
    pub fn next_leaf(&self) -> u64 {
        self.next_leaf
    }

    /// Alerts that are not everywhere yet.
    pub fn pending(&self) -> usize {
        self.outbox.len()
    }

    /// Records that were pruned before the rules saw them.
    pub fn unseen(&self) -> u64 {
        self.unseen
    }

    /// Looks at what the journal has got since the last step, up to `most` blocks, and saves what came of it. Delivers nothing.
    pub fn look(&mut self, reader: &JournalReader, most: u32) -> Result<Step, WatchError> {
        let mut step = Step::default();
        let mut blocks = 0;
        for leaf in reader.leaves(self.next_leaf) {
            let (index, leaf) = leaf?;
            let mut alerts = Vec::new();
            match &leaf {
                Leaf::Start { instance, .. } => {
                    self.instance = Some(instance.clone());
                    self.engine.set_instance(instance);
                }
                Leaf::Block(block) => {
                    alerts = self.block(reader, block, &mut step)?;
                    blocks += 1;
                    self.unsaved += 1;
                }
                _ => {}
            }
            if let Some(prover) = &self.prover {
                for alert in &mut alerts {
                    alert.proof = alert
                        .records
                        .last()
                        .and_then(|record| prover(reader, *record));
                }
            }
            step.alerts += alerts.len() as u64;
            let has_alerts = !alerts.is_empty();
            self.outbox.add(alerts);
            self.next_leaf = index + 1;
            if has_alerts || self.unsaved >= BLOCKS {
                self.save()?;
            }
            if blocks >= most {
                break;
            }
        }
        Ok(step)
    }

    fn block(
        &mut self,
        reader: &JournalReader,
        leaf: &BlockLeaf,
        step: &mut Step,
    ) -> Result<Vec<Alert>, WatchError> {
        let block = match reader.block(leaf) {
            Ok(block) => block,
            Err(JournalError::Pruned(_)) => {
                self.unseen += u64::from(leaf.records);
                return Ok(Vec::new());
            }
            Err(error) => return Err(error.into()),
        };
        let mut alerts = Vec::new();
        let decoder = Decoder::new(block.format.clone());
        for (number, (piece, bytes)) in (leaf.first_record..).zip(block.iter()) {
            if piece.kind == PieceKind::Record {
                step.records += 1;
                alerts.extend(self.engine.take(Input {
                    number,
                    decoder: &decoder,
                    bytes,
                }));
            }
        }
        Ok(alerts)
    }

    /// Tries to deliver what is pending, and saves what came of it. `seal` is given a leaf for each alert that is new or got somewhere.
    pub fn deliver(
        &mut self,
        mut seal: impl FnMut(Leaf) -> Result<(), JournalError>,
    ) -> Result<Vec<Attempt>, WatchError> {
        if self.outbox.is_empty() {
            return Ok(Vec::new());
        }
        let attempts = self.outbox.deliver(&mut self.places);
        // Sealed first: a crash in between delivers and seals again, and never forgets to.
        for attempt in attempts.iter().filter(|attempt| attempt.is_news) {
            seal(alert_leaf(attempt))?;
        }
        self.save()?;
        Ok(attempts)
    }

    /// Raises a test alert, to be delivered everywhere.
    pub fn test(&mut self) -> Result<(), WatchError> {
        self.outbox.add([test_alert(self.instance.as_deref())]);
        self.save()
    }

    /// Writes the state: the new one or the old one, never half.
    pub fn save(&mut self) -> Result<(), WatchError> {
        let saved = Saved {
            schema: "pgattest.detect/1".to_owned(),
            next_leaf: self.next_leaf,
            instance: self.instance.clone(),
            memory: self.engine.memory().clone(),
            outbox: self.outbox.clone(),
            unseen: self.unseen,
        };
        let bytes = serde_json::to_vec(&saved).map_err(|error| WatchError::State {
            path: self.directory.clone(),
            reason: error.to_string(),
        })?;
        replace(&self.directory.join("detect.json"), &bytes)?;
        self.unsaved = 0;
        Ok(())
    }
}

/// An alert that says that it is a test.
pub fn test_alert(instance: Option<&str>) -> Alert {
    let now = jiff::Timestamp::now();
    let key: BTreeMap<String, String> =
        [("test".to_owned(), now.to_string())].into_iter().collect();
    Alert {
        schema: "pgattest.alert/1".to_owned(),
        id: Alert::identify(TEST_RULE, &[], &key),
        rule: TEST_RULE.to_owned(),
        title: "Test of the delivery of alerts".to_owned(),
        severity: Severity::Low,
        at: Some(now.as_millisecond()),
        time: now.to_string(),
        instance: instance.map(str::to_owned),
        detail: "This is a test of the delivery of alerts. Nothing has happened".to_owned(),
        key,
        record: BTreeMap::new(),
        records: Vec::new(),
        count: 0,
        proof: None,
    }
}

/// The leaf that records an attempt.
pub fn alert_leaf(attempt: &Attempt) -> Leaf {
    Leaf::Alert {
        at: jiff::Timestamp::now().as_millisecond(),
        rule: attempt.alert.rule.clone(),
        records: attempt.alert.records.clone(),
        delivered: if attempt.answers.is_empty() {
            vec!["nowhere: failed: no place is configured".to_owned()]
        } else {
            attempt.answers.clone()
        },
    }
}

/// Leaves a test's answers for the running collector to seal: only it may write to the journal.
pub fn leave_test(directory: &Path, leaf: &Leaf) -> Result<PathBuf, WatchError> {
    let tests = directory.join("tests");
    std::fs::create_dir_all(&tests).map_err(|source| WatchError::Disk {
        action: "make",
        path: tests.clone(),
        source,
    })?;
    let name = format!("{}.json", jiff::Timestamp::now().as_nanosecond());
    let path = tests.join(name);
    let bytes = serde_json::to_vec(leaf).map_err(|error| WatchError::State {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    replace(&path, &bytes)?;
    Ok(path)
}

/// Tests that another process left.
fn left_tests(directory: &Path) -> Vec<(PathBuf, Leaf)> {
    let Ok(entries) = std::fs::read_dir(directory.join("tests")) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .filter_map(|path| {
            let bytes = std::fs::read(&path).ok()?;
            let leaf: Leaf = serde_json::from_slice(&bytes).ok()?;
            // Nobody may have other leaves sealed by leaving them here.
            matches!(&leaf, Leaf::Alert { rule, records, .. } if rule == TEST_RULE && records.is_empty())
                .then_some((path, leaf))
        })
        .collect()
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), WatchError> {
    let fail = |action: &'static str| {
        move |source| WatchError::Disk {
            action,
            path: path.to_owned(),
            source,
        }
    };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    let mut file = std::fs::File::create(&part).map_err(fail("write"))?;
    file.write_all(bytes).map_err(fail("write"))?;
    file.sync_all().map_err(fail("flush"))?;
    std::fs::rename(&part, path).map_err(fail("replace"))?;
    if let Some(parent) = path.parent() {
        std::fs::File::open(parent)
            .and_then(|parent| parent.sync_all())
            .map_err(fail("flush the directory of"))?;
    }
    Ok(())
}

/// Opens a watch: called again after an error, so that places are new, too.
pub type Open = Box<dyn Fn() -> Result<Watch, WatchError> + Send>;

/// The task of the collector.
pub struct DetectTask {
    open: Open,
    directory: PathBuf,
    /// How often the delivery is tested, besides when the collector begins.
    pub test_every: Option<Duration>,
}

impl DetectTask {
    /// A task that opens its watch when it runs. `directory` is the one that the watch has.
    pub fn new(directory: &Path, open: Open) -> Self {
        Self {
            open,
            directory: directory.to_owned(),
            test_every: None,
        }
    }
}

impl Task for DetectTask {
    fn name(&self) -> String {
        "detect".to_owned()
    }

    fn run(&mut self, context: &Context) -> Result<(), TaskError> {
        let mut watch = (self.open)()?;
        let raised = context
            .metrics
            .counter("alerts_raised", "Alerts that rules have raised", &[]);
        let pending = context.metrics.gauge(
            "alerts_pending",
            "Alerts that are not delivered everywhere",
            &[],
        );
        let failures = context.metrics.counter(
            "alert_failures",
            "Attempts to deliver an alert that failed",
            &[],
        );
        let mut reader = context.reader()?;
        let mut next_test = self.test_every.map(|_| Instant::now());
        let mut next_try = Instant::now();
        loop {
            let phase = context.stop.phase();
            let size = reader.refresh()?;
            let step = watch.look(&reader, 64)?;
            raised.inc_by(step.alerts);
            if let (Some(at), Some(every)) = (next_test, self.test_every)
                && Instant::now() >= at
            {
                watch.test()?;
                next_test = Some(Instant::now() + every);
            }
            if watch.outbox.has_new() || Instant::now() >= next_try {
                let attempts = watch.deliver(|leaf| context.leaves.send(leaf))?;
                for attempt in attempts.iter().filter(|attempt| attempt.failed) {
                    failures.inc();
                    context.teller.warn(format!(
                        "alert {} of rule `{}` is not delivered everywhere and is tried again: {}",
                        attempt.alert.id,
                        attempt.alert.rule,
                        attempt.answers.join("; ")
                    ));
                }
                next_try = Instant::now() + watch.outbox.pause();
            }
            pending.set(i64::try_from(watch.pending()).unwrap_or(i64::MAX));
            for (path, leaf) in left_tests(&self.directory) {
                context.leaves.send(leaf)?;
                std::fs::remove_file(&path)?;
            }
            let is_done = watch.next_leaf() >= size;
            match phase {
                Phase::Running if is_done => {
                    context.head.wait(size, Duration::from_millis(500));
                }
                // What the capture sealed last is still looked at.
                Phase::Running => {}
                Phase::Draining if !is_done => {}
                _ => {
                    watch.save()?;
                    return Ok(());
                }
            }
        }
    }
}
