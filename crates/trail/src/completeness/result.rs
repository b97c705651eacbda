//! What was found.

use super::changes::TableResult;
use super::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a finding is about.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Line numbers of a session are missing.
    Hole,
    /// A line number came again, or went back.
    LineReuse,
    /// A session has ended and its disconnection is not recorded.
    Unfinished,
    /// Connections that were received and of which nothing else is recorded.
    NoOutcome,
    /// An hour with no or hardly any records on an instance that is busy at that hour.
    Silence,
    /// Records' times went back.
    ClockBack,
    /// Bytes of the log that are no record.
    Torn,
    /// The collector has declared that it lacks something.
    Gap,
    /// Bytes of a log file that no block covers.
    BytesMissing,
    /// The collector did not run.
    CollectorDown,
    /// The collector was running and gave no sign of life.
    HeartbeatMissing,
    /// pgaudit or the log was switched off or weakened.
    AuditingWeakened,
    /// Sessions and no audit record, after the server was started.
    AuditingSilent,
    /// Rows were changed and not, or not all, audited.
    RowsUnaudited,
}

/// What a finding means for the trail.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Worth knowing; nothing is missing by it alone.
    Note,
    /// Something may be missing.
    Suspicion,
    /// Something is missing, or was not recorded.
    Loss,
}

/// Something that was found, with the records that prove it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub kind: Kind,
    /// What it means.
    pub weight: Weight,
    /// What happened, in a sentence.
    pub detail: String,
    /// The numbers of the records that show it, the first and the last where there are many.
    pub records: Vec<u64>,
    /// The indexes of the leaves that show it.
    pub leaves: Vec<u64>,
    /// The earliest moment, in milliseconds since 1970, by the clock of whoever wrote the records or leaves.
    pub from: Option<i64>,
    /// The latest moment. Absent: it goes on at the end of the period.
    pub to: Option<i64>,
    /// The form of the log: line numbers are counted by form.
    pub destination: Option<String>,
    /// The session.
    pub session: Option<String>,
    /// First and last line number.
    pub lines: Option<(u64, u64)>,
    /// How many times, where findings of a kind are told together.
    pub count: u64,
}

impl Finding {
    /// A finding with its sentence; the rest is filled in by whoever found it.
    pub fn new(kind: Kind, weight: Weight, detail: impl Into<String>) -> Self {
        Self {
            kind,
            weight,
            detail: detail.into(),
            records: Vec::new(),
            leaves: Vec::new(),
            from: None,
            to: None,
            destination: None,
            session: None,
            lines: None,
            count: 1,
        }
    }
}

/// Something that is no fault, and that an auditor wants on the time line.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Event {
    /// When, in milliseconds since 1970.
    pub at: Option<i64>,
    /// What.
    pub detail: String,
    /// The record that says so.
    pub record: Option<u64>,
    /// The leaf that says so.
    pub leaf: Option<u64>,
}

/// What was tested, for one form of the log.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Population {
    /// Records.
    pub records: u64,
    /// Records without a session or a line number: nothing is proven of them.
    pub unnumbered: u64,
    /// Records that could not be decoded.
    pub undecodable: u64,
    /// Torn pieces.
    pub torn: u64,
    /// Sessions with at least one record.
    pub sessions: u64,
    /// Those whose line numbers have no hole from the first to the last that is here.
    pub gapless: u64,
    /// Those that began before the trail did: what they logged before it is not covered.
    pub began_before: u64,
    /// Those that ended with their disconnection recorded.
    pub disconnected: u64,
    /// Those that ended before they were let in: no disconnection is ever recorded of them.
    pub refused: u64,
    /// Those of the server's own processes.
    pub internal: u64,
    /// Those that have ended without their disconnection recorded.
    pub unfinished: u64,
    /// Those that may still go on, or that were cut off: the records do not tell.
    pub open: u64,
    /// Line numbers that are missing.
    pub missing_lines: u64,
    /// Connections received.
    pub received: u64,
    /// Of them: let in.
    pub authorized: u64,
    /// Of them: refused.
    pub connections_refused: u64,
    /// Of them: nothing more is recorded.
    pub no_outcome: u64,
    /// Of them: too recent to tell.
    pub undecided: u64,
    /// Records that ended a process (FATAL, PANIC), by SQLSTATE.
    pub fatal: BTreeMap<String, u64>,
    /// Audit records.
    pub audited: u64,
    /// Whether nobody but the server can have written the records.
    pub audit_grade: bool,
    /// Time of the first record, in milliseconds since 1970.
    pub first: Option<i64>,
    /// Time of the last record.
    pub last: Option<i64>,
}

/// How much of the period was watched.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Coverage {
    /// The first moment that a leaf speaks of, in milliseconds since 1970. Absent: there is no journal.
    pub from: Option<i64>,
    /// The last one.
    pub to: Option<i64>,
    /// How long a collector was alive in between, in milliseconds.
    pub alive: i64,
    /// The same in hundredths of a percent of the time, rounded down.
    pub alive_basis_points: u32,
    /// The number of the oldest record that can still be read.
    pub oldest_record: Option<u64>,
    /// Its time, as its block tells.
    pub oldest_time: Option<i64>,
}

/// What the trail of a period proves of its completeness.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Completeness {
    /// `pgattest.completeness/1`.
    pub schema: String,
    /// What was tested, by form of the log.
    pub populations: BTreeMap<String, Population>,
    /// How much was watched.
    pub coverage: Coverage,
    /// Everything that was found, in the order of time.
    pub findings: Vec<Finding>,
    /// Restarts, reloads and changes of settings that weaken nothing.
    pub events: Vec<Event>,
    /// Rows changed against rows audited, when both sides were given.
    pub tables: Vec<TableResult>,
    /// What could not be told, and why.
    pub not_assessed: Vec<String>,
}

impl Completeness {
    /// The findings of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.kind == kind)
    }

    /// The worst weight among the findings.
    pub fn worst(&self) -> Option<Weight> {
        self.findings.iter().map(|finding| finding.weight).max()
    }

    /// For a person. Every text from the log is made visible.
    pub fn to_text(&self) -> String {
        text::render(self)
    }
}

/// The JSON schema of [`Completeness`].
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Completeness);
    schema.insert(
        "$id".to_owned(),
        "https://pgattest.dev/schema/completeness-1.schema.json".into(),
    );
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
