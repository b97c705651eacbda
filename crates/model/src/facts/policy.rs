//! Row-level security policies.

use super::Oid;
use super::field::{flag, json};
use serde::Deserialize;

/// One policy.
#[derive(Clone, Debug, Deserialize)]
pub struct Policy {
    /// Object identifier.
    pub oid: Oid,
    /// The table.
    pub relation: Oid,
    /// Name.
    pub name: String,
    /// The command it is for.
    pub command: PolicyCommand,
    /// `PERMISSIVE` (widens) or not (`RESTRICTIVE`, narrows).
    #[serde(deserialize_with = "flag")]
    pub permissive: bool,
    /// The roles it applies to; 0 is PUBLIC.
    #[serde(deserialize_with = "json")]
    pub roles: Vec<Oid>,
    /// Whether it has a `USING` expression.
    #[serde(deserialize_with = "flag")]
    pub has_using: bool,
    /// `USING`, deparsed by the server; empty when it has none.
    pub using_expression: String,
    /// Whether it has a `WITH CHECK` expression.
    #[serde(deserialize_with = "flag")]
    pub has_check: bool,
    /// `WITH CHECK`, deparsed by the server; empty when it has none.
    pub check_expression: String,
}

/// The command a policy is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[allow(missing_docs, reason = "each is the command it names")]
pub enum PolicyCommand {
    #[serde(rename = "*")]
    All,
    #[serde(rename = "r")]
    Select,
    #[serde(rename = "a")]
    Insert,
    #[serde(rename = "w")]
    Update,
    #[serde(rename = "d")]
    Delete,
}

impl PolicyCommand {
    /// The word in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// One column that a policy's expressions use, of the policy's own table or of another.
#[derive(Clone, Debug, Deserialize)]
pub struct PolicyColumn {
    /// The policy.
    pub policy: Oid,
    /// The relation the column belongs to.
    pub relation: Oid,
    /// `attnum`; 0 when the expression depends on the whole relation.
    pub column: i16,
}
