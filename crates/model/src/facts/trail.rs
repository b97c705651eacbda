//! What the audit trail says of itself: the collector's journal, read on the machine that audits.
//!
//! Times are milliseconds since 1970, UTC; 0 where there is none. They are the collector's clock, except where a field says that
//! it is the records' own.

use super::field::flag;
use serde::Deserialize;

/// The trail as a whole: one row.
#[derive(Clone, Debug, Deserialize)]
pub struct TrailState {
    /// The name in its checkpoints.
    pub origin: String,
    /// The instance, as the collector's configuration calls it.
    pub instance: String,
    /// The system identifier of the server that a canary was performed on; empty when no canary says. What ties the trail to the
    /// cluster that is audited.
    pub system_identifier: String,
    /// Leaves in its tree.
    pub leaves: u64,
    /// The tree's root, hexadecimal.
    pub root: String,
    /// The key that its checkpoint was verified with, hexadecimal; empty when it was not verified.
    pub key: String,
    /// Whether everything that was looked at is as signed.
    #[serde(deserialize_with = "flag")]
    pub intact: bool,
    /// What is not, or what was not looked at.
    pub intact_why: String,
    /// When the trail was read.
    pub seen_at: i64,
    /// The records' own time of the oldest record that can still be read.
    pub oldest_record: i64,
    /// The records' own time of the newest record.
    pub newest_record: i64,
    /// When the collector first began.
    pub began: i64,
    /// When the newest leaf was made.
    pub newest_leaf: i64,
    /// Whether the collector ran when the trail was read: its last leaf is younger than three heartbeats, and no stop.
    #[serde(deserialize_with = "flag")]
    pub running: bool,
    /// Records and torn pieces.
    pub records: u64,
    /// Torn pieces among them.
    pub torn: u64,
    /// Records that secrets were taken out of.
    pub redacted: u64,
    /// Records of a form that only the server can have written.
    #[serde(deserialize_with = "flag")]
    pub audit_grade: bool,
    /// When a checkpoint was last confirmed by somebody else: a witness, a time-stamping authority, an object under lock.
    pub anchored: i64,
    /// By whom.
    pub anchored_by: String,
    /// Days that the archive and the journal are told to keep; 0 when nothing is told.
    pub retention_days: u32,
    /// When the collector last wrote down what it is told to do: sinks and rules; 0 when it never did, as older versions.
    pub configured: i64,
}

/// A stretch of time in which the collector ran, or did not.
#[derive(Clone, Debug, Deserialize)]
pub struct TrailInterval {
    /// From.
    pub from: i64,
    /// Until.
    pub until: i64,
    /// Whether it ran.
    #[serde(deserialize_with = "flag")]
    pub live: bool,
    /// Why not.
    pub why: String,
}

/// The canaries of one class in one place.
#[derive(Clone, Debug, Deserialize)]
pub struct TrailCanary {
    /// What was done: `ddl`, `write`, `refused`, `login-failed`.
    pub class: String,
    /// Where it was looked for: `log`, `journal`, a sink's name.
    pub place: String,
    /// When it was last found.
    pub found: i64,
    /// When it was last looked for and not found.
    pub missed: i64,
    /// The mark of the latest one.
    pub mark: String,
}

/// What a trail may lack. docs/trail/completeness.md says what each proves.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum TrailDefectKind {
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

/// Something that the trail lacks, or that was done to what it records.
#[derive(Clone, Debug, Deserialize)]
pub struct TrailDefect {
    /// What it is.
    pub kind: TrailDefectKind,
    /// The records' own time, or the collector's where no record is.
    pub at: i64,
    /// What it is about: a session, a file, a setting, a role.
    pub subject: String,
    /// One sentence, without a period.
    pub detail: String,
    /// The number of a record that shows it; empty when none does.
    pub record: String,
}

/// A place that the trail is shipped to.
#[derive(Clone, Debug, Deserialize)]
pub struct TrailSink {
    /// Its name in the configuration.
    pub name: String,
    /// `splunk-hec`, `s3`, `file`.
    pub kind: String,
    /// Whether what it holds is outside of the machine that the trail is on.
    #[serde(deserialize_with = "flag")]
    pub outside: bool,
    /// Everything below this record is confirmed.
    pub confirmed: u64,
    /// When the first record that is not confirmed was sealed; 0 when everything is confirmed.
    pub waiting_since: i64,
    /// When it last confirmed anything.
    pub confirmed_at: i64,
    /// Days that it says it keeps; 0 when it does not say.
    pub retention_days: u32,
    /// Time of the oldest record that it can return; 0 when it was not asked or does not say.
    pub oldest_record: i64,
    /// Whether it says that nobody can shorten that.
    #[serde(deserialize_with = "flag")]
    pub locked: bool,
    /// Records that it refused for good.
    pub dead_letters: u64,
    /// What is wrong with it; empty when nothing is.
    pub error: String,
}

/// A rule that watches the trail.
#[derive(Clone, Debug, Deserialize)]
pub struct TrailRule {
    /// The rule's name; `test` for the alert that is sent on purpose.
    pub rule: String,
    /// Alerts in the trail.
    pub fired: u64,
    /// Alerts that nobody confirmed to have got.
    pub undelivered: u64,
    /// When it last fired.
    pub last_fired: i64,
    /// When an alert of it was last delivered.
    pub last_delivered: i64,
    /// Whether the collector is told to have it look.
    #[serde(deserialize_with = "flag")]
    pub looks: bool,
}

/// A table whose rows changed between two moments, or may have.
#[derive(Clone, Debug, Deserialize)]
pub struct TrailChange {
    /// The database.
    pub database: String,
    /// The table, or the root of its partitions, quoted as the server does; empty when it is about the whole database.
    pub table: String,
    /// From, by the server's clock.
    pub from: i64,
    /// Until.
    pub until: i64,
    /// Rows changed, as the server counts; 0 when that is not known.
    pub changed: u64,
    /// Audited statements that write to it.
    pub statements: u64,
    /// How both sides compare.
    pub result: TrailComparison,
    /// Why, in a sentence without a period.
    pub detail: String,
}

/// How rows changed and rows audited compare.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum TrailComparison {
    /// As many rows were audited as were changed, or more.
    Covered,
    /// Writes were audited; how many rows they changed is not logged.
    StatementsOnly,
    /// Rows were changed and no write was audited.
    Unaudited,
    /// Fewer rows were audited than changed.
    FewerRows,
    /// The two sides cannot be compared.
    Unknown,
}
