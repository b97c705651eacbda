//! Ways to other servers that somebody may build on.

use super::holders::Holders;
use super::objects::{Object, Objects, revoke};
use super::words::{few, statements};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{Acl, AclClass, Oid};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::BTreeMap;

declare_check! {
    /// ## What it checks
    /// No foreign-data wrapper and no foreign server gives USAGE to PUBLIC, or to a role that a login role can use and that does not own it,
    /// unless all of those login roles are on the lists `access.schema_owners`, `access.administrators` or `access.superusers` in
    /// `pgattest.toml`. There is one finding for each role and database. A wrapper is worse than a server, PUBLIC worse than a role; all are low
    /// where no login role can use the role today.
    ///
    /// ## Why it matters
    /// USAGE is not needed to query a foreign table. It is for building: with USAGE on `postgres_fdw` a role makes a server of any address it
    /// likes, and the database opens connections there from inside the network; with USAGE on a server it maps itself to any user there
    /// whose password it knows, and makes foreign tables of what it finds.
    ///
    /// ## How to fix it
    /// `REVOKE USAGE ON FOREIGN DATA WRAPPER postgres_fdw FROM app;` and `REVOKE USAGE ON FOREIGN SERVER warehouse FROM app;`. Let the role that
    /// runs migrations make the foreign tables, and grant SELECT on those.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.7, Privileges; chapter 5.12, Foreign Data (numbers of version 15)
    pub ForeignUsage {
        id: "GRN-18",
        name: "foreign-usage",
        title: "No application role may make foreign servers or user mappings",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_1, Criterion::Cc6_7],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for ForeignUsage {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let access = &context.policy.access;
        let holders = Holders::new(context, &[&access.schema_owners, &access.administrators])?;
        let (databases, mut not_seen) = context.in_databases(|database| &database.acls)?;
        let mut findings = Vec::new();
        let mut count = 0;
        for database in databases {
            let inside = database.database;
            let (wrappers, servers) = (
                inside.foreign_data_wrappers.here(),
                inside.foreign_servers.here(),
            );
            let (wrappers, servers) = match (wrappers, servers) {
                (Ok(wrappers), Ok(servers)) => (wrappers, servers),
                (Err(missing), _) | (_, Err(missing)) => {
                    not_seen.push(missing);
                    continue;
                }
            };
            count += wrappers.len() + servers.len();
            let grants: Vec<&Acl> = database
                .rows
                .iter()
                .filter(|acl| {
                    matches!(
                        acl.class,
                        AclClass::ForeignDataWrapper | AclClass::ForeignServer
                    )
                })
                .filter(|acl| acl.has("USAGE"))
                .collect();
            let objects = Objects::inside(inside, &grants);
            let mut by_grantee: BTreeMap<Oid, Vec<(&Acl, Object)>> = BTreeMap::new();
            for acl in grants {
                let object = objects.of(acl);
                if object.owner != Some(acl.grantee) {
                    by_grantee
                        .entry(acl.grantee)
                        .or_default()
                        .push((acl, object));
                }
            }
            let from = [
                database.rows.from.clone(),
                wrappers.from.clone(),
                servers.from.clone(),
            ];
            findings.extend(by_grantee.iter().filter_map(|(grantee, held)| {
                finding(context, &holders, *grantee, held, &inside.name, &from)
            }));
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no database holds a foreign-data wrapper or foreign server".to_owned(),
            ));
        }
        not_seen.extend(holders.not_seen.iter().cloned());
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "foreign-data wrappers and servers",
            },
            findings,
            not_seen,
        })
    }
}

fn finding(
    context: &Context<'_>,
    holders: &Holders<'_>,
    grantee: Oid,
    held: &[(&Acl, Object)],
    database: &str,
    from: &[ObservationId],
) -> Option<Finding> {
    let grantee = holders.grantee(grantee)?;
    let makes_servers = held
        .iter()
        .any(|(acl, _)| acl.class == AclClass::ForeignDataWrapper);
    let (cause, severity) = match (grantee.is_idle, makes_servers, grantee.is_everyone) {
        (true, ..) => (
            "foreign-data wrappers or servers open to a role that no login role can use",
            Severity::Low,
        ),
        (_, true, true) => ("everyone may make foreign servers", Severity::High),
        (_, true, false) => (
            "an application role may make foreign servers",
            Severity::Medium,
        ),
        (_, false, true) => (
            "everyone may make user mappings and foreign tables",
            Severity::Medium,
        ),
        (_, false, false) => (
            "an application role may make user mappings and foreign tables",
            Severity::Low,
        ),
    };
    let names: Vec<String> = held
        .iter()
        .map(|(_, object)| format!("{} {}", object.kind.to_lowercase(), object.name))
        .collect();
    let revocations: Vec<String> = held
        .iter()
        .map(|(acl, object)| revoke(context, acl, object, "USAGE"))
        .collect();
    let mut observations = from.to_vec();
    observations.extend(holders.observations.iter().cloned());
    Some(Finding {
        cause: cause.to_owned(),
        detail: format!(
            "{} has USAGE on {}{}",
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
