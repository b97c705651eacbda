//! What is done, what is expected of it, and whether a record is it.

use pgattest_parse::audit_log::Record;
use pgattest_parse::audit_log::authentication::{self, Event};
use pgattest_parse::audit_log::pgaudit;

/// What a canary is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
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
    /// A prepared statement with a parameter.
    Prepared,
    /// A query with parallel workers.
    Parallel,
    /// A statement that permissions refuse.
    Refused,
    /// A login.
    Login,
    /// Its end.
    Logout,
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
    pub const ALL: [Self; 17] = [
        Self::Read,
        Self::Write,
        Self::Ddl,
        Self::Role,
        Self::Function,
        Self::Misc,
        Self::InDo,
        Self::Copy,
        Self::Prepared,
        Self::Parallel,
        Self::Refused,
        Self::Login,
        Self::Logout,
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
            Self::Prepared => "prepared",
            Self::Parallel => "parallel",
            Self::Refused => "refused",
            Self::Login => "login",
            Self::Logout => "logout",
            Self::WrongPassword => "wrong-password",
            Self::UnknownRole => "unknown-role",
            Self::Pooled => "pooled",
            Self::Secret => "secret",
        }
    }

    /// pgaudit's class and the command that its record must have; `None`: it is no matter of pgaudit's.
    pub fn audited(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::Read | Self::Parallel => ("READ", "SELECT"),
            Self::Write | Self::InDo | Self::Prepared => ("WRITE", "INSERT"),
            Self::Copy => ("WRITE", "COPY"),
            Self::Ddl | Self::Pooled => ("DDL", "CREATE TABLE"),
            Self::Role => ("ROLE", "GRANT"),
            Self::Function => ("FUNCTION", "DO"),
            Self::Misc => ("MISC", "LISTEN"),
            _ => return None,
        })
    }
}

/// A canary that was performed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Canary {
    /// What it is.
    pub class: Class,
    /// What its record has and no other one has: a random text of the statement, or the session's identifier.
    pub mark: String,
    /// The role that did it.
    pub user: String,
    /// The database.
    pub database: String,
    /// The session, when it is known.
    pub session: Option<String>,
}

/// What a record is to a canary.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Another one's.
    Other,
    /// Its own, with every field right.
    Right,
    /// Its own, and these fields are not what they should be.
    Wrong(Vec<String>),
}

/// Compares a record with a canary.
pub fn compare(canary: &Canary, record: &Record<'_>) -> Outcome {
    let own = match canary.class {
        Class::Login => {
            is_session(canary, record)
                && matches!(authentication::read(record), Some(Event::Authorized { .. }))
        }
        Class::Logout => {
            is_session(canary, record)
                && matches!(authentication::read(record), Some(Event::Disconnected))
        }
        Class::WrongPassword | Class::UnknownRole => {
            matches!(record.sqlstate.as_deref(), Some(b"28P01" | b"28000"))
                && has_mark(canary, record)
        }
        Class::Refused | Class::Secret => record.statement.is_some() && has_mark(canary, record),
        _ => {
            let audit = pgaudit::of(record);
            let Some((class, command)) = canary.class.audited() else {
                return Outcome::Other;
            };
            audit.is_some_and(|audit| {
                audit.class.as_ref() == class.as_bytes()
                    && audit.command.as_ref() == command.as_bytes()
                    && audit
                        .statement
                        .text()
                        .is_some_and(|text| holds(text, &canary.mark))
            })
        }
    };
    if !own {
        return Outcome::Other;
    }
    let wrong = wrong_fields(canary, record);
    if wrong.is_empty() {
        Outcome::Right
    } else {
        Outcome::Wrong(wrong)
    }
}

fn wrong_fields(canary: &Canary, record: &Record<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut expect = |field: &str, expected: &str, seen: Option<&[u8]>| {
        if seen != Some(expected.as_bytes()) {
            let seen = seen.map_or_else(
                || "missing".to_owned(),
                |seen| format!("`{}`", String::from_utf8_lossy(seen)),
            );
            wrong.push(format!("{field} is {seen} and should be `{expected}`"));
        }
    };
    expect("the role", &canary.user, record.user.as_deref());
    expect("the database", &canary.database, record.database.as_deref());
    if let Some(session) = &canary.session {
        expect("the session", session, record.session.as_deref());
    }
    match canary.class {
        Class::Refused => expect("SQLSTATE", "42501", record.sqlstate.as_deref()),
        Class::Secret => expect("SQLSTATE", "42704", record.sqlstate.as_deref()),
        _ => {}
    }
    if record.time_ms.is_none() {
        wrong.push("the time cannot be told: set log_timezone to UTC".to_owned());
    }
    wrong
}

fn is_session(canary: &Canary, record: &Record<'_>) -> bool {
    canary
        .session
        .as_ref()
        .is_some_and(|session| record.session.as_deref() == Some(session.as_bytes()))
}

/// Of failures: the statement, the role, the database or the application's name has it.
fn has_mark(canary: &Canary, record: &Record<'_>) -> bool {
    [
        record.statement.as_deref(),
        record.application_name.as_deref(),
        record.user.as_deref(),
        record.database.as_deref(),
        Some(record.message.as_ref()),
    ]
    .into_iter()
    .flatten()
    .any(|text| holds(text, &canary.mark))
}

fn holds(text: &[u8], mark: &str) -> bool {
    memchr::memmem::find(text, mark.as_bytes()).is_some()
}
