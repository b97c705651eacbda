//! Roles, their passwords' kind, and memberships.

use super::Oid;
use super::field::flag;
use serde::Deserialize;

/// The grantee that stands for everyone.
pub const PUBLIC: Oid = 0;

/// One role.
#[derive(Clone, Debug, Deserialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "PostgreSQL's role attributes are booleans"
)]
pub struct Role {
    /// Object identifier. 10 is the bootstrap superuser.
    pub oid: Oid,
    /// Name.
    pub name: String,
    /// `SUPERUSER`.
    #[serde(deserialize_with = "flag")]
    pub superuser: bool,
    /// `INHERIT`: before 16 it decides for every membership; from 16 it is only the default of new grants.
    #[serde(deserialize_with = "flag")]
    pub inherit: bool,
    /// `CREATEROLE`.
    #[serde(deserialize_with = "flag")]
    pub create_role: bool,
    /// `CREATEDB`.
    #[serde(deserialize_with = "flag")]
    pub create_db: bool,
    /// `LOGIN`.
    #[serde(deserialize_with = "flag")]
    pub can_login: bool,
    /// `REPLICATION`.
    #[serde(deserialize_with = "flag")]
    pub replication: bool,
    /// `BYPASSRLS`.
    #[serde(deserialize_with = "flag")]
    pub bypass_rls: bool,
    /// -1: no limit.
    pub connection_limit: i32,
    /// `VALID UNTIL` as text; empty when there is none.
    pub valid_until: String,
    /// Whether that has passed, on the server's clock when it was asked. It ends the password, and nothing else.
    #[serde(deserialize_with = "flag")]
    pub expired: bool,
}

impl Role {
    /// The superuser that `initdb` made: it cannot be dropped.
    pub const BOOTSTRAP: Oid = 10;

    /// Whether the server made it itself (`pg_monitor` and its like, whose identifiers are below the first normal one).
    pub fn is_predefined(&self) -> bool {
        self.oid < 16_384 && self.oid != Self::BOOTSTRAP
    }
}

/// How one role's password is stored. The password itself never leaves the server.
#[derive(Clone, Debug, Deserialize)]
pub struct Verifier {
    /// The role.
    pub role: Oid,
    /// What is stored.
    pub kind: VerifierKind,
    /// Rounds of a SCRAM verifier; 0 otherwise.
    pub iterations: u32,
}

/// What is stored as a password.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum VerifierKind {
    /// No password.
    None,
    /// `md5` and 32 hex digits: as good as the password to whoever reads it.
    Md5,
    /// `SCRAM-SHA-256$..`.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// Anything else: no server in the supported range accepts it for login.
    Other,
}

/// One grant of membership.
#[derive(Clone, Debug, Deserialize)]
pub struct Membership {
    /// The role that is granted (the group).
    pub role: Oid,
    /// The role it is granted to.
    pub member: Oid,
    /// Who granted it.
    pub grantor: Oid,
    /// The member may grant it on.
    #[serde(deserialize_with = "flag")]
    pub admin_option: bool,
    /// The member has the group's privileges without `SET ROLE`. Before 16: the member's `INHERIT` attribute.
    #[serde(deserialize_with = "flag")]
    pub inherit_option: bool,
    /// The member may `SET ROLE` to the group. Before 16: always.
    #[serde(deserialize_with = "flag")]
    pub set_option: bool,
}
