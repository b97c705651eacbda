//! The cluster and what it is made of.

use super::Oid;
use super::field::flag;
use serde::Deserialize;

/// The server's identity. One row.
#[derive(Clone, Debug, Deserialize)]
pub struct Server {
    /// Major * 10,000 + minor.
    pub server_version_num: u32,
    /// `version()`.
    pub version_text: String,
    /// From `pg_control_system()`; empty where that is refused.
    pub system_identifier: String,
    /// Whether it is a standby.
    #[serde(deserialize_with = "flag")]
    pub in_recovery: bool,
    /// When the server started, on its clock.
    pub started_at: String,
    /// When the configuration was last loaded, on its clock.
    pub configuration_loaded_at: String,
    /// The server's clock at the query.
    pub server_time: String,
    /// The address the session arrived at; empty over a Unix socket.
    pub server_address: String,
    /// The port the session arrived at; 0 over a Unix socket.
    pub server_port: u32,
    /// `cluster_name`; often empty.
    pub cluster_name: String,
}

/// One database.
#[derive(Clone, Debug, Deserialize)]
pub struct Database {
    /// Object identifier.
    pub oid: Oid,
    /// Name.
    pub name: String,
    /// Owner.
    pub owner: Oid,
    /// `datallowconn`: false means that nobody can connect, a superuser included.
    #[serde(deserialize_with = "flag")]
    pub allows_connections: bool,
    /// `datistemplate`.
    #[serde(deserialize_with = "flag")]
    pub is_template: bool,
    /// Whether the role that looks may connect.
    #[serde(deserialize_with = "flag")]
    pub may_connect: bool,
    /// -1: no limit.
    pub connection_limit: i32,
    /// Character set, as PostgreSQL names it.
    pub encoding: String,
}

/// One tablespace.
#[derive(Clone, Debug, Deserialize)]
pub struct Tablespace {
    /// Object identifier.
    pub oid: Oid,
    /// Name.
    pub name: String,
    /// Owner.
    pub owner: Oid,
    /// Directory; empty for the built-in ones.
    pub location: String,
}

/// One schema.
#[derive(Clone, Debug, Deserialize)]
pub struct Schema {
    /// Object identifier.
    pub oid: Oid,
    /// Name.
    pub name: String,
    /// Owner.
    pub owner: Oid,
    /// `pg_catalog`, `information_schema`, `pg_toast`.
    #[serde(deserialize_with = "flag")]
    pub is_system: bool,
    /// The extension that owns it; 0 when none does.
    pub extension: Oid,
}

/// One extension in one database.
#[derive(Clone, Debug, Deserialize)]
pub struct Extension {
    /// Object identifier.
    pub oid: Oid,
    /// Name.
    pub name: String,
    /// Installed version.
    pub version: String,
    /// Schema it lives in.
    pub schema: Oid,
    /// Owner.
    pub owner: Oid,
}

/// One extension whose files lie on the server, created anywhere or not.
#[derive(Clone, Debug, Deserialize)]
pub struct AvailableExtension {
    /// Name.
    pub name: String,
    /// The version that `CREATE EXTENSION` makes.
    pub version: String,
}
