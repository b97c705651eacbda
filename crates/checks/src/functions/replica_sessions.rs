//! Sessions in which triggers and foreign keys do nothing: `session_replication_role = replica`.

use super::configured::configured;
use crate::context::Context;
use crate::grants::holders::Holders;
use crate::grants::parameter_grants::SWITCHES_TRIGGERS_OFF;
use pgattest_model::facts::{AclClass, Oid, Role, RoleSetting};
use pgattest_model::{Finding, Missing, ObservationId, Severity, Subject, SubjectKind};
use std::collections::{BTreeMap, BTreeSet};

/// Sessions that start without triggers.
pub(super) fn stored(context: &Context<'_>) -> Result<Vec<Finding>, Missing> {
    let settings = context.facts.settings.here()?;
    let stored = context.facts.role_settings.here()?;
    let roles = context.facts.roles.here()?;
    let databases = context.facts.databases.here()?;
    let mut findings = Vec::new();
    let value = configured(context, SWITCHES_TRIGGERS_OFF)?;
    if value.is_some_and(|value| value.eq_ignore_ascii_case("replica")) {
        findings.push(session_finding(
            "the configuration",
            Severity::High,
            "ALTER SYSTEM RESET session_replication_role;".to_owned(),
            vec![settings.from.clone()],
        ));
    }
    let logins: BTreeSet<Oid> = roles
        .iter()
        .filter(|role: &&Role| role.can_login)
        .map(|role| role.oid)
        .collect();
    for row in stored.iter().filter(|row| {
        row.name.eq_ignore_ascii_case(SWITCHES_TRIGGERS_OFF)
            && row.value.eq_ignore_ascii_case("replica")
    }) {
        let is_used = row.role == 0 || logins.contains(&row.role);
        let statement = RoleSetting::statement(row, roles.value, databases.value);
        findings.push(session_finding(
            &statement,
            if is_used {
                Severity::High
            } else {
                Severity::Low
            },
            format!("{statement} RESET session_replication_role;"),
            vec![
                stored.from.clone(),
                roles.from.clone(),
                databases.from.clone(),
            ],
        ));
    }
    Ok(findings)
}

fn session_finding(
    origin: &str,
    severity: Severity,
    remediation: String,
    observations: Vec<ObservationId>,
) -> Finding {
    let (cause, unused) = if severity == Severity::Low {
        (
            "a role that cannot log in has sessions without triggers stored",
            ", although the role cannot log in",
        )
    } else {
        ("sessions start without triggers and foreign keys", "")
    };
    Finding {
        cause: cause.to_owned(),
        detail: format!(
            "{origin} SET session_replication_role = replica: triggers and foreign keys do nothing{unused}"
        ),
        severity,
        observations,
        remediation,
        subject: Subject::cluster(
            SubjectKind::Setting,
            format!("{origin} SET session_replication_role"),
        ),
    }
}

/// Who may switch triggers off in its own session, or for all.
pub(super) fn granted(
    context: &Context<'_>,
    holders: &Holders<'_>,
) -> Result<Vec<Finding>, Missing> {
    let acls = context.facts.shared_acls.here()?;
    let mut by_grantee: BTreeMap<Oid, BTreeSet<&str>> = BTreeMap::new();
    for acl in acls
        .iter()
        .filter(|acl| acl.class == AclClass::Parameter && acl.name == SWITCHES_TRIGGERS_OFF)
    {
        let privileges = acl.privileges.iter().map(|given| given.name.as_str());
        by_grantee
            .entry(acl.grantee)
            .or_default()
            .extend(privileges);
    }
    Ok(by_grantee
        .into_iter()
        .filter_map(|(grantee, privileges)| {
            let grantee = holders.grantee(grantee)?;
            let privileges = privileges.into_iter().collect::<Vec<_>>().join(", ");
            let (cause, severity) = if grantee.is_idle {
                (
                    "switching triggers off was granted to a role that no login role can use",
                    Severity::Low,
                )
            } else {
                (
                    "triggers and foreign keys can be switched off without being superuser",
                    Severity::High,
                )
            };
            let mut observations = vec![acls.from.clone()];
            observations.extend(holders.observations.iter().cloned());
            Some(Finding {
                cause: cause.to_owned(),
                detail: format!(
                    "{} has {privileges} on setting {SWITCHES_TRIGGERS_OFF}{}",
                    grantee.who, grantee.words
                ),
                severity,
                observations,
                remediation: format!(
                    "REVOKE {privileges} ON PARAMETER {SWITCHES_TRIGGERS_OFF} FROM {};",
                    grantee.name
                ),
                subject: Subject::cluster(
                    SubjectKind::Setting,
                    format!("{SWITCHES_TRIGGERS_OFF} TO {}", grantee.name),
                ),
            })
        })
        .collect())
}
