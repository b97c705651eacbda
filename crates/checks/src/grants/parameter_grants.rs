//! Settings that somebody else than a superuser may change.

use super::holders::Holders;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{Acl, AclClass, Oid};
use pgattest_model::ident::quote_parameter;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

/// The first version in which a setting can be granted.
const FIRST_MAJOR: u32 = 15;

/// Judged with the triggers that it switches off, by FUN-09.
pub(crate) const SWITCHES_TRIGGERS_OFF: &str = "session_replication_role";

declare_check! {
    /// ## What it checks
    /// From PostgreSQL 15 on: no setting that takes a superuser to change was granted, with `GRANT SET ON PARAMETER` or `GRANT ALTER SYSTEM ON
    /// PARAMETER`, to PUBLIC or to a role that a login role can use, unless all of those are on the list `access.administrators` (or
    /// `access.superusers`) in `pgattest.toml`. High are settings
    ///
    /// - that load code or run programs: `*_preload_libraries`, `dynamic_library_path`, `archive_command` and its like;
    /// - that decide what is logged: `log_*`, `logging_*`, `pgaudit.*`, `event_triggers`, `track_activities`;
    /// - that decide who gets in, under ALTER SYSTEM: `ssl*`, `hba_file`, `listen_addresses`, `password_encryption`, `krb_*` ...;
    /// - that take checks off: `allow_system_table_mods`, `zero_damaged_pages`, `lo_compat_privileges` ...
    ///
    /// Others are medium under ALTER SYSTEM and low under SET. SET on a setting that anybody may change, or that no session can,
    /// gives nothing and is not found. All are low where no login role can use the role today.
    /// `session_replication_role` is FUN-09's subject.
    ///
    /// ## Why it matters
    /// Such a grant is in no list of roles and no table's privileges. With SET on `pgaudit.log` an application turns its own audit
    /// trail off for the length of a transaction; with ALTER SYSTEM on `archive_command` it runs programs as the server's account.
    ///
    /// ## How to fix it
    /// `REVOKE SET ON PARAMETER pgaudit.log FROM app;`. A value that a role needs can be stored for it by a superuser:
    /// `ALTER ROLE app SET log_min_duration_statement = '1s';`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.7, Privileges: SET, ALTER SYSTEM (numbers of version 15)
    /// - PostgreSQL documentation, chapter 53, System Catalogs: `pg_parameter_acl`
    pub ParameterGrants {
        id: "GRN-15",
        name: "parameter-grants",
        title: "No unapproved role may change settings that are a superuser's",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_3, Criterion::Cc7_2],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for ParameterGrants {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        if context.version()?.major() < FIRST_MAJOR {
            return Ok(Verdict::NotApplicable(
                "before PostgreSQL 15 no setting can be granted".to_owned(),
            ));
        }
        let acls = context.facts.shared_acls.here()?;
        let granted: Vec<&Acl> = acls
            .value
            .iter()
            .filter(|acl| acl.class == AclClass::Parameter && acl.name != SWITCHES_TRIGGERS_OFF)
            .collect();
        if granted.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no setting was granted to anybody".to_owned(),
            ));
        }
        let holders = Holders::new(context, &[&context.policy.access.administrators])?;
        let names: BTreeSet<&str> = granted.iter().map(|acl| acl.name.as_str()).collect();
        let mut by_subject: BTreeMap<(&str, Oid), BTreeSet<&str>> = BTreeMap::new();
        for acl in &granted {
            let privileges = acl.privileges.iter().map(|given| given.name.as_str());
            by_subject
                .entry((&acl.name, acl.grantee))
                .or_default()
                .extend(privileges);
        }
        let findings = by_subject
            .iter()
            .filter_map(|((name, grantee), privileges)| {
                let mut finding = finding(context, &holders, name, *grantee, privileges)?;
                finding.observations.push(acls.from.clone());
                Some(finding)
            })
            .collect();
        Ok(Verdict::Assessed {
            population: Population {
                count: names.len(),
                of: "settings that were granted",
            },
            findings,
            not_seen: holders.not_seen,
        })
    }
}

fn finding(
    context: &Context<'_>,
    holders: &Holders<'_>,
    name: &str,
    grantee: Oid,
    privileges: &BTreeSet<&str>,
) -> Option<Finding> {
    let privileges: BTreeSet<&str> = privileges
        .iter()
        .copied()
        .filter(|privilege| *privilege != "SET" || can_be_set(context, name))
        .collect();
    if privileges.is_empty() {
        return None;
    }
    let grantee = holders.grantee(grantee)?;
    let (cause, severity) = if grantee.is_idle {
        (
            "a setting was granted to a role that no login role can use",
            Severity::Low,
        )
    } else {
        weight(name, privileges.contains("ALTER SYSTEM"))
    };
    let privileges = privileges.iter().copied().collect::<Vec<_>>().join(", ");
    let setting = quote_parameter(name);
    Some(Finding {
        cause: cause.to_owned(),
        detail: format!(
            "{} has {privileges} on setting {setting}{}",
            grantee.who, grantee.words
        ),
        severity,
        observations: holders.observations.clone(),
        remediation: format!(
            "REVOKE {privileges} ON PARAMETER {setting} FROM {};",
            grantee.name
        ),
        subject: Subject::cluster(
            SubjectKind::Setting,
            format!("{setting} TO {}", grantee.name),
        ),
    })
}

/// Whether SET gives something: sessions of everybody may change some settings, and no session the others. A setting that the
/// server does not list, of an extension that is not loaded for instance, counts as one of superusers.
fn can_be_set(context: &Context<'_>, name: &str) -> bool {
    let settings = context.facts.settings.here().ok();
    let known = settings.and_then(|settings| settings.value.get(name).ok().flatten());
    known.is_none_or(|setting| setting.context.starts_with("superuser"))
}

/// What comes of it that somebody changes the setting. Names are in lower case, as the server stores them.
fn weight(name: &str, for_all: bool) -> (&'static str, Severity) {
    const RUNS_CODE: [&str; 12] = [
        "archive_cleanup_command",
        "archive_command",
        "archive_library",
        "dynamic_library_path",
        "extension_control_path",
        "jit_provider",
        "local_preload_libraries",
        "recovery_end_command",
        "restore_command",
        "session_preload_libraries",
        "shared_preload_libraries",
        "ssl_passphrase_command",
    ];
    const TAKES_CHECKS_OFF: [&str; 8] = [
        "allow_in_place_tablespaces",
        "allow_system_table_mods",
        "createrole_self_grant",
        "fsync",
        "full_page_writes",
        "ignore_checksum_failure",
        "lo_compat_privileges",
        "zero_damaged_pages",
    ];
    const LETS_IN: [&str; 9] = [
        "authentication_timeout",
        "db_user_namespace",
        "hba_file",
        "ident_file",
        "listen_addresses",
        "oauth_validator_libraries",
        "password_encryption",
        "port",
        "unix_socket_permissions",
    ];
    let audits = name.starts_with("log_")
        || name.starts_with("logging_")
        || name.starts_with("syslog_")
        || name.starts_with("pgaudit.")
        || matches!(name, "event_triggers" | "track_activities");
    let lets_in = LETS_IN.contains(&name)
        || name.starts_with("ssl")
        || name.starts_with("krb_")
        || name.starts_with("gss_");
    match () {
        () if RUNS_CODE.contains(&name) => (
            "a setting that runs code can be changed without being superuser",
            Severity::High,
        ),
        () if audits => (
            "a setting that decides what is logged can be changed without being superuser",
            Severity::High,
        ),
        () if TAKES_CHECKS_OFF.contains(&name) => (
            "a setting that takes checks off can be changed without being superuser",
            Severity::High,
        ),
        () if lets_in && for_all => (
            "a setting that decides who gets in can be changed without being superuser",
            Severity::High,
        ),
        () if for_all => (
            "a setting can be changed for everybody without being superuser",
            Severity::Medium,
        ),
        () => (
            "a setting of superusers can be changed in the own session",
            Severity::Low,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::weight;
    use pgattest_model::Severity;

    #[track_caller]
    fn check(name: &str, set: Severity, alter_system: Severity) {
        assert_eq!(
            (weight(name, false).1, weight(name, true).1),
            (set, alter_system),
            "{name}"
        );
    }

    #[test]
    fn what_a_setting_does_decides() {
        check("pgaudit.log", Severity::High, Severity::High);
        check("log_statement", Severity::High, Severity::High);
        check("session_preload_libraries", Severity::High, Severity::High);
        check("zero_damaged_pages", Severity::High, Severity::High);
        check("ssl_min_protocol_version", Severity::Low, Severity::High);
        check("work_mem", Severity::Low, Severity::Medium);
        check("logical_decoding_work_mem", Severity::Low, Severity::Medium);
    }
}
