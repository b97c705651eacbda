//! What is told beside the trail. All of it is optional, and what is absent is not assumed.

use super::changes::Snapshots;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What the engine is told.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Options {
    /// Whether `log_disconnections` is on. `None`: taken to be on for a form of the log once a disconnection was seen in it.
    pub log_disconnections: Option<bool>,
    /// The classes that pgaudit is to log, in lower case. Fewer is a finding.
    pub required_classes: BTreeSet<String>,
    /// After how long without an outcome a connection has none, in milliseconds. The server's own limit is
    /// `authentication_timeout`, at most ten minutes.
    pub outcome_after: i64,
    /// How long a running collector may be silent, in milliseconds: it gives a sign of life every minute.
    pub heartbeat_limit: i64,
    /// Whether the server was busy: fewer records an hour than this, in the middle, and silence means nothing.
    pub busy_hour: u64,
    /// After how many sessions without an audit record a server's run is a finding, when other records of audit exist.
    pub silent_sessions: u64,
    /// The sessions that were alive at a moment.
    pub live: Option<LiveSessions>,
    /// Row counts at two moments, of each database that they are known of.
    pub changes: Vec<Snapshots>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            log_disconnections: None,
            required_classes: ["ddl", "role", "write"].map(str::to_owned).into(),
            outcome_after: 600_000,
            heartbeat_limit: 150_000,
            busy_hour: 60,
            silent_sessions: 20,
            live: None,
            changes: Vec::new(),
        }
    }
}

/// The sessions that `pg_stat_activity` showed.
///
/// ```sql
/// SELECT to_hex(trunc(extract(epoch FROM backend_start))::bigint) || '.' || to_hex(pid) FROM pg_stat_activity
/// ```
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct LiveSessions {
    /// When it was asked, in milliseconds since 1970, by the server's clock.
    pub at: i64,
    /// The sessions' identifiers, as the log has them.
    pub sessions: BTreeSet<String>,
}
