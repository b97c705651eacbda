//! What is done on purpose.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a canary is.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A SELECT.
    Read,
    /// An INSERT.
    Write,
    /// A CREATE TABLE.
    Ddl,
    /// A GRANT.
    Role,
    /// A DO block.
    Function,
    /// A LISTEN.
    Misc,
    /// A statement within a DO block.
    InDo,
    /// COPY FROM STDIN.
    Copy,
    /// COPY TO STDOUT, as `pg_dump` reads tables.
    CopyTo,
    /// A prepared statement with a parameter.
    Prepared,
    /// A query with parallel workers.
    Parallel,
    /// A function call by the protocol's fast path: a message of its own, without a statement.
    FastPath,
    /// A statement that permissions refuse.
    Refused,
    /// A login.
    Login,
    /// Its end.
    Logout,
    /// A login as a replication connection.
    Replication,
    /// A command of the replication protocol.
    ReplicationCommand,
    /// A login with a wrong password.
    WrongPassword,
    /// A login of a role that does not exist.
    UnknownRole,
    /// A CREATE TABLE through the pooler.
    Pooled,
    /// A statement with a secret in it.
    Secret,
}

impl Class {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 21] = [
        Self::Read,
        Self::Write,
        Self::Ddl,
        Self::Role,
        Self::Function,
        Self::Misc,
        Self::InDo,
        Self::Copy,
        Self::CopyTo,
        Self::Prepared,
        Self::Parallel,
        Self::FastPath,
        Self::Refused,
        Self::Login,
        Self::Logout,
        Self::Replication,
        Self::ReplicationCommand,
        Self::WrongPassword,
        Self::UnknownRole,
        Self::Pooled,
        Self::Secret,
    ];

    /// Its name in reports and leaves.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Ddl => "ddl",
            Self::Role => "role",
            Self::Function => "function",
            Self::Misc => "misc",
            Self::InDo => "in-do",
            Self::Copy => "copy",
            Self::CopyTo => "copy-to",
            Self::Prepared => "prepared",
            Self::Parallel => "parallel",
            Self::FastPath => "fast-path",
            Self::Refused => "refused",
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Replication => "replication",
            Self::ReplicationCommand => "replication-command",
            Self::WrongPassword => "wrong-password",
            Self::UnknownRole => "unknown-role",
            Self::Pooled => "pooled",
            Self::Secret => "secret",
        }
    }

    /// pgaudit's class and the command that its record must have; `None`: it is no matter of pgaudit's.
    pub fn audited(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::Read | Self::Parallel | Self::CopyTo => ("READ", "SELECT"),
            Self::Write | Self::InDo | Self::Prepared => ("WRITE", "INSERT"),
            Self::Copy => ("WRITE", "COPY"),
            Self::Ddl | Self::Pooled => ("DDL", "CREATE TABLE"),
            Self::Role => ("ROLE", "GRANT"),
            Self::Function => ("FUNCTION", "DO"),
            Self::Misc => ("MISC", "LISTEN"),
            _ => return None,
        })
    }

    /// Why it is no surprise when nothing records it, and what would. `None`: nothing is known that explains it.
    pub fn known_bypass(self) -> Option<&'static str> {
        match self {
            Self::FastPath => Some(
                "pgaudit records no call by the fast path, whatever it is set to; the server itself does with log_statement = 'all'",
            ),
            Self::ReplicationCommand => Some(
                "pgaudit records no replication command; the server itself does with log_replication_commands = on",
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Class;
    use std::collections::BTreeSet;

    #[test]
    fn every_class_is_listed_once_and_named_as_it_is_serialized() {
        let all: BTreeSet<Class> = Class::ALL.into_iter().collect();
        assert_eq!(all.len(), Class::ALL.len());
        assert!(Class::ALL.is_sorted());
        for class in Class::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
        let schema = schemars::schema_for!(Class);
        let names = schema.get("oneOf").and_then(|all| all.as_array());
        assert_eq!(
            names.unwrap().len(),
            Class::ALL.len(),
            "none is left out of the list"
        );
    }
}
