//! Functions of policies that somebody else can change.

use super::grants::{Bound, listed};
use super::{in_each, is_protected};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{DatabaseFacts, Function, Oid, PolicyFunction, Relation, Role};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

declare_check! {
    /// ## What it checks
    /// A function that a policy calls, itself or by an operator, can be replaced by nobody but who could change the policy: no
    /// login role acts as the function's owner without also acting as the owner of the table. Superusers and roles with
    /// `BYPASSRLS` are not counted: they see every row anyway.
    ///
    /// And what such a function says is not decided by its caller: one in SQL or a procedural language that does more than read a
    /// setting looks names up where the caller's `search_path` says, unless it has a `search_path` of its own that ends in
    /// `pg_temp`, or was bound when it was created (`RETURN`, `BEGIN ATOMIC`; 14 and later). `SECURITY DEFINER` functions are left to
    /// FUN-01 in that respect. Functions of extensions are left out.
    ///
    /// ## Why it matters
    /// Whoever replaces the function decides what the policy says: `CREATE OR REPLACE FUNCTION app.tenant() .. SELECT 7`. Whoever
    /// decides what its names mean does as well: a temporary table `memberships` stands before the real one for every name
    /// without a schema, and any role with a session can create it.
    ///
    /// ## How to fix it
    /// Give the function to the owner of the table and its names a fixed meaning: `ALTER FUNCTION app.tenant() OWNER TO shop_owner;`,
    /// `ALTER FUNCTION app.tenant() SET search_path = app, pg_temp;`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.9.3, The Schema Search Path; chapter 5.8, Row Security Policies; SQL command CREATE
    ///   FUNCTION (numbers of version 15)
    pub ReplaceableFunctions {
        id: "RLS-12",
        name: "replaceable-functions",
        title: "Nobody else decides what the functions of policies say",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::Cc6_8],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for ReplaceableFunctions {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let bound = Bound::new(context)?;
        let (databases, not_seen) = in_each(context, |database| {
            Ok((
                database,
                database.relations.here()?,
                database.policies.here()?,
                database.policy_functions.here()?,
                database.functions.here()?,
            ))
        })?;
        let roles = [
            context.facts.roles.here()?.from.clone(),
            context.facts.memberships.here()?.from.clone(),
        ];
        let mut count = 0;
        let mut findings = Vec::new();
        for (database, relations, policies, called, functions) in databases {
            let tables: BTreeMap<Oid, &Relation> = relations
                .value
                .iter()
                .filter(|relation| is_protected(relation))
                .map(|relation| (relation.oid, relation))
                .collect();
            let table_of: BTreeMap<Oid, &Relation> = policies
                .value
                .iter()
                .filter_map(|policy| Some((policy.oid, *tables.get(&policy.relation)?)))
                .collect();
            let own: BTreeMap<Oid, &Function> = functions
                .value
                .iter()
                .filter(|function| function.extension == 0)
                .map(|function| (function.oid, function))
                .collect();
            let mut observations = vec![
                called.from.clone(),
                functions.from.clone(),
                policies.from.clone(),
                relations.from.clone(),
            ];
            observations.extend_from_slice(&roles);
            for (call, tables) in uses(called.value, &table_of) {
                let Some(function) = own.get(&call.function).copied() else {
                    continue;
                };
                count += 1;
                let finding =
                    |cause: &str, severity, detail: String, remediation: String| Finding {
                        cause: cause.to_owned(),
                        detail,
                        severity,
                        observations: observations.clone(),
                        remediation,
                        subject: Subject::in_database(
                            SubjectKind::Function,
                            database.name.clone(),
                            function.sql_name(),
                        ),
                    };
                let (name, kind) = (function.sql_name(), function.sql_kind());
                let names: Vec<String> = tables.iter().map(|table| table.sql_name()).collect();
                if let Some((login, table)) = replacer(&bound, database, function, &tables) {
                    findings.push(finding(
                        "a function that policies call can be replaced by somebody else",
                        Severity::High,
                        format!(
                            "function {name}, which policies of {} call, can be replaced by {}, who acts as its owner {} and not as the owner of {}",
                            listed(&names),
                            quote_ident(&login.name),
                            bound.name(function.owner),
                            table.sql_name()
                        ),
                        format!("ALTER {kind} {name} OWNER TO {};", bound.name(bound.owner(table, database))),
                    ));
                }
                if looks_names_up(call, function) {
                    findings.push(finding(
                        "a function that policies call looks names up where its caller decides",
                        Severity::Medium,
                        format!(
                            "function {name}, which policies of {} call, has no search_path of its own that ends in pg_temp: names without a schema in it mean what its caller decides",
                            listed(&names)
                        ),
                        format!(
                            "ALTER {kind} {name} SET search_path = {}, pg_temp;",
                            quote_ident(&function.schema_name)
                        ),
                    ));
                }
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no policy calls a function besides those of PostgreSQL and of extensions"
                    .to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "functions that policies call",
            },
            findings,
            not_seen,
        })
    }
}

/// Each function once, with the tables whose policies call it.
fn uses<'a>(
    called: &'a [PolicyFunction],
    table_of: &BTreeMap<Oid, &'a Relation>,
) -> Vec<(&'a PolicyFunction, Vec<&'a Relation>)> {
    let mut uses: BTreeMap<Oid, (&PolicyFunction, BTreeMap<Oid, &Relation>)> = BTreeMap::new();
    for call in called {
        if let Some(table) = table_of.get(&call.policy) {
            let (_, tables) = uses
                .entry(call.function)
                .or_insert_with(|| (call, BTreeMap::new()));
            tables.insert(table.oid, table);
        }
    }
    uses.into_values()
        .map(|(call, tables)| (call, tables.into_values().collect()))
        .collect()
}

/// A login role that can replace the function and not change the policies of one of the tables.
fn replacer<'a>(
    bound: &Bound<'a>,
    database: &DatabaseFacts,
    function: &Function,
    tables: &[&'a Relation],
) -> Option<(&'a Role, &'a Relation)> {
    let owners: BTreeSet<Oid> = tables
        .iter()
        .map(|table| bound.owner(table, database))
        .collect();
    if owners.len() == 1 && owners.contains(&function.owner) {
        return None;
    }
    let replacers = bound.logins(function.owner);
    tables.iter().find_map(|table| {
        let owner = bound.owner(table, database);
        let allowed: BTreeSet<Oid> = bound.logins(owner).iter().map(|role| role.oid).collect();
        replacers
            .iter()
            .find(|role| !allowed.contains(&role.oid))
            .map(|role| (*role, *table))
    })
}

/// Whether names in the function's body may mean what its caller decides.
fn looks_names_up(call: &PolicyFunction, function: &Function) -> bool {
    if matches!(function.language.as_str(), "c" | "internal")
        || function.security_definer
        || call.bound
        || !call.setting_read.is_empty()
    {
        return false;
    }
    let path = function
        .settings
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("search_path"));
    path.is_none_or(|(_, path)| {
        let last = path.rsplit(',').next().unwrap_or_default().trim();
        last.trim_matches('"') != "pg_temp"
    })
}
