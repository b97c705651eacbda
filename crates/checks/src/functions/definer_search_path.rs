//! SECURITY DEFINER functions that look names up where their caller says.

use super::callers::{Callers, Who};
use crate::check::{Check, declare_check};
use crate::context::{Context, InDatabase};
use pgattest_model::facts::{Function, Oid, Role};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::HashMap;

declare_check! {
    /// ## What it checks
    /// Every function and procedure that is SECURITY DEFINER has a `search_path` among its own settings. It is high where the
    /// owner is a superuser or has BYPASSRLS and somebody else can run it: a role with EXECUTE that is neither the owner nor a
    /// superuser, or whoever fires a trigger it is attached to. It is low where nobody else can.
    ///
    /// Not judged here: whether the path that is set is a good one (it should name no schema that others may create in, and end
    /// in `pg_temp`), and functions that belong to an extension: those are changed by the extension's next version, not by hand.
    /// A function with a body in the SQL-standard form (`BEGIN ATOMIC`) resolved its names when it was created; it is listed
    /// all the same, because the functions it calls did not.
    ///
    /// ## Why it matters
    /// Such a function runs with its owner's rights and looks unqualified names up in its caller's schemas. A caller who puts
    /// a table into `pg_temp`, or a function into a schema that is searched first, makes the function use it: the
    /// caller's code then runs as the owner, past the policies that bind the caller.
    ///
    /// ## How to fix it
    /// `ALTER FUNCTION shop.total(integer) SET search_path = shop, pg_temp;`: the schemas that it needs, none of which lets others
    /// create objects, and `pg_temp` last (it is searched first where it is not named). With `SET search_path = ''` every name
    /// in the body has to be qualified.
    ///
    /// ## References
    /// - PostgreSQL documentation, reference page CREATE FUNCTION: Writing SECURITY DEFINER Functions Safely
    /// - CVE-2018-1058
    pub DefinerSearchPath {
        id: "FUN-01",
        name: "definer-search-path",
        title: "Every SECURITY DEFINER function sets its own search_path",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::Cc6_8],
        area: Area::CodeTrust,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for DefinerSearchPath {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let roles = context.facts.roles.here()?;
        let by_oid: HashMap<Oid, &Role> = roles.iter().map(|role| (role.oid, role)).collect();
        let (databases, not_seen) = context.in_databases(|database| &database.functions)?;
        let mut findings = Vec::new();
        let mut count = 0;
        for database in &databases {
            let definers: Vec<&Function> = database
                .rows
                .iter()
                .filter(|function| function.security_definer && function.extension == 0)
                .collect();
            count += definers.len();
            let unset: Vec<&Function> = definers
                .into_iter()
                .filter(|function| !sets_search_path(function))
                .collect();
            if !unset.is_empty() {
                let callers = Callers::new(database, &unset, &by_oid);
                findings.extend(
                    unset
                        .iter()
                        .map(|function| finding(database, function, &by_oid, &callers, roles.from)),
                );
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no function outside extensions is SECURITY DEFINER".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "SECURITY DEFINER functions",
            },
            findings,
            not_seen,
        })
    }
}

fn sets_search_path(function: &Function) -> bool {
    function
        .settings
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("search_path"))
}

fn finding(
    database: &InDatabase<'_, Vec<Function>>,
    function: &Function,
    roles: &HashMap<Oid, &Role>,
    callers: &Callers<'_>,
    roles_from: &ObservationId,
) -> Finding {
    let name = function.sql_name();
    let owner = roles.get(&function.owner);
    let owner_name = owner.map_or_else(
        || format!("role {}", function.owner),
        |role| quote_ident(&role.name),
    );
    // An owner that is not among the roles may be anybody.
    let powers = match owner {
        Some(role) if role.superuser => " (superuser)",
        Some(role) if role.bypass_rls => " (BYPASSRLS)",
        Some(_) => "",
        None => " (unknown)",
    };
    let who = callers.of(function);
    let severity = match (&who, powers) {
        (Who::Nobody, _) => Severity::Low,
        (_, "") => Severity::Medium,
        _ => Severity::High,
    };
    let mut observations = vec![database.rows.from.clone(), roles_from.clone()];
    observations.extend(callers.observations.iter().cloned());
    Finding {
        cause: match severity {
            Severity::High | Severity::Critical => {
                "SECURITY DEFINER without search_path, for a privileged owner"
            }
            Severity::Medium => "SECURITY DEFINER without search_path",
            Severity::Low => "SECURITY DEFINER without search_path, open to its owner only",
        }
        .to_owned(),
        detail: format!(
            "{} {name} runs as {owner_name}{powers} with its caller's search_path; {}",
            kind(function),
            who.words()
        ),
        severity,
        observations,
        remediation: format!(
            "ALTER {} {name} SET search_path = {}, pg_temp;",
            function.sql_kind(),
            quote_ident(&function.schema_name)
        ),
        subject: Subject::in_database(SubjectKind::Function, &database.database.name, name),
    }
}

fn kind(function: &Function) -> &'static str {
    if function.kind == "p" {
        "procedure"
    } else {
        "function"
    }
}
