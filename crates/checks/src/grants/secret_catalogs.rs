//! The server's own catalogs that hold secrets.

use super::holders::Holders;
use super::objects::{Object, revoke};
use super::words::{few, statements};
use crate::check::{Check, declare_check};
use crate::context::{Context, InDatabase};
use pgattest_model::facts::{Acl, AclClass, DatabaseFacts, Oid, RestrictedRelation};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Seen,
    Severity, Subject, SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What each holds, for a person, and how bad it is that a role reads it.
const SECRET: [(&str, &str, Severity); 7] = [
    ("pg_authid", "password verifiers", Severity::High),
    ("pg_shadow", "password verifiers", Severity::High),
    (
        "pg_subscription",
        "connection strings of subscriptions",
        Severity::High,
    ),
    (
        "pg_user_mapping",
        "passwords on other servers",
        Severity::High,
    ),
    ("pg_largeobject", "every large object", Severity::High),
    (
        "pg_statistic",
        "values out of every table",
        Severity::Medium,
    ),
    (
        "pg_statistic_ext_data",
        "values out of every table",
        Severity::Medium,
    ),
];

declare_check! {
    /// ## What it checks
    /// In every database: none of the server's catalogs that hold secrets was opened with `GRANT SELECT` to PUBLIC or to a role that a
    /// login role can use, unless all of those are on the lists `access.administrators`, `access.all_data` or `access.superusers` in
    /// `pgattest.toml`: `pg_authid` and `pg_shadow` (password verifiers), `pg_subscription` and `pg_user_mapping` (passwords on other
    /// servers), `pg_largeobject` (every large object) are high, and critical for PUBLIC; `pg_statistic` and `pg_statistic_ext_data`
    /// (values out of every table, from under every policy) are medium, and high for PUBLIC. All are low where no login role can use the role
    /// today. A grant on columns counts where one of them holds the secret.
    ///
    /// Members of `pg_read_all_data` read these catalogs as well, without a grant; they are judged with the predefined roles.
    ///
    /// ## Why it matters
    /// With a SCRAM verifier an attacker tries passwords at home, as fast as hardware allows; with an MD5 one nothing has to be tried at all, it
    /// logs in as it is. The sampled values in the statistics show other tenants' rows.
    ///
    /// ## How to fix it
    /// `REVOKE SELECT ON TABLE pg_catalog.pg_authid FROM app;` in that database. What is needed is mostly in the views without the secret:
    /// `pg_roles`, `pg_stats`, `pg_user_mappings`. A role that lets pgattest see how passwords are stored needs SELECT on `pg_authid`: name it
    /// in `access.administrators`, and guard its password like a superuser's.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 53, System Catalogs: `pg_authid`, `pg_statistic`, `pg_subscription`, `pg_user_mapping`; chapter 54,
    ///   System Views: `pg_shadow` (numbers of version 15)
    pub SecretCatalogs {
        id: "GRN-20",
        name: "secret-catalogs",
        title: "No unapproved role may read the catalogs that hold secrets",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for SecretCatalogs {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let access = &context.policy.access;
        let holders = Holders::new(context, &[&access.administrators, &access.all_data])?;
        let (databases, mut not_seen) =
            context.in_databases(|database| &database.restricted_relations)?;
        not_seen.extend(holders.not_seen.iter().cloned());
        let mut findings = Vec::new();
        let mut count = 0;
        for database in databases {
            match database.database.acls.here() {
                Ok(acls) => {
                    count += 1;
                    findings.extend(judge(context, &database, acls, &holders));
                }
                Err(missing) => not_seen.push(missing),
            }
        }
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

/// A catalog that was opened: the grant, the catalog, what it holds, how bad that is.
type Opened<'a> = (&'a Acl, &'a RestrictedRelation, &'static str, Severity);

fn judge(
    context: &Context<'_>,
    database: &InDatabase<'_, Vec<RestrictedRelation>>,
    acls: Seen<'_, Vec<Acl>>,
    holders: &Holders<'_>,
) -> Vec<Finding> {
    let opened = opened(database.rows.value, acls.value);
    let from = [database.rows.from.clone(), acls.from.clone()];
    opened
        .iter()
        .filter_map(|(grantee, opened)| {
            let name = &database.database.name;
            finding(context, holders, *grantee, opened, name, &from)
        })
        .collect()
}

/// The grants of one database that open such a catalog, by grantee, whoever that is.
pub fn grants(database: &DatabaseFacts) -> Result<BTreeMap<Oid, Vec<&Acl>>, Missing> {
    let relations = database.restricted_relations.here()?;
    let acls = database.acls.here()?;
    Ok(opened(relations.value, acls.value)
        .into_iter()
        .map(|(grantee, opened)| (grantee, opened.into_iter().map(|(acl, ..)| acl).collect()))
        .collect())
}

fn opened<'a>(
    relations: &'a [RestrictedRelation],
    acls: &'a [Acl],
) -> BTreeMap<Oid, Vec<Opened<'a>>> {
    let secret: HashMap<Oid, (&RestrictedRelation, &'static str, Severity)> = relations
        .iter()
        .filter_map(|relation| {
            let (_, holds, severity) = SECRET.iter().find(|(name, ..)| *name == relation.name)?;
            Some((relation.oid, (relation, *holds, *severity)))
        })
        .collect();
    let mut opened: BTreeMap<Oid, Vec<Opened<'_>>> = BTreeMap::new();
    for acl in acls.iter().filter(|acl| acl.has("SELECT")) {
        let Some((relation, holds, severity)) = secret.get(&acl.object) else {
            continue;
        };
        let opens = match acl.class {
            AclClass::Relation => !relation.initial_grantees.contains(&acl.grantee),
            AclClass::Column => relation.secret_columns.contains(&acl.column),
            _ => false,
        };
        if opens && acl.grantee != relation.owner {
            let entry = opened.entry(acl.grantee).or_default();
            entry.push((acl, relation, holds, *severity));
        }
    }
    opened
}

fn finding(
    context: &Context<'_>,
    holders: &Holders<'_>,
    grantee: Oid,
    opened: &[Opened<'_>],
    database: &str,
    from: &[ObservationId],
) -> Option<Finding> {
    let grantee = holders.grantee(grantee)?;
    let worst = opened.iter().map(|(.., severity)| *severity).max()?;
    let (cause, severity) = match worst {
        _ if grantee.is_idle => (
            "catalogs that hold secrets were opened to a role that no login role can use",
            Severity::Low,
        ),
        Severity::High if grantee.is_everyone => (
            "catalogs that hold secrets were opened to everyone",
            Severity::Critical,
        ),
        Severity::High => ("catalogs that hold secrets were opened", Severity::High),
        _ if grantee.is_everyone => (
            "the planner's samples of every table were opened to everyone",
            Severity::High,
        ),
        severity => ("the planner's samples of every table were opened", severity),
    };
    let names: BTreeSet<String> = opened
        .iter()
        .map(|(_, relation, holds, _)| format!("{} ({holds})", relation.name))
        .collect();
    let names: Vec<String> = names.into_iter().collect();
    let revocations: BTreeSet<String> = opened
        .iter()
        .map(|(acl, relation, ..)| {
            let object = Object {
                kind: "TABLE",
                name: relation.sql_name(),
                owner: Some(relation.owner),
            };
            revoke(context, acl, &object, "SELECT")
        })
        .collect();
    let revocations: Vec<String> = revocations.into_iter().collect();
    let mut observations = from.to_vec();
    observations.extend(holders.observations.iter().cloned());
    Some(Finding {
        cause: cause.to_owned(),
        detail: format!("{} may read {}{}", grantee.who, few(&names), grantee.words),
        severity,
        observations,
        remediation: statements(&revocations),
        subject: Subject::in_database(SubjectKind::Role, database, grantee.name),
    })
}
