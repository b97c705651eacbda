//! Login roles that hold the predefined roles of monitoring and maintenance.

use super::holdings::Holdings;
use super::predefined::{Beneath, READ_STATE};
use super::reach;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::Path;
use pgattest_model::facts::{Oid, Role};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::BTreeMap;

/// The roles, and how bad each is in the wrong hands. Those that a server does not have yet are nobody's.
pub const MONITORING: [(&str, Severity); 10] = [
    // Settings, and the statements of every session.
    (READ_STATE[0], Severity::Medium),
    (READ_STATE[1], Severity::Medium),
    (READ_STATE[2], Severity::Medium),
    // Functions that lock or read a table from end to end.
    (READ_STATE[3], Severity::Medium),
    // Ends other roles' sessions.
    ("pg_signal_backend", Severity::Medium),
    ("pg_checkpoint", Severity::Low),
    // Locks any table: VACUUM FULL, REINDEX, LOCK TABLE.
    ("pg_maintain", Severity::Medium),
    // Brings in rows from any server that it can connect to.
    ("pg_create_subscription", Severity::Medium),
    ("pg_use_reserved_connections", Severity::Low),
    ("pg_signal_autovacuum_worker", Severity::Low),
];

declare_check! {
    /// ## What it checks
    /// No login role that is not a superuser reaches one of the predefined roles of monitoring and maintenance unless it is on an
    /// approved list (`access.monitoring`, or `access.superusers`, in `pgattest.toml`): `pg_monitor`, `pg_read_all_settings`,
    /// `pg_read_all_stats`, `pg_stat_scan_tables`, `pg_signal_backend`, `pg_checkpoint`, `pg_maintain`, `pg_create_subscription`,
    /// `pg_use_reserved_connections`, `pg_signal_autovacuum_worker`, as far as the server's version has them. Inheritance and
    /// `SET ROLE` count, at any depth; a role that only comes with another of the list is not named again.
    ///
    /// Where nobody declared `access.monitoring`, a login whose only groups are the first four, which read and change nothing,
    /// is taken for a monitoring login when it owns nothing, was granted nothing on any table, may create nothing, and no other
    /// login role can act as it; every database has to be seen to say so.
    ///
    /// ## Why it matters
    /// Who monitors sees the running statements of every role, with the values that clients wrote into them, and every setting.
    /// `pg_signal_backend` ends other roles' sessions, `pg_maintain` locks any table, `pg_create_subscription` lets rows in from
    /// another server. In an application's role they serve whoever takes the application over.
    ///
    /// ## How to fix it
    /// Give monitoring a login of its own, without a privilege on any table, and revoke the roles from the others:
    /// `REVOKE pg_monitor FROM app;`. Roles that hold them for a reason belong on the list `access.monitoring`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 22.5, Predefined Roles (numbers of version 15)
    pub MonitoringRoles {
        id: "ROL-13",
        name: "monitoring-roles",
        title: "Only approved logins hold the roles of monitoring and maintenance",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_3],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for MonitoringRoles {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let mut beneath = Beneath::new(context)?;
        if beneath.logins == 0 && beneath.not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "every login role is a superuser".to_owned(),
            ));
        }
        let mut held = held(context, &beneath);
        if context.policy.access.monitoring.is_none() && !held.is_empty() {
            let holdings = Holdings::read(context)?;
            let before = held.len();
            held.retain(|_, held| !holdings.is_dedicated(&beneath.graph, &held.login, &READ_STATE));
            if held.len() < before {
                beneath.not_seen.extend(holdings.not_seen);
            }
            beneath.observations.extend(holdings.observations);
        }
        let findings = held
            .into_values()
            .map(|held| finding(context, &beneath, &held))
            .collect();
        Ok(Verdict::Assessed {
            population: Population {
                count: beneath.logins,
                of: "login roles that are not superusers",
            },
            findings,
            not_seen: beneath.not_seen,
        })
    }
}

/// What one login holds of the list.
struct Held {
    login: Role,
    severity: Severity,
    paths: Vec<Path>,
}

fn held(context: &Context<'_>, beneath: &Beneath) -> BTreeMap<Oid, Held> {
    let access = &context.policy.access;
    let approved = [&access.monitoring, &access.superusers];
    let mut held: BTreeMap<Oid, Held> = BTreeMap::new();
    for (predefined, severity) in MONITORING {
        for (login, path) in beneath.holders(context, predefined, &approved) {
            let comes_with_another = path.hops.split_last().is_some_and(|(_, before)| {
                before
                    .iter()
                    .any(|hop| MONITORING.iter().any(|(name, _)| *name == hop.name))
            });
            if comes_with_another {
                continue;
            }
            let entry = held.entry(login.oid).or_insert_with(|| Held {
                login: login.clone(),
                severity,
                paths: Vec::new(),
            });
            entry.severity = entry.severity.max(severity);
            entry.paths.push(path);
        }
    }
    held
}

fn finding(context: &Context<'_>, beneath: &Beneath, held: &Held) -> Finding {
    let name = quote_ident(&held.login.name);
    let paths: Vec<String> = held.paths.iter().map(ToString::to_string).collect();
    let revokes: Vec<String> = held
        .paths
        .iter()
        .map(|path| reach::revoke_last(context, &beneath.graph, path))
        .collect();
    Finding {
        cause: "login role holds roles of monitoring or maintenance without approval".to_owned(),
        detail: format!(
            "role {name} holds roles of monitoring or maintenance without approval: {}",
            paths.join("; ")
        ),
        severity: held.severity,
        observations: beneath.observations.clone(),
        remediation: revokes.join(" "),
        subject: Subject::cluster(SubjectKind::Role, name),
    }
}
