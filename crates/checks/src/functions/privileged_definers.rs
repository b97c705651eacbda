//! Functions that lend a superuser's rights to whoever may execute them.

use super::callers::{Callers, Who};
use crate::check::{Check, declare_check};
use crate::context::{Context, InDatabase};
use crate::grants::holders::{Holders, Standing};
use crate::grants::words::few;
use pgattest_model::facts::{Acl, AclClass, DatabaseFacts, Function, Oid, PUBLIC, Role};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Seen,
    Severity, Subject, SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

declare_check! {
    /// ## What it checks
    /// No SECURITY DEFINER function or procedure that belongs to a superuser or a role with BYPASSRLS can be executed by PUBLIC (high) or by a role
    /// that a login role can use (medium), superusers and those in `access.superusers` aside. New functions are open to PUBLIC unless that was
    /// revoked.
    ///
    /// Functions that a trigger runs are medium where PUBLIC may execute them: they cannot be called, but whoever has TRIGGER on a table can
    /// attach them. Functions of event triggers cannot be called or attached by others and are left out, as are those that only triggers run
    /// and nobody may execute, and functions that belong to an extension or to a provider's own superuser.
    ///
    /// ## Why it matters
    /// The function is a hole in every privilege and policy, exactly as wide as its body. One that builds a statement from an argument, or
    /// returns rows without asking whose they are, gives all tenants' data to whoever may call it.
    ///
    /// ## How to fix it
    /// Let a role own it that has just the privileges it needs: `ALTER FUNCTION shop.total(integer) OWNER TO shop_reader;`. Or close it, and open it to
    /// those who call it: `REVOKE EXECUTE ON FUNCTION shop.total(integer) FROM PUBLIC;`. Where a superuser's rights are needed, say why in a waiver.
    ///
    /// ## References
    /// - PostgreSQL documentation, reference page CREATE FUNCTION: Writing SECURITY DEFINER Functions Safely
    /// - PostgreSQL documentation, chapter 5.8, Row Security Policies (numbers of version 15)
    pub PrivilegedDefiners {
        id: "FUN-03",
        name: "privileged-definers",
        title: "No SECURITY DEFINER function lends a superuser's rights to others",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::CodeTrust,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

/// Superusers of providers: what they own is not the customer's to change.
const PROVIDERS: [&str; 4] = ["alloydbadmin", "azuresu", "cloudsqladmin", "rdsadmin"];

impl Check for PrivilegedDefiners {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let roles = context.facts.roles.here()?;
        let by_oid: HashMap<Oid, &Role> = roles.iter().map(|role| (role.oid, role)).collect();
        let holders = Holders::new(context, &[])?;
        let (databases, mut not_seen) = context.in_databases(|database| &database.functions)?;
        not_seen.extend(holders.not_seen.iter().cloned());
        let mut findings = Vec::new();
        let mut count = 0;
        for database in &databases {
            let privileged: Vec<(&Function, &'static str)> = database
                .rows
                .iter()
                .filter(|function| function.security_definer && function.extension == 0)
                // What `pgattest grants` made, as it made it.
                .filter(|function| !context.is_own_wrapper(database.database, function.oid))
                .filter_map(|function| Some((function, power(&by_oid, function.owner)?)))
                .collect();
            count += privileged.len();
            if privileged.is_empty() {
                continue;
            }
            let inside = database.database;
            match (
                inside.acls.here(),
                inside.triggers.here(),
                inside.event_triggers.here(),
            ) {
                (Ok(acls), Ok(triggers), Ok(events)) => {
                    let attached: HashSet<Oid> =
                        triggers.iter().map(|trigger| trigger.function).collect();
                    let events: HashSet<Oid> =
                        events.iter().map(|trigger| trigger.function).collect();
                    let wanted: Vec<&Function> =
                        privileged.iter().map(|(function, _)| *function).collect();
                    let callers = Callers::new(database, &wanted, &by_oid);
                    let grantees = grantees(acls, &wanted);
                    findings.extend(
                        privileged
                            .iter()
                            .filter(|(function, _)| {
                                attached.contains(&function.oid) || !events.contains(&function.oid)
                            })
                            .filter_map(|(function, power)| {
                                let opened = Opened {
                                    who: callers.of(function),
                                    grantees: grantees.get(&function.oid),
                                    is_trigger: attached.contains(&function.oid),
                                };
                                let mut from = vec![roles.from.clone()];
                                from.extend(callers.observations.iter().cloned());
                                opened.finding(context, &holders, database, function, power, from)
                            }),
                    );
                }
                (Err(missing), ..) | (_, Err(missing), _) | (.., Err(missing)) => {
                    not_seen.push(missing);
                }
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no SECURITY DEFINER function outside extensions belongs to a superuser or to a role with BYPASSRLS"
                    .to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "SECURITY DEFINER functions of superusers and roles with BYPASSRLS",
            },
            findings,
            not_seen,
        })
    }
}

/// What the owner has; `None` for an ordinary one. An owner that is not among the roles may be anybody.
fn power(roles: &HashMap<Oid, &Role>, owner: Oid) -> Option<&'static str> {
    match roles.get(&owner) {
        Some(role) if PROVIDERS.contains(&role.name.as_str()) => None,
        Some(role) if role.superuser => Some("superuser"),
        Some(role) if role.bypass_rls => Some("BYPASSRLS"),
        Some(_) => None,
        None => Some("unknown"),
    }
}

/// For each function of a database, the roles besides PUBLIC and the owner for which it is found: they, or login roles that they let
/// in, may execute it.
pub fn callers(
    context: &Context<'_>,
    database: &DatabaseFacts,
    functions: &[&Function],
) -> Result<BTreeMap<Oid, Vec<Oid>>, Missing> {
    let holders = Holders::new(context, &[])?;
    let grantees = grantees(database.acls.here()?, functions);
    Ok(functions
        .iter()
        .map(|function| {
            let all = grantees.get(&function.oid).into_iter().flatten().copied();
            let used = all
                .filter(|grantee| *grantee != PUBLIC && *grantee != function.owner)
                .filter(|grantee| holders.of(*grantee).standing == Standing::Used);
            (function.oid, used.collect())
        })
        .collect())
}

fn grantees(acls: Seen<'_, Vec<Acl>>, functions: &[&Function]) -> BTreeMap<Oid, BTreeSet<Oid>> {
    let wanted: HashSet<Oid> = functions.iter().map(|function| function.oid).collect();
    let mut grantees: BTreeMap<Oid, BTreeSet<Oid>> = BTreeMap::new();
    for acl in acls.iter().filter(|acl| {
        acl.class == AclClass::Function && acl.has("EXECUTE") && wanted.contains(&acl.object)
    }) {
        grantees.entry(acl.object).or_default().insert(acl.grantee);
    }
    grantees
}

/// Who may execute one function.
struct Opened<'a> {
    who: Who,
    grantees: Option<&'a BTreeSet<Oid>>,
    is_trigger: bool,
}

impl Opened<'_> {
    fn finding(
        &self,
        context: &Context<'_>,
        holders: &Holders<'_>,
        database: &InDatabase<'_, Vec<Function>>,
        function: &Function,
        power: &str,
        mut observations: Vec<ObservationId>,
    ) -> Option<Finding> {
        let (cause, severity, who, from) = if matches!(self.who, Who::Everyone) {
            let (cause, severity, so) = if self.is_trigger {
                (
                    "everyone may attach a privileged owner's SECURITY DEFINER trigger function",
                    Severity::Medium,
                    "PUBLIC may execute it, which is enough to attach it as a trigger",
                )
            } else {
                (
                    "everyone may execute a privileged owner's SECURITY DEFINER function",
                    Severity::High,
                    "PUBLIC may execute it",
                )
            };
            (cause, severity, so.to_owned(), "PUBLIC".to_owned())
        } else {
            let used: Vec<String> = self
                .grantees?
                .iter()
                .filter(|grantee| **grantee != PUBLIC && **grantee != function.owner)
                .filter(|grantee| holders.of(**grantee).standing == Standing::Used)
                .map(|grantee| context.role_name(*grantee))
                .collect();
            if used.is_empty() {
                return None;
            }
            (
                "others may execute a privileged owner's SECURITY DEFINER function",
                Severity::Medium,
                format!("{} may execute it", few(&used)),
                used.join(", "),
            )
        };
        let name = function.sql_name();
        let owner = context.role(function.owner).map_or_else(
            || format!("role {}", function.owner),
            |role| quote_ident(&role.name),
        );
        observations.push(database.rows.from.clone());
        observations.extend(holders.observations.iter().cloned());
        observations.sort();
        observations.dedup();
        Some(Finding {
            cause: cause.to_owned(),
            detail: format!(
                "{} {name} runs as {owner} ({power}); {who}",
                function.sql_kind().to_lowercase()
            ),
            severity,
            observations,
            remediation: format!(
                "REVOKE EXECUTE ON {} {name} FROM {from}; -- or let a role own it that has only what it needs",
                function.sql_kind()
            ),
            subject: Subject::in_database(SubjectKind::Function, &database.database.name, name),
        })
    }
}
