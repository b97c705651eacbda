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
                // pgaudit tells COPY as what it does to the table, or as a utility statement.
                let is_copy = canary.class == Class::Copy;
                let same = audit.class.as_ref() == class.as_bytes()
                    && audit.command.as_ref() == command.as_bytes();
                (same || is_copy)
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

#[cfg(test)]
mod tests {
    use super::{Canary, Class, Outcome, compare};
    use pgattest_parse::audit_log::{Format, decode};

    fn canary(class: Class) -> Canary {
        Canary {
            class,
            mark: "pgattest_7_ddl".to_owned(),
            user: "ann".to_owned(),
            database: "shop".to_owned(),
            session: Some("6b03e1b3.5193".to_owned()),
        }
    }

    fn outcome(class: Class, user: &str, message: &str) -> Outcome {
        let line = format!(
            "2026-11-23 06:48:19.697 UTC,\"{user}\",\"shop\",20883,\"[local]\",6b03e1b3.5193,6,\"x\",2026-11-23 06:48:19 UTC,3/55,740,\
             LOG,00000,\"{message}\",,,,,,,,,\"\",\"client backend\",,-68\n"
        );
        let record = decode(&Format::Csvlog { columns: 26 }, line.as_bytes()).unwrap();
        compare(&canary(class), &record)
    }

    #[test]
    fn the_record_with_the_mark_and_the_command_is_it() {
        let right = "AUDIT: SESSION,1,1,DDL,CREATE TABLE,TABLE,t,create table t () /* pgattest_7_ddl */,<none>";
        assert_eq!(outcome(Class::Ddl, "ann", right), Outcome::Right);
        assert!(matches!(outcome(Class::Ddl, "bob", right), Outcome::Wrong(why) if why.len() == 1));
        for other in [
            right.replace("pgattest_7", "pgattest_8"),
            right.replace("DDL", "READ"),
            right.replace("CREATE TABLE", "DROP TABLE"),
            right.replace("AUDIT: SESSION", "statement"),
        ] {
            assert_eq!(outcome(Class::Ddl, "ann", &other), Outcome::Other);
        }
        assert_eq!(outcome(Class::Write, "ann", right), Outcome::Other);
    }

    #[test]
    fn a_sessions_end_is_its_own_record() {
        let end = "disconnection: session time: 0:00:00.001 user=ann database=shop host=[local]";
        assert_eq!(outcome(Class::Logout, "ann", end), Outcome::Right);
        assert_eq!(outcome(Class::Login, "ann", end), Outcome::Other);
    }
}
