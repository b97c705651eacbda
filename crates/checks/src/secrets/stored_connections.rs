//! Connection strings and passwords saved in foreign servers and code.

use super::code::{Trouble, troubled};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{CodeMark, DatabaseFacts, MarkedOptions, OptionClass, OptionMark};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};

declare_check! {
    /// ## What it checks
    /// No password is saved where every role of the database can read it: in the options of a foreign-data wrapper, foreign server or
    /// foreign table (an option named after a password, key or token, or a value that is a connection string with one), or in the
    /// text of a function, view, default, policy, constraint, trigger, rule or index: a constant that is a connection string or URL
    /// with a password (`dblink_connect('host=.. password=..')`), or a statement that sets one (`ALTER ROLE .. PASSWORD '..'`,
    /// `OPTIONS (password '..')`). A place for a password that is filled in at run time (`password=%s`) is none. Texts and values
    /// are looked at inside the server and never leave it.
    ///
    /// Not seen: a connection string put together from pieces, one in a comment, and one in a table. The commands of `pg_cron`
    /// and pgAgent are rows of a table: where one of them is installed, the verdict says that they were not looked at.
    ///
    /// ## Why it matters
    /// `pg_foreign_server`, `pg_proc` and the definitions of views can be read by whoever can connect, and are in every dump. The
    /// password opens another system, so this database's readers are that system's users.
    ///
    /// ## How to fix it
    /// Change the password at the other end first. Then put it into a user mapping, which only its role and superusers can read, and
    /// connect by the foreign server's name (`dblink_connect('far')`); better, log in with a client certificate.
    ///
    /// ## References
    /// - PostgreSQL documentation, appendix F.12, dblink: `dblink_connect`; CREATE SERVER; CREATE USER MAPPING (numbers of version 15)
    pub StoredConnections {
        id: "SEC-11",
        name: "stored-connections",
        title: "No foreign server and no code holds a password",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::C1_1],
        area: Area::KeyCustody,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

const TROUBLES: [Trouble; 2] = [
    Trouble {
        mark: CodeMark::ConnectionWithPassword,
        cause: "a connection string with a password in the text of code",
        holds: "a connection string or URL with a password",
        remediation: "change the password, then connect by a foreign server and a user mapping",
    },
    Trouble {
        mark: CodeMark::PasswordLiteral,
        cause: "a password in the text of code",
        holds: "a statement with a password in clear",
        remediation: "change the password, then hand the new one over as a parameter",
    },
];

/// Extensions that keep statements in tables.
const SCHEDULERS: [&str; 2] = ["pg_cron", "pgagent"];

impl Check for StoredConnections {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let (mut count, mut findings, mut not_seen) = troubled(context, &TROUBLES)?;
        for database in &context.facts.inside {
            match options(database) {
                Ok((objects, found)) => {
                    count += objects;
                    findings.extend(found);
                }
                Err(missing) => not_seen.push(missing),
            }
            match unread_jobs(database) {
                Ok(unread) => not_seen.extend(unread),
                Err(missing) => not_seen.push(missing),
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no database has code or foreign servers of its own".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "pieces of code and foreign objects",
            },
            findings,
            not_seen,
        })
    }
}

/// The foreign objects of one database that every role can read the options of, and what is found in them.
fn options(database: &DatabaseFacts) -> Result<(usize, Vec<Finding>), Missing> {
    let marked = database.option_marks.here()?;
    let servers = database.foreign_servers.here()?;
    let wrappers = database.foreign_data_wrappers.here()?;
    let relations = database.relations.here()?;
    let public = |row: &&MarkedOptions| row.class != OptionClass::UserMapping;
    let holds = |row: &&MarkedOptions| {
        row.has(OptionMark::Password) || row.has(OptionMark::ConnectionWithPassword)
    };
    let name = |row: &MarkedOptions| -> (&'static str, String) {
        let nameless = || row.object.to_string();
        match row.class {
            OptionClass::ForeignDataWrapper => (
                "FOREIGN DATA WRAPPER",
                wrappers
                    .iter()
                    .find(|wrapper| wrapper.oid == row.object)
                    .map_or_else(nameless, |wrapper| quote_ident(&wrapper.name)),
            ),
            OptionClass::ForeignTable => (
                "FOREIGN TABLE",
                relations
                    .iter()
                    .find(|relation| relation.oid == row.object)
                    .map_or_else(nameless, pgattest_model::facts::Relation::sql_name),
            ),
            OptionClass::ForeignServer | OptionClass::UserMapping => (
                "SERVER",
                servers
                    .iter()
                    .find(|server| server.oid == row.object)
                    .map_or_else(nameless, |server| quote_ident(&server.name)),
            ),
        }
    };
    let findings = marked.iter().filter(public).filter(holds).map(|row| {
        let (kind, name) = name(row);
        Finding {
            subject: Subject::in_database(
                SubjectKind::Relation,
                &database.name,
                format!("{kind} {name}"),
            ),
            cause: "a password in the options of a foreign object".to_owned(),
            detail: format!(
                "{kind} {name} has a password in its options, which every role of the database can read"
            ),
            severity: Severity::High,
            observations: vec![
                marked.from.clone(),
                servers.from.clone(),
                wrappers.from.clone(),
                relations.from.clone(),
            ],
            remediation: "change the password at the other end, then put the new one into a user mapping and drop the option".to_owned(),
        }
    });
    Ok((marked.iter().filter(public).count(), findings.collect()))
}

/// Statements in tables of a scheduler, which nobody reads here.
fn unread_jobs(database: &DatabaseFacts) -> Result<Vec<Missing>, Missing> {
    let extensions = database.extensions.here()?;
    let schedulers = extensions
        .iter()
        .filter(|extension| SCHEDULERS.contains(&extension.name.as_str()));
    Ok(schedulers
        .map(|extension| {
            Missing::because(format!(
                "the commands of {}'s jobs in database `{}` were not looked at",
                extension.name, database.name
            ))
            .seen_in(extensions.from.clone())
        })
        .collect())
}
