//! Code that runs as the server's account.

use super::holders::Holders;
use super::public::to_public;
use super::words::{count, few, statements};
use crate::check::{Check, declare_check};
use crate::context::{Context, InDatabase};
use pgattest_model::facts::{AclClass, Function, Language, Oid};
use pgattest_model::ident::{quote_ident, quote_literal};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

/// Languages in which code can do whatever the server's account can, whatever the catalog says.
const UNTRUSTED: [&str; 9] = [
    "c",
    "internal",
    "plperlu",
    "plpython2u",
    "plpython3u",
    "plpythonu",
    "plr",
    "plsh",
    "pltclu",
];

declare_check! {
    /// ## What it checks
    /// Two things in every database.
    ///
    /// - None of the languages that are known to be untrusted (`c`, `internal`, `plpython3u`, `plperlu`, `pltclu` ..) is marked as trusted in
    ///   `pg_language`: high. PostgreSQL refuses to grant USAGE on an untrusted language and lets superusers alone write functions in it, whatever
    ///   its privileges say; the mark is what takes that away, and USAGE is then everybody's by default.
    /// - No function or procedure in an untrusted language (by the mark) belongs to a role that a login role can use, unless all of those are on
    ///   the lists `access.server_files`, `access.administrators` or `access.superusers` in `pgattest.toml`: medium, and low where no login role
    ///   can use the owner today. Functions of extensions are left out. There is one finding for each owner and database.
    ///
    /// ## Why it matters
    /// Code in such a language reads and writes files, opens connections and starts programs as the account that owns the data
    /// directory; no privilege or policy binds it. The owner of such a function cannot change its body, but it decides who executes it, and may
    /// make it SECURITY DEFINER.
    ///
    /// ## How to fix it
    /// `UPDATE pg_language SET lanpltrusted = false WHERE lanname = 'plpython3u';`, after looking at the functions that were written meanwhile
    /// (`\df` shows owner and language). `ALTER FUNCTION tools.fetch(text) OWNER TO postgres;` and grant EXECUTE to those who need it.
    ///
    /// ## References
    /// - PostgreSQL documentation, reference page CREATE LANGUAGE; chapter 42.1, Installing Procedural Languages; chapter 46.3, Trusted and
    ///   Untrusted PL/Perl (numbers of version 15)
    pub UntrustedLanguages {
        id: "GRN-17",
        name: "untrusted-languages",
        title: "Untrusted languages and the functions in them are the superusers'",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_8],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for UntrustedLanguages {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let access = &context.policy.access;
        let holders = Holders::new(context, &[&access.server_files, &access.administrators])?;
        let (databases, mut not_seen) = context.in_databases(|database| &database.languages)?;
        let mut findings = Vec::new();
        let mut count = 0;
        for database in databases {
            count += database.rows.len();
            findings.extend(
                database
                    .rows
                    .iter()
                    .filter(|language| language.trusted)
                    .filter(|language| UNTRUSTED.contains(&language.name.as_str()))
                    .map(|language| marked(&database, language)),
            );
            match database.database.functions.here() {
                Ok(functions) => {
                    let owned = by_owner(functions.value, database.rows.value);
                    let from = [database.rows.from.clone(), functions.from.clone()];
                    let name = &database.database.name;
                    findings.extend(owned.iter().filter_map(|(owner, functions)| {
                        owned_by(&holders, *owner, functions, name, &from)
                    }));
                }
                Err(missing) => not_seen.push(missing),
            }
        }
        not_seen.extend(holders.not_seen.iter().cloned());
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "languages",
            },
            findings,
            not_seen,
        })
    }
}

fn marked(database: &InDatabase<'_, Vec<Language>>, language: &Language) -> Finding {
    let name = quote_ident(&language.name);
    let acls = database.database.acls.here().ok();
    let is_open = acls.is_some_and(|acls| {
        to_public(acls.value, &[AclClass::Language]).contains_key(&language.oid)
    });
    let who = if is_open {
        "PUBLIC may write functions in it"
    } else {
        "whoever has USAGE may write functions in it"
    };
    let mut observations = vec![database.rows.from.clone()];
    observations.extend(acls.map(|acls| acls.from.clone()));
    Finding {
        cause: "an untrusted language is marked as trusted".to_owned(),
        detail: format!("language {name} is marked as trusted; {who}"),
        severity: Severity::High,
        observations,
        remediation: format!(
            "UPDATE pg_catalog.pg_language SET lanpltrusted = false WHERE lanname = {};",
            quote_literal(&language.name)
        ),
        subject: Subject::in_database(
            SubjectKind::Database,
            &database.database.name,
            format!("LANGUAGE {name}"),
        ),
    }
}

fn by_owner<'a>(
    functions: &'a [Function],
    languages: &[Language],
) -> BTreeMap<Oid, Vec<&'a Function>> {
    let untrusted: BTreeSet<&str> = languages
        .iter()
        .filter(|language| !language.trusted || UNTRUSTED.contains(&language.name.as_str()))
        .map(|language| language.name.as_str())
        .collect();
    let mut owned: BTreeMap<Oid, Vec<&Function>> = BTreeMap::new();
    // An aggregate is in `internal` and has no code of its own.
    for function in functions.iter().filter(|function| {
        function.extension == 0
            && function.kind != "a"
            && untrusted.contains(function.language.as_str())
    }) {
        owned.entry(function.owner).or_default().push(function);
    }
    owned
}

fn owned_by(
    holders: &Holders<'_>,
    owner: Oid,
    functions: &[&Function],
    database: &str,
    from: &[ObservationId],
) -> Option<Finding> {
    let owner = holders.grantee(owner)?;
    let (cause, severity) = if owner.is_idle {
        (
            "functions in untrusted languages belong to a role that no login role can use",
            Severity::Low,
        )
    } else {
        (
            "functions in untrusted languages belong to somebody else than a superuser",
            Severity::Medium,
        )
    };
    let languages: BTreeSet<String> = functions
        .iter()
        .map(|function| quote_ident(&function.language))
        .collect();
    let languages: Vec<String> = languages.into_iter().collect();
    let names: Vec<String> = functions
        .iter()
        .map(|function| function.sql_name())
        .collect();
    let changes: Vec<String> = functions
        .iter()
        .map(|function| {
            format!(
                "ALTER {} {} OWNER TO CURRENT_USER;",
                function.sql_kind(),
                function.sql_name()
            )
        })
        .collect();
    let mut observations = from.to_vec();
    observations.extend(holders.observations.iter().cloned());
    Some(Finding {
        cause: cause.to_owned(),
        detail: format!(
            "{} owns {} in {}: {}{}",
            owner.who,
            count(names.len(), "function"),
            few(&languages),
            few(&names),
            owner.words
        ),
        severity,
        observations,
        remediation: statements(&changes),
        subject: Subject::in_database(SubjectKind::Role, database, owner.name),
    })
}
