//! What makes a role as good as superuser.

use pgattest_model::facts::Oid;
use std::fmt;

/// How far a way leads. The worst first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Grade {
    /// Superuser, or statements that run as one.
    Superuser,
    /// Programs or arbitrary files of the operating-system account the server runs as; `pg_hba.conf` is one of them.
    OperatingSystem,
    /// Every table or every file of the server, password verifiers included, to read.
    ReadsEverything,
}

impl Grade {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Superuser => "superuser",
            Self::OperatingSystem => "operating-system account",
            Self::ReadsEverything => "reads everything",
        }
    }
}

/// What the last role of a way has. Names are as the catalog has them; `sql` names are quoted as SQL.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Power {
    /// It is a superuser, and a session can be it.
    Superuser,
    /// It is a superuser whose privileges are inherited: what it owns can be replaced by code that runs as it.
    Owner {
        /// The superuser.
        superuser: Oid,
        /// Something it owns, as SQL with its database; nothing for the bootstrap superuser, which owns every built-in function.
        owns: Option<String>,
    },
    /// It is a predefined role.
    Role(&'static str),
    /// `REPLICATION`.
    Replication {
        /// Whether only the functions for logical slots are open to it: it is not the role that logs in.
        logical_only: bool,
    },
    /// EXECUTE on a function that reads or writes files, or runs as somebody else.
    Function {
        /// Database's name.
        database: String,
        /// As SQL, with its arguments.
        sql: String,
    },
    /// SET or ALTER SYSTEM on a parameter.
    Parameter {
        /// Its name.
        name: String,
        /// Whether it may only ALTER SYSTEM.
        alter_system: bool,
    },
    /// USAGE on a language that is not safe and is marked as safe.
    Language {
        /// Database's name.
        database: String,
        /// Its name.
        name: String,
    },
    /// Writing columns of a catalog table, or the option to grant itself that.
    Catalog {
        /// Database's name.
        database: String,
        /// The table or column, as SQL.
        sql: String,
    },
    /// CREATE on `pg_catalog`, which is first in every search path.
    CatalogSchema {
        /// Database's name.
        database: String,
    },
    /// Owning a function that is called in a superuser's session, with CREATE on its schema: it may be replaced.
    Called {
        /// Database's name.
        database: String,
        /// The function, as SQL.
        sql: String,
        /// What calls it.
        by: Caller,
    },
}

/// What calls a function in somebody else's session.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Caller {
    /// An event trigger, by name: it fires on everybody's commands.
    EventTrigger(String),
    /// A trigger by name, on a superuser's relation as SQL.
    Trigger(String, String),
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use pgattest_model::ident::{quote_ident, visible};
        let quoted = |name: &str| visible(&quote_ident(name));
        match self {
            Self::Superuser => f.write_str("is a superuser"),
            Self::Owner { owns: None, .. } => f.write_str(
                "its privileges are inherited: any built-in function can be replaced by one that runs as this superuser",
            ),
            Self::Owner {
                owns: Some(owns), ..
            } => write!(
                f,
                "its privileges are inherited: {} can be made to run code as this superuser",
                visible(owns)
            ),
            Self::Role(name) => f.write_str(match *name {
                "pg_execute_server_program" => "COPY .. PROGRAM runs any program on the server",
                "pg_write_server_files" => "COPY .. TO writes any file on the server",
                "pg_read_server_files" => "COPY .. FROM reads any file on the server",
                _ => "reads every table, pg_authid among them",
            }),
            Self::Replication {
                logical_only: false,
            } => f.write_str("has REPLICATION: a replication connection copies the whole cluster"),
            Self::Replication { logical_only: true } => {
                f.write_str("has REPLICATION: logical slots show every change of the database")
            }
            Self::Function { database, sql } => {
                write!(f, "EXECUTE on {} in {}", visible(sql), quoted(database))
            }
            Self::Parameter { name, alter_system } => {
                let how = if *alter_system { "ALTER SYSTEM" } else { "SET" };
                write!(f, "{how} on parameter {}", visible(name))
            }
            Self::Language { database, name } => write!(
                f,
                "USAGE on language {} in {}, which is not safe and is marked as trusted",
                quoted(name),
                quoted(database)
            ),
            Self::Catalog { database, sql } => write!(
                f,
                "writes columns of {} in {}, or may grant itself that",
                visible(sql),
                quoted(database)
            ),
            Self::CatalogSchema { database } => write!(
                f,
                "CREATE on schema pg_catalog in {}, which is searched first for every name",
                quoted(database)
            ),
            Self::Called { database, sql, by } => {
                let (sql, database) = (visible(sql), quoted(database));
                write!(f, "may replace function {sql} in {database}, which ")?;
                match by {
                    Caller::EventTrigger(name) => {
                        write!(f, "event trigger {} calls", quoted(name))
                    }
                    Caller::Trigger(name, on) => {
                        write!(f, "trigger {} on {} calls", quoted(name), visible(on))
                    }
                }
            }
        }
    }
}
