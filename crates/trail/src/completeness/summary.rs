//! What the trail of a period says, as an auditor would ask: computed from the journal alone.

use super::changes::TableResult;
use super::input::Options;
use super::result::{Completeness, Coverage, Finding, Kind, Population, Weight};
use super::source::{self, Period, SourceError};
use super::tracker::Tracker;
use crate::journal::JournalReader;
use crate::leaf::Leaf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The rule's name in [`Leaf::Alert`] when the delivery of alerts was tried.
pub const TEST_RULE: &str = "alert-delivery-test";

/// How many findings of a kind a summary carries, the worst first; `counts` has all of them.
const CARRIED: usize = 100;

/// The trail of a period. Moments are milliseconds since 1970.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Summary {
    /// Whose log it is, as the collector calls it.
    pub instance: Option<String>,
    /// The period that was asked for.
    pub from: Option<i64>,
    /// Its end.
    pub until: Option<i64>,
    /// How much of it was watched, and the oldest record that can still be read.
    pub coverage: Coverage,
    /// What was tested, by form of the log.
    pub populations: BTreeMap<String, Population>,
    /// Findings by kind: how many, all of them.
    pub counts: BTreeMap<Kind, u64>,
    /// The findings themselves, up to a hundred of a kind.
    pub findings: Vec<Finding>,
    /// Hours of silence.
    pub silent_hours: u64,
    /// When pgaudit or the log was weakened.
    pub weakened: Vec<Interval>,
    /// Records whose payload was pruned: nothing of them was tested.
    pub pruned_records: u64,
    /// Alerts raised.
    pub alerts: Alerts,
    /// The last attempt to deliver a test alert.
    pub last_alert_test: Option<AlertTest>,
    /// The last canary, by where it was looked for.
    pub canaries: BTreeMap<String, CanarySeen>,
    /// Up to which record each sink has confirmed everything.
    pub sinks: BTreeMap<String, SinkSeen>,
    /// Rows changed against rows audited, by table, where counters of two moments were given.
    #[serde(default)]
    pub tables: Vec<TableResult>,
    /// What could not be told, and why.
    pub not_assessed: Vec<String>,
    /// Alerts, by rule and records, and whether they reached a place.
    #[serde(skip)]
    #[schemars(skip)]
    seen: BTreeMap<String, bool>,
}

/// A stretch of time with its reason.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Interval {
    /// From.
    pub from: Option<i64>,
    /// To; absent when it goes on.
    pub to: Option<i64>,
    /// What it was.
    pub detail: String,
    /// Whether statements were not audited at all.
    pub off: bool,
    /// The records that show it.
    pub records: Vec<u64>,
}

/// Alerts of the rules.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Alerts {
    /// How many were raised, the tests not counted.
    pub raised: u64,
    /// How many of them have reached at least one place.
    pub delivered: u64,
    /// How many of them have reached none.
    pub undelivered: u64,
    /// Attempts in which a place refused one; most of them were tried again.
    pub refusals: u64,
    /// By rule.
    pub by_rule: BTreeMap<String, u64>,
    /// The last one.
    pub last: Option<i64>,
}

/// A test of the alerts' delivery.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct AlertTest {
    /// When.
    pub at: i64,
    /// Whether every place took it.
    pub delivered: bool,
    /// What each place said.
    pub answers: Vec<String>,
}

/// The last canary in one place.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct CanarySeen {
    /// When.
    pub at: i64,
    /// What was looked for and found.
    pub found: BTreeSet<String>,
    /// What was not found.
    pub missing: BTreeSet<String>,
}

/// How far a sink is.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SinkSeen {
    /// When it said so last.
    pub at: i64,
    /// The first record that it has not confirmed.
    pub next: u64,
    /// Records that it refuses for good.
    pub refused: u64,
}

/// How a place that was told of an alert is written in [`Leaf::Alert`]: `webhook soc: ok: 200`, `file a.jsonl: failed: ..`.
pub fn is_delivered(answer: &str) -> bool {
    // Whatever comes first: what follows is the place's own words.
    match (answer.find(": ok: "), answer.find(": failed: ")) {
        (Some(ok), Some(failed)) => ok < failed,
        (ok, _) => ok.is_some(),
    }
}

impl Summary {
    /// Reads a journal.
    pub fn of_journal(
        reader: &JournalReader,
        period: Period,
        options: Options,
    ) -> Result<Self, SourceError> {
        Self::of_journal_and(reader, period, options, |_, _| {})
    }

    /// The same; `every` sees every leaf of the journal on the way, those before the period too.
    pub fn of_journal_and(
        reader: &JournalReader,
        period: Period,
        options: Options,
        every: impl FnMut(u64, &Leaf),
    ) -> Result<Self, SourceError> {
        let mut summary = Self {
            from: period.from,
            until: period.until,
            ..Self::default()
        };
        let mut tracker = Tracker::new(options);
        let also = |_, leaf: &Leaf| summary.note(leaf);
        let gone = source::journal_all(&mut tracker, reader, period, also, every)?;
        summary.pruned_records = gone.pruned;
        summary.conclude(tracker.finish());
        Ok(summary)
    }

    /// Takes a leaf.
    pub fn note(&mut self, leaf: &Leaf) {
        let at = leaf.at();
        match leaf {
            Leaf::Start { instance, .. } => self.instance = Some(instance.clone()),
            Leaf::Alert {
                rule, delivered, ..
            } if rule == TEST_RULE => {
                self.last_alert_test = Some(AlertTest {
                    at,
                    delivered: !delivered.is_empty()
                        && delivered.iter().all(|answer| is_delivered(answer)),
                    answers: delivered.clone(),
                });
            }
            Leaf::Alert {
                rule,
                records,
                delivered,
                ..
            } => {
                // One alert may have several leaves: an attempt that got somewhere is sealed, too.
                let reached = delivered.iter().any(|answer| is_delivered(answer));
                let refused = !delivered.iter().all(|answer| is_delivered(answer));
                self.alerts.refusals += u64::from(refused);
                let key = format!("{rule} {records:?}");
                if let Some(before) = self.seen.get_mut(&key) {
                    *before |= reached;
                } else {
                    self.seen.insert(key, reached);
                    self.alerts.raised += 1;
                    *self.alerts.by_rule.entry(rule.clone()).or_default() += 1;
                }
                self.alerts.last = Some(at);
            }
            Leaf::Canary {
                mark,
                class,
                place,
                found,
                ..
            } => {
                let seen = self.canaries.entry(place.clone()).or_default();
                let _ = mark;
                // One run looks for all classes within minutes; an earlier run is of no interest.
                if at - seen.at > 600_000 {
                    *seen = CanarySeen::default();
                }
                seen.at = at;
                if *found {
                    seen.missing.remove(class);
                    seen.found.insert(class.clone());
                } else {
                    seen.found.remove(class);
                    seen.missing.insert(class.clone());
                }
            }
            Leaf::Watermark { sink, next, .. } => {
                let seen = self.sinks.entry(sink.clone()).or_default();
                seen.at = at;
                seen.next = seen.next.max(*next);
            }
            Leaf::DeadLetter { sink, records, .. } => {
                let seen = self.sinks.entry(sink.clone()).or_default();
                seen.at = at;
                seen.refused += records.len() as u64;
            }
            _ => {}
        }
    }

    /// Takes what the engine found.
    pub fn conclude(&mut self, result: Completeness) {
        self.alerts.delivered = self.seen.values().filter(|reached| **reached).count() as u64;
        self.alerts.undelivered = self.alerts.raised - self.alerts.delivered;
        self.coverage = result.coverage;
        self.populations = result.populations;
        self.tables = result.tables;
        self.not_assessed = result.not_assessed;
        if self.pruned_records > 0 {
            self.not_assessed.push(format!(
                "{} records were pruned by the retention policy; nothing of them was tested",
                self.pruned_records
            ));
        }
        let mut findings = result.findings;
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
        let mut carried: BTreeMap<Kind, usize> = BTreeMap::new();
        for finding in findings {
            *self.counts.entry(finding.kind).or_default() += 1;
            if finding.kind == Kind::Silence {
                self.silent_hours += finding.count;
            }
            if finding.kind == Kind::AuditingWeakened {
                self.weakened.push(Interval {
                    from: finding.from,
                    to: finding.to,
                    detail: finding.detail.clone(),
                    off: finding.weight == Weight::Loss,
                    records: finding.records.clone(),
                });
            }
            let carried = carried.entry(finding.kind).or_default();
            *carried += 1;
            if *carried <= CARRIED {
                self.findings.push(finding);
            }
        }
    }

    /// How many findings there are of a kind.
    pub fn count(&self, kind: Kind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// Records of all forms.
    pub fn records(&self) -> u64 {
        self.populations
            .values()
            .map(|population| population.records)
            .sum()
    }
}
