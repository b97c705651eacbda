//! The observations that are the trail's own account: their names, columns, and how they become CSV.
//!
//! They have no SQL, and so no entry in [`crate::GROUPS`]; the columns are the fields of the row types in
//! `pgattest_model::facts`.

use pgattest_model::{Observation, ObservationId};

use crate::wire;

/// `cluster/trail`: one row.
pub const STATE: &str = "trail";
/// `cluster/trail-coverage`.
pub const COVERAGE: &str = "trail-coverage";
/// `cluster/trail-canaries`.
pub const CANARIES: &str = "trail-canaries";
/// `cluster/trail-defects`.
pub const DEFECTS: &str = "trail-defects";
/// `cluster/trail-changes`.
pub const CHANGES: &str = "trail-changes";
/// `cluster/trail-sinks`.
pub const SINKS: &str = "trail-sinks";
/// `cluster/trail-rules`.
pub const RULES: &str = "trail-rules";

/// The groups in the order they are recorded.
pub const ALL: [&str; 7] = [STATE, COVERAGE, CANARIES, DEFECTS, CHANGES, SINKS, RULES];

/// Why nothing is known of a trail that nobody looked at.
pub(crate) const NOT_LOOKED_AT: &str =
    "no audit trail was looked at: name its journal with `--trail DIR`";

/// Why nothing is known of rows changed when nobody said since when.
pub(crate) const NO_EARLIER_AUDIT: &str =
    "nobody said since when: name the evidence package of an earlier audit with `--since FILE`";

/// The columns of [`STATE`].
pub const STATE_COLUMNS: [&str; 22] = [
    "origin",
    "instance",
    "system_identifier",
    "leaves",
    "root",
    "key",
    "intact",
    "intact_why",
    "seen_at",
    "oldest_record",
    "newest_record",
    "began",
    "newest_leaf",
    "running",
    "records",
    "torn",
    "redacted",
    "audit_grade",
    "anchored",
    "anchored_by",
    "retention_days",
    "configured",
];
/// The columns of [`COVERAGE`].
pub const COVERAGE_COLUMNS: [&str; 4] = ["from", "until", "live", "why"];
/// The columns of [`CANARIES`].
pub const CANARY_COLUMNS: [&str; 5] = ["class", "place", "found", "missed", "mark"];
/// The columns of [`DEFECTS`].
pub const DEFECT_COLUMNS: [&str; 5] = ["kind", "at", "subject", "detail", "record"];
/// The columns of [`CHANGES`].
pub const CHANGE_COLUMNS: [&str; 8] = [
    "database",
    "table",
    "from",
    "until",
    "changed",
    "statements",
    "result",
    "detail",
];
/// The columns of [`SINKS`].
pub const SINK_COLUMNS: [&str; 11] = [
    "name",
    "kind",
    "outside",
    "confirmed",
    "waiting_since",
    "confirmed_at",
    "retention_days",
    "oldest_record",
    "locked",
    "dead_letters",
    "error",
];
/// The columns of [`RULES`].
pub const RULE_COLUMNS: [&str; 6] = [
    "rule",
    "fired",
    "undelivered",
    "last_fired",
    "last_delivered",
    "looks",
];

/// What stands where a query's text stands in an observation.
pub fn description(group: &str) -> &'static str {
    match group {
        STATE => "-- no query: the journal's checkpoint, verified; its leaves and its newest block",
        COVERAGE => "-- no query: start, stop and heartbeat leaves of the journal",
        CANARIES => "-- no query: canary leaves of the journal",
        DEFECTS => {
            "-- no query: gap leaves, and the records' own line numbers, read from the journal"
        }
        CHANGES => {
            "-- no query: the server's row counters of an earlier audit and of this one, and the writes that the journal has between"
        }
        SINKS => {
            "-- no query: configuration, watermark and dead-letter leaves; what each sink says of its retention"
        }
        RULES => "-- no query: configuration and alert leaves of the journal",
        _ => "-- no query",
    }
}

/// An account of the trail at `place`, as observations: a group's name with its columns and rows.
pub struct Account {
    /// The journal's path, as it was named.
    pub place: String,
    /// When it was read, RFC 3339.
    pub started_at: String,
    /// When it had been read.
    pub finished_at: String,
}

impl Account {
    /// One group.
    pub fn observation<const N: usize>(
        &self,
        group: &str,
        columns: [&str; N],
        rows: &[[String; N]],
    ) -> Observation {
        Observation {
            id: ObservationId::cluster(group),
            query: description(group).to_owned(),
            database: String::new(),
            role: String::new(),
            asked_at: self.place.clone(),
            started_at: self.started_at.clone(),
            finished_at: self.finished_at.clone(),
            server_started_at: String::new(),
            server_finished_at: String::new(),
            outcome: wire::outcome(columns, rows),
        }
    }
}
