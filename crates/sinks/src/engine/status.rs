//! How a sink is doing: `JOURNAL/sinks/NAME.status.json` for `trail sinks` and `trail status`, and numbers for Prometheus.

use super::cursor::directory;
use super::files;
use crate::config::Name;
use crate::evidence::SinkEvidence;
use pgattest_trail::operate::{Counter, Gauge, Metrics};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a sink is doing.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is being opened.
    #[default]
    Starting,
    /// Records are delivered, or there are none to deliver.
    Delivering,
    /// The last delivery failed; it is tried again by itself.
    Retrying,
    /// It takes nothing before a person changes something; it is tried again slowly.
    Misconfigured,
    /// The journal cannot be read or the cursor not be written; it is tried again.
    Blocked,
    /// The collector has stopped.
    Stopped,
}

impl Standing {
    /// Its name, as in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Delivering => "delivering",
            Self::Retrying => "retrying",
            Self::Misconfigured => "misconfigured",
            Self::Blocked => "blocked",
            Self::Stopped => "stopped",
        }
    }
}

/// Something that went wrong.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Failure {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// What was said.
    pub reason: String,
}

/// How a sink is doing, as its task wrote it last.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Status {
    /// The kind: `splunk-hec`.
    pub kind: String,
    /// Where it delivers to.
    pub place: String,
    /// What it is doing.
    pub standing: Standing,
    /// When this was written, in milliseconds since 1970.
    pub at: i64,
    /// The number of the first record that is not confirmed.
    pub next: u64,
    /// The number that the journal's next record will have.
    pub end: u64,
    /// When the block of the oldest record that is not confirmed was sealed, in milliseconds since 1970; `None` when nothing is behind.
    pub waiting_since: Option<i64>,
    /// Attempts since the last success.
    pub attempts: u32,
    /// Records that were pruned from the journal before the sink had them.
    pub skipped: u64,
    /// The last thing that went wrong, also when all is well again.
    pub last_error: Option<Failure>,
    /// What the other end keeps, as it was seen last; `None` when it was never seen, or cannot be asked.
    #[serde(default)]
    pub evidence: Option<SinkEvidence>,
    /// Why it could not be looked at the last time; `None` when it could.
    #[serde(default)]
    pub evidence_error: Option<Failure>,
}

impl Status {
    /// Reads what the sink's task wrote last. `None`: it never ran.
    pub fn load(journal: &Path, name: &Name) -> Option<Self> {
        let bytes = std::fs::read(directory(journal).join(format!("{name}.status.json"))).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Records that are sealed and not confirmed.
    pub fn lag(&self) -> u64 {
        self.end.saturating_sub(self.next)
    }

    /// Seconds since the oldest of them was sealed.
    pub fn lag_seconds(&self, now: i64) -> u64 {
        self.waiting_since
            .and_then(|since| u64::try_from(now.saturating_sub(since) / 1000).ok())
            .unwrap_or(0)
    }
}

/// The status of a sink, its file and its numbers.
pub(super) struct Board {
    pub(super) status: Status,
    written: Status,
    numbers: Numbers,
}

struct Numbers {
    watermark: Gauge,
    lag_records: Gauge,
    lag_seconds: Gauge,
    healthy: Gauge,
    delivered: Counter,
    dead: Counter,
    failures: Counter,
}

/// The file is for people: once a second does.
const EVERY: i64 = 1_000;

impl Board {
    pub(super) fn new(name: &Name, kind: &str, metrics: &Metrics) -> Self {
        let labels = [("sink", name.as_str()), ("kind", kind)];
        let gauge = |number: &str, help: &str| metrics.gauge(number, help, &labels);
        let counter = |number: &str, help: &str| metrics.counter(number, help, &labels);
        Self {
            status: Status {
                kind: kind.to_owned(),
                ..Status::default()
            },
            written: Status::default(),
            numbers: Numbers {
                watermark: gauge(
                    "sink_watermark",
                    "Number of the first record that the sink has not confirmed",
                ),
                lag_records: gauge(
                    "sink_lag_records",
                    "Records that are sealed and that the sink has not confirmed",
                ),
                lag_seconds: gauge(
                    "sink_lag_seconds",
                    "Seconds since the oldest unconfirmed record was sealed",
                ),
                healthy: gauge(
                    "sink_healthy",
                    "1 while records are delivered, 0 while the sink is retried, misconfigured or blocked",
                ),
                delivered: counter(
                    "sink_delivered_records",
                    "Records that the sink has confirmed",
                ),
                dead: counter(
                    "sink_dead_letter_records",
                    "Records that the sink refused for good; alert on any increase",
                ),
                failures: counter(
                    "sink_failures",
                    "Deliveries that failed and are tried again",
                ),
            },
        }
    }

    pub(super) fn delivered(&self, records: u64) {
        self.numbers.delivered.inc_by(records);
    }

    pub(super) fn dead(&self, records: u64) {
        self.numbers.dead.inc_by(records);
    }

    pub(super) fn failed(&mut self, standing: Standing, reason: &str) {
        self.numbers.failures.inc();
        self.status.standing = standing;
        self.status.attempts = self.status.attempts.saturating_add(1);
        self.status.last_error = Some(Failure {
            at: now(),
            reason: reason.to_owned(),
        });
    }

    pub(super) fn well(&mut self) {
        self.status.standing = Standing::Delivering;
        self.status.attempts = 0;
    }

    /// Shows the status: numbers at once, the file when the standing has changed or a second has passed. A file that cannot be written
    /// stops no delivery.
    pub(super) fn show(&mut self, journal: &Path, name: &Name) {
        let status = &mut self.status;
        status.at = now();
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.numbers.watermark.set(gauge(status.next));
        self.numbers.lag_records.set(gauge(status.lag()));
        self.numbers
            .lag_seconds
            .set(gauge(status.lag_seconds(status.at)));
        self.numbers.healthy.set(i64::from(matches!(
            status.standing,
            Standing::Delivering | Standing::Starting
        )));
        let old = &self.written;
        let news = old.standing != status.standing || old.last_error != status.last_error;
        let due = status.at - old.at >= EVERY && (old.next, old.end) != (status.next, status.end);
        if news || due || old.at == 0 {
            let bytes = serde_json::to_vec(&status).unwrap_or_default();
            let folder = directory(journal);
            let _ = files::directory(&folder).and_then(|()| {
                files::replace(&folder.join(format!("{name}.status.json")), &bytes, false)
            });
            self.written = status.clone();
        }
    }
}

/// Milliseconds since 1970.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
