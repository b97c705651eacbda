//! Functions that stand in front of built-in ones.

use crate::check::{Check, declare_check};
use crate::context::{Context, InDatabase};
use crate::grants::holders::{Holders, Standing};
use crate::grants::search_path::{DefaultPath, elements};
use pgattest_model::facts::{Function, Oid};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::{BTreeSet, HashMap};

declare_check! {
    /// ## What it checks
    /// No function outside extensions stands where a call of a built-in function reaches it instead. PostgreSQL searches `pg_catalog` first
    /// and still prefers a function in another schema of the search path when its arguments match better. Found is a function with a built-in
    /// one's name and number of arguments, in a schema that is searched by default (see GRN-02), when
    ///
    /// - each argument has the built-in one's type or one that is converted to it without being asked (`lower(varchar)` beside `lower(text)`), and
    ///   no built-in function takes exactly the same types; or
    /// - a built-in one takes exactly the same types, and some `search_path` of the configuration, a role or a database names the schema before
    ///   `pg_catalog`.
    ///
    /// It is high where the owner is a role that a login role uses, and low where the owner is a superuser, a role in `access.schema_owners`
    /// (`pgattest.toml`), or one that a login role has to `SET ROLE` to: somebody may have meant it. Not looked at: operators, procedures,
    /// arguments with defaults, and paths that sessions set for themselves.
    ///
    /// ## Why it matters
    /// `lower(email)` in anybody's query, an administrator's or a backup's, then runs that function, with the rights of whoever asked.
    ///
    /// ## How to fix it
    /// Look at the function's body (`\sf`) and its owner. If it was not meant: `DROP FUNCTION public.lower(character varying);`. If it was, give it another name,
    /// or move it to a schema that is on no default path: `ALTER FUNCTION .. SET SCHEMA ..`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 10.3, Type Conversion: Functions; chapter 5.9.5, The System Catalog Schema (numbers of version 15)
    /// - CVE-2018-1058
    pub Shadowing {
        id: "FUN-06",
        name: "shadowing",
        title: "No function stands in front of a built-in one",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_8],
        area: Area::CodeTrust,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for Shadowing {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let path = DefaultPath::read(context)?;
        let ahead = ahead_of_catalog(context)?;
        let declared = &context.policy.access.schema_owners;
        let holders = Holders::new(context, &[declared])?;
        let (databases, mut not_seen) = context.in_databases(|database| &database.functions)?;
        not_seen.extend(holders.not_seen.iter().cloned());
        let mut findings = Vec::new();
        let mut count = 0;
        for database in &databases {
            count += database
                .rows
                .iter()
                .filter(|function| function.extension == 0)
                .count();
            let shadowing = match database.database.shadowing_functions.here() {
                Ok(shadowing) => shadowing,
                Err(missing) => {
                    not_seen.push(missing);
                    continue;
                }
            };
            if shadowing.is_empty() {
                continue;
            }
            let functions: HashMap<Oid, &Function> = database
                .rows
                .iter()
                .map(|function| (function.oid, function))
                .collect();
            for row in shadowing.iter() {
                let Some(function) = functions.get(&row.function) else {
                    continue;
                };
                let schema = function.schema_name.as_str();
                let is_ahead = ahead.contains(schema);
                let is_reached = is_ahead || (!row.identical && path.contains(schema));
                if !is_reached || function.extension != 0 {
                    continue;
                }
                let mut observations = vec![database.rows.from.clone(), shadowing.from.clone()];
                observations.extend(path.observations.iter().cloned());
                observations.extend(holders.observations.iter().cloned());
                let shadowed = Shadowed {
                    function,
                    builtin: &row.shadows,
                    is_ahead: row.identical,
                };
                findings.push(shadowed.finding(context, &holders, database, observations));
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no database holds a function outside extensions".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "functions",
            },
            findings,
            not_seen,
        })
    }
}

/// Schemas that some stored search path names before `pg_catalog`.
fn ahead_of_catalog(context: &Context<'_>) -> Result<BTreeSet<String>, Missing> {
    let settings = context.facts.settings.here()?;
    let stored = context.facts.role_settings.here()?;
    let configured = settings
        .iter()
        .filter(|setting| setting.name == "search_path")
        .map(|setting| setting.reset_value.as_str());
    let values = configured.chain(
        stored
            .iter()
            .filter(|row| row.name.eq_ignore_ascii_case("search_path"))
            .map(|row| row.value.as_str()),
    );
    Ok(values
        .flat_map(|value| {
            let mut path = elements(value);
            match path.iter().position(|name| name == "pg_catalog") {
                Some(at) => path.truncate(at),
                None => path.clear(),
            }
            path
        })
        .collect())
}

struct Shadowed<'a> {
    function: &'a Function,
    builtin: &'a str,
    /// It takes the same types, and its schema is searched first.
    is_ahead: bool,
}

impl Shadowed<'_> {
    fn finding(
        &self,
        context: &Context<'_>,
        holders: &Holders<'_>,
        database: &InDatabase<'_, Vec<Function>>,
        observations: Vec<ObservationId>,
    ) -> Finding {
        let name = self.function.sql_name();
        let users = holders.of(self.function.owner);
        let is_meant = match users.standing {
            Standing::Trusted | Standing::Idle => true,
            Standing::Used => users.at_once.is_empty() && !users.after_set_role.is_empty(),
        };
        let (cause, severity) = if is_meant {
            (
                "a function of a superuser or migration role stands in front of a built-in one",
                Severity::Low,
            )
        } else {
            (
                "a login role's function stands in front of a built-in one",
                Severity::High,
            )
        };
        let why = if self.is_ahead {
            "its schema is searched before pg_catalog"
        } else {
            "its arguments match better"
        };
        let kind = self.function.sql_kind();
        let owner = context.role(self.function.owner).map_or_else(
            || self.function.owner.to_string(),
            |role| quote_ident(&role.name),
        );
        Finding {
            cause: cause.to_owned(),
            detail: format!(
                "{name}, owned by {owner}, is called instead of the built-in {}: {why}",
                visible(self.builtin)
            ),
            severity,
            observations,
            remediation: format!(
                "DROP {kind} {name}; -- after looking at it; or ALTER {kind} .. RENAME TO another name"
            ),
            subject: Subject::in_database(SubjectKind::Function, &database.database.name, name),
        }
    }
}
