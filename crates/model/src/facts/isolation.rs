//! What else touches rows that policies protect: functions, views, rules and triggers.

use super::Oid;
use super::field::flag;
use serde::Deserialize;

/// One function that a policy's expression calls.
#[derive(Clone, Debug, Deserialize)]
pub struct PolicyFunction {
    /// The policy.
    pub policy: Oid,
    /// The function.
    pub function: Oid,
    /// Schema's name.
    pub schema_name: String,
    /// Name.
    pub name: String,
    /// The body of a function without arguments that does nothing but read a setting; empty for any other.
    pub setting_read: String,
    /// Whether its body was bound to what it names when it was created (14 and later: `RETURN ..`, `BEGIN ATOMIC ..`).
    #[serde(deserialize_with = "flag")]
    pub bound: bool,
}

/// What one view asks the session.
#[derive(Clone, Debug, Deserialize)]
pub struct ViewFilter {
    /// The view.
    pub view: Oid,
    /// It calls `current_setting`.
    #[serde(deserialize_with = "flag")]
    pub asks_setting: bool,
    /// It asks `CURRENT_USER` or the like.
    #[serde(deserialize_with = "flag")]
    pub asks_user: bool,
    /// It calls a function without arguments that is not the server's.
    #[serde(deserialize_with = "flag")]
    pub calls_function: bool,
}

/// One table that a rewrite rule inserts into or updates.
#[derive(Clone, Debug, Deserialize)]
pub struct RuleWrite {
    /// The rule.
    pub rule: Oid,
    /// The table.
    pub writes: Oid,
}

/// One table that a trigger's function inserts into or updates.
#[derive(Clone, Debug, Deserialize)]
pub struct TriggerWrite {
    /// The function.
    pub function: Oid,
    /// The table; 0 when the function's text does not tell.
    pub writes: Oid,
}
