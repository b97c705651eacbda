//! Code inside the database.

use super::Oid;
use super::field::{flag, json};
use serde::Deserialize;

/// One function or procedure.
#[derive(Clone, Debug, Deserialize)]
pub struct Function {
    /// Object identifier.
    pub oid: Oid,
    /// Schema.
    pub schema: Oid,
    /// Schema's name.
    pub schema_name: String,
    /// Name.
    pub name: String,
    /// `pg_get_function_identity_arguments`.
    pub arguments: String,
    /// `f` function, `p` procedure, `a` aggregate, `w` window.
    pub kind: String,
    /// Owner.
    pub owner: Oid,
    /// Language's name.
    pub language: String,
    /// `SECURITY DEFINER`.
    #[serde(deserialize_with = "flag")]
    pub security_definer: bool,
    /// `SET name = value` clauses: names as stored, and the value only of `search_path` and `row_security`.
    #[serde(deserialize_with = "json")]
    pub settings: Vec<(String, String)>,
    /// `i` immutable, `s` stable, `v` volatile.
    pub volatility: String,
    /// `LEAKPROOF`.
    #[serde(deserialize_with = "flag")]
    pub leakproof: bool,
    /// The extension that owns it; 0 when none does.
    pub extension: Oid,
}

impl Function {
    /// `schema.name(arguments)`, as `ALTER FUNCTION` wants it.
    pub fn sql_name(&self) -> String {
        format!(
            "{}({})",
            crate::ident::qualified(&self.schema_name, &self.name),
            self.arguments
        )
    }

    /// `FUNCTION`, `PROCEDURE` or `AGGREGATE`.
    pub fn sql_kind(&self) -> &'static str {
        match self.kind.as_str() {
            "p" => "PROCEDURE",
            "a" => "AGGREGATE",
            _ => "FUNCTION",
        }
    }
}

/// One trigger.
#[derive(Clone, Debug, Deserialize)]
pub struct Trigger {
    /// Object identifier.
    pub oid: Oid,
    /// The relation.
    pub relation: Oid,
    /// Name.
    pub name: String,
    /// The function it runs.
    pub function: Oid,
    /// `O` on, `D` disabled, `R` replica only, `A` always.
    pub enabled: String,
    /// Whether it enforces a constraint.
    #[serde(deserialize_with = "flag")]
    pub is_constraint: bool,
    /// Whether the server made it itself: for a foreign key, or on a partition.
    #[serde(deserialize_with = "flag")]
    pub is_internal: bool,
}

/// One event trigger.
#[derive(Clone, Debug, Deserialize)]
pub struct EventTrigger {
    /// Object identifier.
    pub oid: Oid,
    /// Name.
    pub name: String,
    /// `ddl_command_start` ...
    pub event: String,
    /// Owner.
    pub owner: Oid,
    /// The function it runs.
    pub function: Oid,
    /// `O` on, `D` disabled, `R` replica only, `A` always.
    pub enabled: String,
}

/// One rewrite rule that does not make a view.
#[derive(Clone, Debug, Deserialize)]
pub struct Rule {
    /// Object identifier.
    pub oid: Oid,
    /// The relation.
    pub relation: Oid,
    /// Name.
    pub name: String,
    /// `1` SELECT, `2` UPDATE, `3` INSERT, `4` DELETE.
    pub event: String,
    /// `DO INSTEAD`.
    #[serde(deserialize_with = "flag")]
    pub instead: bool,
    /// `O` on, `D` disabled, `R` replica only, `A` always.
    pub enabled: String,
}

/// One procedural language.
#[derive(Clone, Debug, Deserialize)]
pub struct Language {
    /// Object identifier.
    pub oid: Oid,
    /// Name.
    pub name: String,
    /// Whether anyone may be granted its use.
    #[serde(deserialize_with = "flag")]
    pub trusted: bool,
    /// Owner.
    pub owner: Oid,
}
