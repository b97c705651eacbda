//! Whether a record is what is expected of a canary.

use super::Class;
use pgattest_parse::audit_log::Record;
use pgattest_parse::audit_log::authentication::{self, Event};
use pgattest_parse::audit_log::pgaudit;

/// The replication command that is performed.
pub const COMMAND: &str = "IDENTIFY_SYSTEM";

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
        Class::Login | Class::Replication => {
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
        Class::ReplicationCommand => {
            is_session(canary, record) && holds(&record.message, COMMAND.as_bytes())
        }
        Class::FastPath => is_fast_path(canary, record),
        Class::Refused | Class::Secret => record.statement.is_some() && has_mark(canary, record),
        _ => {
            let audit = pgaudit::of(record);
            let Some((class, command)) = canary.class.audited() else {
                return Outcome::Other;
            };
            audit.is_some_and(|audit| {
                // pgaudit tells COPY as what it does to the table, or as a utility statement.
                let is_copy = matches!(canary.class, Class::Copy | Class::CopyTo);
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

/// A call has no statement: pgaudit would say which function, and the server with `log_statement = all` says its name and its object
/// identifier, in any language. The statement that made the function has its name, too, and no such identifier.
fn is_fast_path(canary: &Canary, record: &Record<'_>) -> bool {
    match pgaudit::of(record) {
        Some(audit) => {
            audit.class.as_ref() == b"FUNCTION" && holds(&audit.object_name, &canary.mark)
        }
        None => holds(&record.message, &canary.mark) && holds(&record.message, b"(OID "),
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
        // A role may only be told that it has no right to.
        Class::Secret if record.sqlstate.as_deref() != Some(b"42501") => {
            expect("SQLSTATE", "42704", record.sqlstate.as_deref());
        }
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

fn holds(text: &[u8], mark: impl AsRef<[u8]>) -> bool {
    memchr::memmem::find(text, mark.as_ref()).is_some()
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
    fn a_call_by_the_fast_path_is_told_from_what_made_the_function() {
        for (message, expected) in [
            (
                "fastpath function call: \"\"pgattest_7_ddl\"\" (OID 16423)",
                true,
            ),
            (
                "duration: 1.2 ms  fastpath function call: \"\"pgattest_7_ddl\"\" (OID 16423)",
                true,
            ),
            (
                "Fastpath-Funktionsaufruf: »pgattest_7_ddl« (OID 16423)",
                true,
            ),
            (
                "AUDIT: SESSION,1,1,FUNCTION,EXECUTE,FUNCTION,pg_temp.pgattest_7_ddl,<none>,<none>",
                true,
            ),
            ("fastpath function call: \"\"length\"\" (OID 1317)", false),
            (
                "statement: CREATE FUNCTION pg_temp.pgattest_7_ddl(text)",
                false,
            ),
            (
                "AUDIT: SESSION,1,1,DDL,CREATE FUNCTION,,,create function pgattest_7_ddl (OID 1),<none>",
                false,
            ),
        ] {
            let outcome = outcome(Class::FastPath, "ann", message);
            assert_eq!(outcome == Outcome::Right, expected, "{message}");
        }
    }

    #[test]
    fn a_replication_command_is_its_sessions() {
        let command = "received replication command: IDENTIFY_SYSTEM";
        assert_eq!(
            outcome(Class::ReplicationCommand, "ann", command),
            Outcome::Right
        );
        let other = "received replication command: SHOW wal_level";
        assert_eq!(
            outcome(Class::ReplicationCommand, "ann", other),
            Outcome::Other
        );
        let login = "replication connection authorized: user=ann database=shop";
        assert_eq!(outcome(Class::Replication, "ann", login), Outcome::Right);
        assert_eq!(
            outcome(Class::ReplicationCommand, "ann", login),
            Outcome::Other
        );
    }

    #[test]
    fn a_sessions_end_is_its_own_record() {
        let end = "disconnection: session time: 0:00:00.001 user=ann database=shop host=[local]";
        assert_eq!(outcome(Class::Logout, "ann", end), Outcome::Right);
        assert_eq!(outcome(Class::Login, "ann", end), Outcome::Other);
    }
}
