//! The collector's own gaps, from the journal's leaves.

use super::result::{Coverage, Event, Finding, Kind, Weight};
use crate::leaf::{BlockLeaf, Leaf};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// How many log files are remembered by the place where their last block ends.
const FILES: usize = 4_096;

/// What the leaves told so far.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Collector {
    first: Option<i64>,
    last: Option<Sign>,
    running: bool,
    /// How long a collector was alive, in milliseconds.
    alive: i64,
    /// Where the last block of a file ends, by device, inode and fingerprint.
    files: BTreeMap<String, u64>,
    order: VecDeque<String>,
    oldest_record: Option<u64>,
    oldest_time: Option<i64>,
    pruned_to: Option<u64>,
    starts: u64,
}

/// A sign of life.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Sign {
    at: i64,
    leaf: u64,
}

impl Collector {
    /// Takes a leaf.
    pub(super) fn take(
        &mut self,
        index: u64,
        leaf: &Leaf,
        limit: i64,
        findings: &mut Vec<Finding>,
        events: &mut Vec<Event>,
    ) {
        let at = leaf.at();
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        match leaf {
            Leaf::Start {
                version, instance, ..
            } => {
                self.starts += 1;
                self.down(index, at, findings);
                events.push(event(
                    index,
                    at,
                    format!("the collector of `{instance}` began (pgattest {version})"),
                ));
                self.running = true;
            }
            Leaf::Stop { reason, .. } => {
                self.lives(index, at, limit, findings);
                events.push(event(index, at, format!("the collector stopped: {reason}")));
                self.running = false;
            }
            other => {
                // A journal whose beginning was not read goes on with a collector that runs.
                self.running |= self.last.is_none();
                // What others hand in may tell of a time long before, and is no sign of life at that time.
                if other.sealed_at().is_some() {
                    self.lives(index, at, limit, findings);
                }
                self.other(index, at, other, findings, events);
            }
        }
        if leaf.sealed_at().is_some() || self.last.is_none() {
            self.last = Some(Sign { at, leaf: index });
        }
    }

    fn other(
        &mut self,
        index: u64,
        at: i64,
        leaf: &Leaf,
        findings: &mut Vec<Finding>,
        events: &mut Vec<Event>,
    ) {
        match leaf {
            Leaf::Block(block) => self.block(index, block, findings),
            Leaf::Gap {
                file,
                offset,
                length,
                reason,
                ..
            } => {
                let place = match (file, offset) {
                    (Some(file), Some(offset)) => {
                        format!(" of `{}` from byte {offset} on", file.name)
                    }
                    (Some(file), None) => format!(" of `{}`", file.name),
                    _ => String::new(),
                };
                let size = length.map_or_else(
                    || "bytes of unknown number".to_owned(),
                    |length| format!("{length} bytes"),
                );
                let mut finding = Finding::new(
                    Kind::Gap,
                    Weight::Loss,
                    format!("the collector lacks {size}{place}: {reason}"),
                );
                finding.leaves = vec![index];
                finding.from = Some(at);
                finding.to = Some(at);
                findings.push(finding);
            }
            Leaf::Configuration { told, .. } => {
                let what = match told {
                    None => "the collector's configuration changed".to_owned(),
                    Some(told) => format!(
                        "the collector is told of {} sinks and {} rules",
                        told.sinks.len(),
                        told.rules.len()
                    ),
                };
                events.push(event(index, at, what));
            }
            Leaf::Pruned {
                oldest_record,
                retention_days,
                ..
            } => {
                self.pruned_to = Some(*oldest_record);
                if self
                    .oldest_record
                    .is_none_or(|oldest| oldest < *oldest_record)
                {
                    self.oldest_record = Some(*oldest_record);
                    // The block that holds it is behind us; its time is not known any more unless the reader told it.
                    self.oldest_time = None;
                }
                events.push(event(
                    index,
                    at,
                    format!("records before number {oldest_record} were pruned (retention {retention_days} days)"),
                ));
            }
            Leaf::Hold { name, active, .. } => {
                let what = if *active { "set" } else { "lifted" };
                events.push(event(
                    index,
                    at,
                    format!("the legal hold `{name}` was {what}"),
                ));
            }
            Leaf::Key { purpose, .. } => {
                events.push(event(index, at, format!("the {purpose} key changed")));
            }
            Leaf::KeyRotation { new, .. } => {
                events.push(event(
                    index,
                    at,
                    format!("the signing key was rotated to {new}"),
                ));
            }
            _ => {}
        }
    }

    fn block(&mut self, index: u64, block: &BlockLeaf, findings: &mut Vec<Finding>) {
        if self.oldest_record.is_none() {
            self.oldest_record = Some(block.first_record);
            self.oldest_time = block.first_time;
        }
        let file = &block.file;
        let key = format!("{} {} {}", file.device, file.inode, file.fingerprint);
        let end = block.offset.saturating_add(block.source_length);
        let before = self.files.get(&key).copied();
        let expected = before.unwrap_or(0);
        // Standard input has no place to come back to: each run of it begins at 0.
        if block.offset != expected && file.name != "-" {
            let (weight, what) = if block.offset > expected {
                (Weight::Loss, "are in no block")
            } else {
                (
                    Weight::Suspicion,
                    "are in two blocks, or the file was written anew",
                )
            };
            let (low, high) = (block.offset.min(expected), block.offset.max(expected));
            let mut finding = Finding::new(
                Kind::BytesMissing,
                weight,
                format!("bytes {low} to {high} of `{}` {what}", file.name),
            );
            finding.leaves = vec![index];
            finding.records = vec![block.first_record];
            finding.from = block.first_time;
            finding.to = block.first_time;
            finding.count = high - low;
            findings.push(finding);
        }
        if before.is_none() {
            self.order.push_back(key.clone());
        }
        self.files.insert(key, end);
        if self.order.len() > FILES
            && let Some(oldest) = self.order.pop_front()
        {
            self.files.remove(&oldest);
        }
    }

    /// A leaf while a collector runs.
    fn lives(&mut self, index: u64, at: i64, limit: i64, findings: &mut Vec<Finding>) {
        let Some(last) = self.last else {
            return;
        };
        let passed = at - last.at;
        if passed < -1_000 {
            let mut finding = Finding::new(
                Kind::ClockBack,
                Weight::Suspicion,
                format!(
                    "the collector's clock went back by {} seconds between leaf {} and leaf {index}",
                    -passed / 1000,
                    last.leaf
                ),
            );
            finding.leaves = vec![last.leaf, index];
            finding.from = Some(at);
            finding.to = Some(last.at);
            findings.push(finding);
        }
        if !self.running {
            return;
        }
        self.alive += passed.clamp(0, limit);
        if passed > limit {
            let mut finding = Finding::new(
                Kind::HeartbeatMissing,
                Weight::Suspicion,
                format!(
                    "the collector was running and gave no sign of life for {} seconds, between leaf {} and leaf {index}; whatever the log files still held was read afterwards, as line numbers and file offsets show",
                    passed / 1000,
                    last.leaf
                ),
            );
            finding.leaves = vec![last.leaf, index];
            finding.from = Some(last.at);
            finding.to = Some(at);
            findings.push(finding);
        }
    }

    /// A collector begins: what lies between it and the last sign of life.
    fn down(&mut self, index: u64, at: i64, findings: &mut Vec<Finding>) {
        let Some(last) = self.last else {
            return;
        };
        let seconds = (at - last.at).max(0) / 1000;
        let (weight, how) = if self.running {
            (
                Weight::Suspicion,
                "it was killed or its machine was: no stop is recorded",
            )
        } else {
            (Weight::Note, "it was stopped in an orderly way")
        };
        let mut finding = Finding::new(
            Kind::CollectorDown,
            weight,
            format!(
                "no collector ran for {seconds} seconds, from leaf {} to leaf {index}: {how}; whatever the log files still held was read afterwards, as line numbers and file offsets show",
                last.leaf
            ),
        );
        finding.leaves = vec![last.leaf, index];
        finding.from = Some(last.at);
        finding.to = Some(at);
        findings.push(finding);
    }

    /// How much was watched.
    pub(super) fn coverage(&self) -> Coverage {
        let from = self.first;
        let to = self.last.map(|last| last.at);
        let total = match (from, to) {
            (Some(from), Some(to)) => (to - from).max(0),
            _ => 0,
        };
        let alive = self.alive.min(total);
        // A journal of one moment was watched all its time.
        let share = if total == 0 {
            10_000
        } else {
            i128::from(alive) * 10_000 / i128::from(total)
        };
        Coverage {
            from,
            to,
            alive,
            alive_basis_points: if from.is_none() {
                0
            } else {
                u32::try_from(share).unwrap_or(0)
            },
            oldest_record: self.oldest_record.max(self.pruned_to),
            oldest_time: self.oldest_time,
        }
    }
}

fn event(index: u64, at: i64, detail: String) -> Event {
    Event {
        at: Some(at),
        detail,
        record: None,
        leaf: Some(index),
    }
}
