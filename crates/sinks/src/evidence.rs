//! What a sink says of how long it keeps what it was given.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was seen at the other end, at one time. The audit judges it; here nothing is judged.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SinkEvidence {
    /// Where: log group and stream, bucket and prefix.
    pub place: String,
    /// When it was looked at, in milliseconds since 1970, by our clock.
    pub looked_at: i64,
    /// How long the other end keeps a record by its setting.
    pub retention: Retention,
    /// What keeps a record from being deleted before that.
    pub lock: Lock,
    /// The oldest record that was fetched, not merely listed. `None`: there is none.
    pub oldest: Option<Retrieved>,
    /// The newest record that is known to be there.
    pub newest: Option<Retrieved>,
    /// What stands between this and what the sink's configuration asks for, in words for people. Empty: nothing.
    pub problems: Vec<String>,
}

/// How long records are kept.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retention {
    /// Until somebody deletes them.
    Unlimited,
    /// So many days; then the other end deletes them.
    Days(u32),
}

/// What keeps a record from being deleted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lock {
    /// Nothing: whoever may delete it there can.
    None,
    /// S3 Object Lock in GOVERNANCE mode for so many days from writing: a right of its own lifts it.
    Governance(u32),
    /// S3 Object Lock in COMPLIANCE mode for so many days from writing: nobody lifts it, the account's root user included.
    Compliance(u32),
}

/// A record that is there.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Retrieved {
    /// Its number in the journal.
    pub number: Option<u64>,
    /// When it was logged, in milliseconds since 1970.
    pub at: i64,
}
