//! The questions: which records each is about, and what it tells of them.

use super::naming::{Mention, TableName};
use super::shape::{Look, Out, is_failure};
use super::test::Test;
use super::unused::UnusedGrants;
use crate::error::ArchiveError;

/// A question that is built in.
#[derive(Clone, Debug)]
pub enum Question {
    /// Who tried to touch a table: pgaudit's records about it, statements that name it, and failed statements that name it.
    Touched(TableName),
    /// Changes of structure: what pgaudit calls DDL, and failed attempts.
    Ddl,
    /// Roles, memberships and privileges: what pgaudit calls ROLE, and failed attempts.
    Roles,
    /// Connections refused.
    FailedLogins,
    /// Whatever these roles did.
    Superusers(Vec<String>),
    /// Reads of classified tables.
    Classified(Vec<ClassifiedTable>),
    /// One session, in order.
    Session(String),
    /// How many records of each class, by day and role.
    Counts,
    /// Which grants on tables were not used.
    UnusedGrants(UnusedGrants),
}

/// A table with classified columns.
#[derive(Clone, Debug)]
pub struct ClassifiedTable {
    /// The organisation's word: `pii`.
    pub class: String,
    /// The database; `None`: each.
    pub database: Option<String>,
    /// The table.
    pub table: TableName,
    /// Its classified columns; none: all of them.
    pub columns: Vec<String>,
}

/// Which records are considered. `None`: not restricted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Logged at this time or later, in milliseconds since 1970.
    pub from: Option<i64>,
    /// Logged at this time or earlier.
    pub to: Option<i64>,
    /// Of these roles; none: of all.
    pub users: Vec<String>,
    /// In this database.
    pub database: Option<String>,
    /// About this table: pgaudit's records about it and statements that name it.
    pub table: Option<TableName>,
}

/// Tags of commands that pgaudit counts as ROLE.
const ROLE_TAGS: [&str; 10] = [
    "GRANT",
    "REVOKE",
    "GRANT ROLE",
    "REVOKE ROLE",
    "CREATE ROLE",
    "ALTER ROLE",
    "DROP ROLE",
    "ALTER DEFAULT PRIVILEGES",
    "REASSIGN OWNED",
    "DROP OWNED",
];

const RECORD: &[Out] = &[
    Out::Column("record_number"),
    Out::Column("log_time"),
    Out::Column("user_name"),
    Out::Column("database_name"),
    Out::Column("client_addr"),
    Out::Column("session_id"),
];

impl Question {
    /// Its name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Touched(_) => "touched",
            Self::Ddl => "ddl",
            Self::Roles => "roles",
            Self::FailedLogins => "failed-logins",
            Self::Superusers(_) => "superusers",
            Self::Classified(_) => "classified",
            Self::Session(_) => "session",
            Self::Counts => "counts",
            Self::UnusedGrants(_) => "unused-grants",
        }
    }

    /// What it tells of each record.
    pub(crate) fn outs(&self) -> Result<Vec<Out>, ArchiveError> {
        use Out::{Column, Command, How, Statement};
        let rest: &[Out] = match self {
            Self::Touched(_) | Self::Superusers(_) => &[
                How,
                Column("class"),
                Command,
                Column("object_name"),
                Column("sqlstate"),
                Statement,
            ],
            Self::Ddl | Self::Roles => &[
                How,
                Command,
                Column("object_type"),
                Column("object_name"),
                Column("sqlstate"),
                Statement,
            ],
            Self::FailedLogins => &[
                Column("client_port"),
                Column("sqlstate"),
                Column("auth_role_exists"),
                Column("message"),
                Column("detail"),
            ],
            Self::Classified(tables) => {
                let mut outs = RECORD.to_vec();
                outs.extend([How, Command, Column("object_name"), Column("sqlstate")]);
                outs.push(Out::Classified(
                    tables.iter().map(look).collect::<Result<_, _>>()?,
                ));
                outs.push(Statement);
                return Ok(outs);
            }
            Self::Session(_) => &[
                Column("session_line_num"),
                How,
                Column("class"),
                Command,
                Column("object_name"),
                Column("sqlstate"),
                Column("message"),
                Column("detail"),
                Statement,
                Column("parameters"),
            ],
            Self::Counts | Self::UnusedGrants(_) => &[],
        };
        Ok(RECORD.iter().chain(rest).cloned().collect())
    }

    /// Which records it is about.
    pub(crate) fn test(&self) -> Test {
        match self {
            Self::Touched(table) => touches(table),
            Self::Ddl => Test::Any(vec![
                Test::is("class", "DDL"),
                Test::All(vec![failed(), Test::text("command_tag", is_ddl_tag)]),
            ]),
            Self::Roles => Test::Any(vec![
                Test::is("class", "ROLE"),
                Test::All(vec![failed(), Test::one_of("command_tag", ROLE_TAGS)]),
            ]),
            Self::FailedLogins => Test::is("auth_event", "refused"),
            Self::Superusers(roles) => Test::All(vec![
                Test::one_of("user_name", roles.iter().map(String::as_str)),
                Test::Any(vec![
                    Test::Known("audit_type"),
                    Test::Known("auth_event"),
                    failed(),
                ]),
            ]),
            Self::Classified(tables) => Test::Any(tables.iter().map(reads).collect()),
            Self::Session(session) => Test::is("session_id", session.as_str()),
            Self::Counts => Test::True,
            Self::UnusedGrants(_) => Test::Known("audit_type"),
        }
    }

    /// What the answer does not say, for whoever relies on it.
    pub fn limits(&self) -> &'static [&'static str] {
        match self {
            Self::Touched(_) | Self::Classified(_) => &[
                "a record says that a statement was attempted, not that it was done: it is written before the transaction ends",
                "a table reached through a function or a view is found where pgaudit names it (pgaudit.log_relation) or the statement does",
            ],
            Self::Ddl | Self::Roles => &[
                "a record says that a statement was attempted, not that it was done: it is written before the transaction ends",
                "a statement that could not be parsed has no command and is not here",
            ],
            Self::FailedLogins => &[
                "a client that leaves before it answers the server's challenge is not refused: see `pgattest trail completeness`",
            ],
            Self::Superusers(_) => &[
                "by the role that logged in: what it did after SET ROLE is here, what others did after SET ROLE to it is not",
            ],
            Self::Session(_) => &["holes in the line numbers: see `pgattest trail completeness`"],
            Self::UnusedGrants(_) => &[
                "the grants, memberships and settings are those of the package's moment: what was granted or set within the period is not told from what was always so",
                "a record says that a statement was attempted; `used` may be a use of another grant to the same roles, of ownership, or of SUPERUSER",
                "a use by PUBLIC is one by a role that neither owns the table nor is a superuser",
            ],
            Self::Counts => &["records of unknown time count on the day they were sealed"],
        }
    }
}

impl Filter {
    /// Which records are considered.
    pub(crate) fn tests(&self) -> Vec<Test> {
        let mut tests = self.times();
        if !self.users.is_empty() {
            let users = self.users.iter().map(String::as_str);
            tests.push(Test::one_of("user_name", users));
        }
        if let Some(database) = &self.database {
            tests.push(Test::is("database_name", database.as_str()));
        }
        if let Some(table) = &self.table {
            tests.push(touches(table));
        }
        tests
    }

    /// Which records are of the period.
    pub(crate) fn times(&self) -> Vec<Test> {
        if self.from.is_none() && self.to.is_none() {
            return Vec::new();
        }
        let (from, to) = self.range();
        // Nobody knows that a record of unknown time is not of the period.
        vec![Test::Any(vec![
            Test::Range("log_time", from, to),
            Test::Null("log_time"),
        ])]
    }

    /// The period, ends included, in milliseconds since 1970.
    pub(crate) fn range(&self) -> (i64, i64) {
        (self.from.unwrap_or(i64::MIN), self.to.unwrap_or(i64::MAX))
    }
}

/// A statement or a connection that failed, by SQLSTATE: severities are in the server's language.
fn failed() -> Test {
    Test::All(vec![
        Test::Null("audit_type"),
        Test::text("sqlstate", is_failure),
    ])
}

fn touches(table: &TableName) -> Test {
    Test::Any(vec![
        Test::text("object_name", table.object_test()),
        Test::All(vec![
            Test::Known("audit_type"),
            Test::Null("object_name"),
            Test::text("audit_statement", table.statement_test()),
        ]),
        Test::All(vec![
            failed(),
            Test::text("statement", table.statement_test()),
        ]),
    ])
}

fn reads(classified: &ClassifiedTable) -> Test {
    let table = &classified.table;
    let attempts = Test::Any(vec![
        Test::All(vec![
            Test::is("class", "READ"),
            Test::Any(vec![
                Test::text("object_name", table.object_test()),
                Test::All(vec![
                    Test::Null("object_name"),
                    Test::text("audit_statement", table.statement_test()),
                ]),
            ]),
        ]),
        Test::All(vec![
            failed(),
            Test::text("statement", table.statement_test()),
        ]),
    ]);
    match &classified.database {
        Some(database) => Test::All(vec![Test::is("database_name", database.as_str()), attempts]),
        None => attempts,
    }
}

fn look(classified: &ClassifiedTable) -> Result<Look, ArchiveError> {
    let columns = classified.columns.iter();
    Ok(Look {
        class: classified.class.clone(),
        database: classified.database.clone(),
        table: classified.table.clone(),
        columns: columns
            .map(|column| Ok((column.clone(), Mention::of(column)?)))
            .collect::<Result<_, ArchiveError>>()?,
    })
}

/// Whether a command tag is one of a change of structure.
fn is_ddl_tag(tag: &str) -> bool {
    let verb = tag.split(' ').next().unwrap_or_default();
    let is_change = matches!(
        verb,
        "CREATE" | "ALTER" | "DROP" | "COMMENT" | "SECURITY" | "IMPORT" | "REFRESH" | "REINDEX"
    );
    is_change && !ROLE_TAGS.contains(&tag)
}
