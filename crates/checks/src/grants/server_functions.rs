//! Built-in functions for files and administration that were opened to somebody.

use super::holders::Holders;
use super::objects::{Object, revoke};
use super::words::{few, statements};
use crate::check::{Check, declare_check};
use crate::context::{Context, InDatabase};
use pgattest_model::facts::{Acl, AclClass, DatabaseFacts, Oid, RestrictedFunction};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Seen,
    Severity, Subject, SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

declare_check! {
    /// ## What it checks
    /// In every database: no function that PostgreSQL keeps from PUBLIC was opened with `GRANT EXECUTE` to PUBLIC or to a role that a
    /// login role can use. What a role has from the beginning (`pg_monitor` and its like) is not judged here. Which list in
    /// `pgattest.toml` approves a role depends on what the function does; `access.administrators` and `access.superusers` approve all.
    ///
    /// - Files (`pg_read_file`, `pg_read_binary_file`, `lo_import`, `lo_export`, `pg_file_write` ..) and `dblink_connect_u`: high;
    ///   `pg_ls_dir` and `pg_stat_file` are medium; `access.server_files`.
    /// - The configuration (`pg_hba_file_rules`, `pg_show_all_file_settings`, `pg_ident_file_mappings`): medium, since it may hold LDAP
    ///   and RADIUS secrets; `access.monitoring`. The role that pgattest runs as belongs there.
    /// - Running the server (`pg_reload_conf`, `pg_rotate_logfile`, `pg_switch_wal`, `pg_promote`, backups, replication origins ..): medium;
    ///   `access.replication`.
    /// - Everything else (listing logs, resetting statistics ..): low; `access.monitoring`.
    ///
    /// What is medium is high for PUBLIC, and everything is low where no login role can use the role today. Of extensions' functions
    /// only those named above are judged.
    ///
    /// ## Why it matters
    /// `pg_read_file` reads any table's data file, `pg_hba.conf` with the secrets in it, and the server's private key if the server's account can.
    /// `lo_export` writes what it likes where that account may. A grant on a built-in function is seen in no list of roles, and a dump
    /// carries it to the next cluster.
    ///
    /// ## How to fix it
    /// `REVOKE EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) FROM app;` in that database: each one has privileges of its own. For
    /// monitoring grant `pg_monitor` instead.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 9.27, System Administration Functions; chapter 35.4, Large Objects: Server-Side Functions
    ///   (numbers of version 15)
    pub ServerFunctions {
        id: "GRN-16",
        name: "server-functions",
        title: "No unapproved role may execute functions for files and administration",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::Cc6_8],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for ServerFunctions {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let holders = holders(context)?;
        let (databases, mut not_seen) =
            context.in_databases(|database| &database.restricted_functions)?;
        let mut findings = Vec::new();
        let mut count = 0;
        for database in databases {
            match database.database.acls.here() {
                Ok(acls) => {
                    count += 1;
                    let found = judge(context, &database, acls, &holders);
                    findings.extend(found.into_iter().map(|(finding, _)| finding));
                }
                Err(missing) => not_seen.push(missing),
            }
        }
        not_seen.extend(
            holders
                .values()
                .flat_map(|holders| holders.not_seen.clone()),
        );
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "databases",
            },
            findings,
            not_seen,
        })
    }
}

/// What a function gives, in the order of what it can do.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Power {
    Files,
    Configuration,
    Server,
    Other,
}

/// What a function gives and how bad that is; `None` for a function of an extension that is nothing special.
fn power(function: &RestrictedFunction) -> Option<(Power, Severity)> {
    const FILES: [&str; 9] = [
        "dblink_connect_u",
        "lo_export",
        "lo_import",
        "pg_file_read",
        "pg_file_rename",
        "pg_file_unlink",
        "pg_file_write",
        "pg_read_binary_file",
        "pg_read_file",
    ];
    const LISTS: [&str; 3] = ["pg_file_sync", "pg_ls_dir", "pg_stat_file"];
    const CONFIGURATION: [&str; 3] = [
        "pg_hba_file_rules",
        "pg_ident_file_mappings",
        "pg_show_all_file_settings",
    ];
    const SERVER: [&str; 14] = [
        "pg_backup_start",
        "pg_backup_stop",
        "pg_create_restore_point",
        "pg_logfile_rotate",
        "pg_promote",
        "pg_reload_conf",
        "pg_rotate_logfile",
        "pg_rotate_logfile_old",
        "pg_start_backup",
        "pg_stop_backup",
        "pg_switch_wal",
        "pg_wal_replay_pause",
        "pg_wal_replay_resume",
        "pg_terminate_backend",
    ];
    let name = function.name.as_str();
    Some(match () {
        () if FILES.contains(&name) => (Power::Files, Severity::High),
        () if LISTS.contains(&name) => (Power::Files, Severity::Medium),
        () if function.oid >= 16_384 => return None,
        () if CONFIGURATION.contains(&name) => (Power::Configuration, Severity::Medium),
        () if SERVER.contains(&name) || name.starts_with("pg_replication_origin_") => {
            (Power::Server, Severity::Medium)
        }
        () => (Power::Other, Severity::Low),
    })
}

/// The findings about one database, each with the grants that it is about.
pub fn found<'a>(
    context: &Context<'a>,
    database: &'a DatabaseFacts,
) -> Result<Vec<(Finding, Vec<&'a Acl>)>, Missing> {
    let rows = database.restricted_functions.here()?;
    let database = InDatabase { database, rows };
    let acls = database.database.acls.here()?;
    Ok(judge(context, &database, acls, &holders(context)?))
}

/// Who is trusted with what.
fn holders<'a>(context: &'a Context<'_>) -> Result<BTreeMap<Power, Holders<'a>>, Missing> {
    let access = &context.policy.access;
    let trusted = |list| Holders::new(context, &[list, &access.administrators]);
    Ok(BTreeMap::from([
        (Power::Files, trusted(&access.server_files)?),
        (Power::Configuration, trusted(&access.monitoring)?),
        (Power::Server, trusted(&access.replication)?),
        (Power::Other, trusted(&access.monitoring)?),
    ]))
}

fn judge<'a>(
    context: &Context<'_>,
    database: &InDatabase<'a, Vec<RestrictedFunction>>,
    acls: Seen<'a, Vec<Acl>>,
    holders: &BTreeMap<Power, Holders<'_>>,
) -> Vec<(Finding, Vec<&'a Acl>)> {
    let restricted: HashMap<Oid, &RestrictedFunction> = database
        .rows
        .value
        .iter()
        .map(|function| (function.oid, function))
        .collect();
    let mut opened: BTreeMap<(Oid, Power), Opened<'_>> = BTreeMap::new();
    let grants = acls
        .value
        .iter()
        .filter(|acl| acl.class == AclClass::Function && acl.has("EXECUTE"));
    for acl in grants {
        let Some(function) = restricted.get(&acl.object) else {
            continue;
        };
        if function.initial_grantees.contains(&acl.grantee) || function.owner == acl.grantee {
            continue;
        }
        if let Some((power, severity)) = power(function) {
            let entry = opened.entry((acl.grantee, power)).or_insert(Opened {
                grants: Vec::new(),
                severity,
            });
            entry.severity = entry.severity.max(severity);
            entry.grants.push((acl, function));
        }
    }
    let from = [database.rows.from.clone(), acls.from.clone()];
    opened
        .iter()
        .filter_map(|((grantee, power), opened)| {
            let name = &database.database.name;
            let holders = holders.get(power)?;
            let finding = opened.finding(context, holders, *grantee, *power, name, &from)?;
            Some((finding, opened.grants.iter().map(|(acl, _)| *acl).collect()))
        })
        .collect()
}

/// Functions of one kind that one role was given.
struct Opened<'a> {
    grants: Vec<(&'a Acl, &'a RestrictedFunction)>,
    severity: Severity,
}

impl Opened<'_> {
    fn finding(
        &self,
        context: &Context<'_>,
        holders: &Holders<'_>,
        grantee: Oid,
        power: Power,
        database: &str,
        from: &[ObservationId],
    ) -> Option<Finding> {
        let grantee = holders.grantee(grantee)?;
        let severity = match self.severity {
            _ if grantee.is_idle => Severity::Low,
            Severity::Medium if grantee.is_everyone => Severity::High,
            severity => severity,
        };
        let cause = match (grantee.is_idle, power) {
            (true, _) => {
                "functions kept from PUBLIC were opened to a role that no login role can use"
            }
            (_, Power::Files) => "functions that touch the server's files were opened",
            (_, Power::Configuration) => {
                "functions that read the server's configuration were opened"
            }
            (_, Power::Server) => "functions that run the server were opened",
            (_, Power::Other) => "functions for administration were opened",
        };
        let names: BTreeSet<String> = self
            .grants
            .iter()
            .map(|(_, function)| pgattest_model::ident::quote_ident(&function.name))
            .collect();
        let names: Vec<String> = names.into_iter().collect();
        let revocations: Vec<String> = self
            .grants
            .iter()
            .map(|(acl, function)| {
                let object = Object {
                    kind: "FUNCTION",
                    name: function.sql_name(),
                    owner: Some(function.owner),
                };
                revoke(context, acl, &object, "EXECUTE")
            })
            .collect();
        let mut observations = from.to_vec();
        observations.extend(holders.observations.iter().cloned());
        Some(Finding {
            cause: cause.to_owned(),
            detail: format!(
                "{} may execute {}{}",
                grantee.who,
                few(&names),
                grantee.words
            ),
            severity,
            observations,
            remediation: statements(&revocations),
            subject: Subject::in_database(SubjectKind::Role, database, grantee.name),
        })
    }
}
