//! The server's own objects, as far as a check has to name them.

use super::Oid;
use super::field::{flag, json};
use serde::Deserialize;

/// One function that its maker, `initdb` or an extension's script, keeps from PUBLIC.
#[derive(Clone, Debug, Deserialize)]
pub struct RestrictedFunction {
    /// Object identifier.
    pub oid: Oid,
    /// Schema's name.
    pub schema_name: String,
    /// Name.
    pub name: String,
    /// `pg_get_function_identity_arguments`.
    pub arguments: String,
    /// Owner.
    pub owner: Oid,
    /// The roles that had EXECUTE from the beginning, the owner among them.
    #[serde(deserialize_with = "json")]
    pub initial_grantees: Vec<Oid>,
}

impl RestrictedFunction {
    /// `schema.name(arguments)`, as `REVOKE .. ON FUNCTION` wants it.
    pub fn sql_name(&self) -> String {
        format!(
            "{}({})",
            crate::ident::qualified(&self.schema_name, &self.name),
            self.arguments
        )
    }
}

/// One catalog or view of the server's own that `initdb` does not let PUBLIC read.
#[derive(Clone, Debug, Deserialize)]
pub struct RestrictedRelation {
    /// Object identifier.
    pub oid: Oid,
    /// Schema's name.
    pub schema_name: String,
    /// Name.
    pub name: String,
    /// Owner.
    pub owner: Oid,
    /// The roles that had a privilege on the whole relation from the beginning, the owner among them.
    #[serde(deserialize_with = "json")]
    pub initial_grantees: Vec<Oid>,
    /// Numbers of the columns that hold what it is closed for; empty where no single column does.
    #[serde(deserialize_with = "json")]
    pub secret_columns: Vec<i16>,
}

impl RestrictedRelation {
    /// `schema.name`, quoted where it must be.
    pub fn sql_name(&self) -> String {
        crate::ident::qualified(&self.schema_name, &self.name)
    }
}

/// One function that a call of a built-in one may reach instead.
#[derive(Clone, Debug, Deserialize)]
pub struct ShadowingFunction {
    /// The function.
    pub function: Oid,
    /// Whether some built-in function takes exactly the same types: then only a schema that is searched before `pg_catalog`
    /// makes a difference.
    #[serde(deserialize_with = "flag")]
    pub identical: bool,
    /// The built-in one: `lower(text)`. The first by name where there are several.
    pub shadows: String,
}
