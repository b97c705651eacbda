//! Ways out to other servers. Option values may be secrets: only their keys leave the server.

use super::Oid;
use super::field::{flag, json};
use serde::Deserialize;

/// One foreign-data wrapper.
#[derive(Clone, Debug, Deserialize)]
pub struct ForeignDataWrapper {
    /// Object identifier.
    pub oid: Oid,
    /// Name.
    pub name: String,
    /// Owner.
    pub owner: Oid,
    /// Keys of its options.
    #[serde(deserialize_with = "json")]
    pub option_keys: Vec<String>,
}

/// One foreign server.
#[derive(Clone, Debug, Deserialize)]
pub struct ForeignServer {
    /// Object identifier.
    pub oid: Oid,
    /// Name.
    pub name: String,
    /// Owner.
    pub owner: Oid,
    /// Its wrapper.
    pub wrapper: Oid,
    /// Keys of its options.
    #[serde(deserialize_with = "json")]
    pub option_keys: Vec<String>,
}

/// One user mapping.
#[derive(Clone, Debug, Deserialize)]
pub struct UserMapping {
    /// Object identifier.
    pub oid: Oid,
    /// The role; 0 is PUBLIC.
    pub role: Oid,
    /// The server.
    pub server: Oid,
    /// Whether the role that looked may see the options at all: without it, no options means "hidden".
    #[serde(deserialize_with = "flag")]
    pub options_visible: bool,
    /// Keys of its options.
    #[serde(deserialize_with = "json")]
    pub option_keys: Vec<String>,
}
