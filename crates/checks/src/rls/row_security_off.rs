//! `row_security = off` where somebody else's sessions get it.

use super::grants::Bound;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{Acl, AclClass, Function, Oid, PUBLIC, RoleSetting};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

declare_check! {
    /// ## What it checks
    /// `row_security` is not `off` in the configuration, for a role, for a database, or in the `SET` clause of a function. The setting
    /// takes no policy away: a statement that a policy would filter fails instead, unless its role is exempt. So it is no
    /// finding on a role that is a superuser or has `BYPASSRLS` (a backup should fail rather than be silently partial). A function
    /// is worse when it is a `SECURITY DEFINER` one of an exempt owner that others may execute: it says that it means to read past
    /// the policies, for whoever calls it.
    ///
    /// What a session sets for itself is not looked at. Functions of extensions are left out.
    ///
    /// ## Why it matters
    /// Set for an application it breaks every query on a protected table, and the repair under pressure is to give the role
    /// `BYPASSRLS` or to disable row-level security. Mostly somebody set it in the belief that it switches policies off, so it marks
    /// the place where somebody wanted that.
    ///
    /// ## How to fix it
    /// `ALTER ROLE app RESET row_security;`. Give jobs across tenants a role of their own, approved in `access.bypass_rls`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 20.11, Client Connection Defaults (`row_security`); chapter 5.8, Row Security Policies
    ///   (numbers of version 15)
    pub RowSecurityOff {
        id: "RLS-23",
        name: "row-security-off",
        title: "row_security is not off for sessions that policies bind",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_1],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

const CAUSE: &str = "row_security is off for sessions that policies bind";

impl Check for RowSecurityOff {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let bound = Bound::new(context)?;
        let (setting, settings_from) = context.setting("row_security")?;
        let stored = context.facts.role_settings.here()?;
        let (functions, not_seen) = context.in_databases(|database| &database.functions)?;
        let databases = context.facts.databases.here()?;
        let roles = context.facts.roles.here()?;
        let own_roles = roles.iter().filter(|role| !role.is_predefined()).count();
        let mut count = 1 + own_roles + databases.len();
        let mut findings = Vec::new();
        // The value in the looking session is its own; what others get is what the configuration file says.
        if setting.source == "configuration file" && is_off(&setting.reset_value) {
            findings.push(Finding {
                cause: CAUSE.to_owned(),
                detail: "row_security is off in the configuration file: statements that a policy would filter fail in every session".to_owned(),
                severity: Severity::Medium,
                observations: vec![settings_from.clone()],
                remediation: "ALTER SYSTEM RESET row_security; and take the line out of postgresql.conf, then SELECT pg_reload_conf();".to_owned(),
                subject: Subject::cluster(SubjectKind::Setting, "row_security"),
            });
        }
        for row in stored
            .iter()
            .filter(|row| row.name.eq_ignore_ascii_case("row_security") && is_off(&row.value))
        {
            if let Some(severity) = of_stored(context, &bound, row) {
                let statement = row.statement(roles.value, databases.value);
                findings.push(Finding {
                    cause: CAUSE.to_owned(),
                    detail: format!("{statement} SET row_security = off makes statements fail that a policy would filter"),
                    severity,
                    observations: vec![stored.from.clone(), roles.from.clone()],
                    remediation: format!("{statement} RESET row_security;"),
                    subject: Subject::cluster(SubjectKind::Setting, format!("{statement} SET row_security")),
                });
            }
        }
        for inside in &functions {
            let own = inside
                .rows
                .iter()
                .filter(|function| function.extension == 0);
            count += own.clone().count();
            let acls = inside.database.acls.here().ok();
            let callers = callers(acls.map_or(&[][..], |acls| acls.value));
            for function in own.filter(|function| sets_off(function)) {
                let exempt = bound
                    .graph()
                    .role(function.owner)
                    .is_none_or(|owner| owner.superuser || owner.bypass_rls);
                let callable = acls.is_none()
                    || callers.get(&function.oid).is_some_and(|grantees| {
                        grantees
                            .iter()
                            .any(|grantee| *grantee != function.owner && bound.is_live(*grantee))
                    });
                let (severity, cause, what) = if function.security_definer && exempt && callable {
                    (
                        Severity::High,
                        "a function reads past row-level security for whoever calls it",
                        "sets row_security to off and runs as its exempt owner, so whoever calls it reads past the policies",
                    )
                } else {
                    (
                        Severity::Low,
                        "a function sets row_security to off",
                        "sets row_security to off: statements in it fail where a policy would filter",
                    )
                };
                let name = function.sql_name();
                let mut observations = vec![inside.rows.from.clone(), roles.from.clone()];
                observations.extend(acls.map(|acls| acls.from.clone()));
                findings.push(Finding {
                    cause: cause.to_owned(),
                    detail: format!("function {name} {what}"),
                    severity,
                    observations,
                    remediation: format!(
                        "ALTER {} {name} RESET row_security;",
                        function.sql_kind()
                    ),
                    subject: Subject::in_database(
                        SubjectKind::Function,
                        inside.database.name.clone(),
                        name.clone(),
                    ),
                });
            }
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "roles, databases, functions and the configuration",
            },
            findings,
            not_seen,
        })
    }
}

/// How bad it is that a stored setting switches it off; `None` when it binds nobody, or nobody who did not want it.
fn of_stored(context: &Context<'_>, bound: &Bound<'_>, row: &RoleSetting) -> Option<Severity> {
    if row.role == PUBLIC {
        return Some(Severity::Medium);
    }
    let role = bound.graph().role(row.role)?;
    let approved = context.policy.access.bypass_rls.as_ref();
    if role.superuser || role.bypass_rls || approved.is_some_and(|names| names.contains(&role.name))
    {
        return None;
    }
    // A setting is taken at login only.
    Some(if role.can_login {
        Severity::Medium
    } else {
        Severity::Low
    })
}

fn sets_off(function: &Function) -> bool {
    function
        .settings
        .iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("row_security") && is_off(value))
}

/// The spellings of false: `off`, `false`, `no`, `0` and the beginnings that leave no doubt.
fn is_off(value: &str) -> bool {
    let value = value.trim().trim_matches('\'').to_ascii_lowercase();
    matches!(
        value.as_str(),
        "of" | "off" | "0" | "n" | "no" | "f" | "fa" | "fal" | "fals" | "false"
    )
}

/// Who has EXECUTE on what.
fn callers(acls: &[Acl]) -> BTreeMap<Oid, BTreeSet<Oid>> {
    let mut callers: BTreeMap<Oid, BTreeSet<Oid>> = BTreeMap::new();
    for acl in acls
        .iter()
        .filter(|acl| acl.class == AclClass::Function && acl.has("EXECUTE"))
    {
        callers.entry(acl.object).or_default().insert(acl.grantee);
    }
    callers
}

#[cfg(test)]
mod tests {
    use super::is_off;

    #[test]
    fn every_spelling_of_false_counts() {
        for value in ["off", "OFF", "0", "no", "f", " false "] {
            assert!(is_off(value), "{value}");
        }
        for value in ["on", "", "o", "1", "true"] {
            assert!(!is_off(value), "{value}");
        }
    }
}
