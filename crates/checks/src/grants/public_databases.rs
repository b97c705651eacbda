//! Databases that everyone may connect to.

use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{AclClass, Database, Oid, PUBLIC};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

/// What `initdb` makes besides `template0`: for maintenance, and to copy new databases from.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

/// What a provider makes for itself, owned by its own superuser.
const PROVIDERS: [&str; 4] = [
    "rdsadmin",
    "cloudsqladmin",
    "azure_maintenance",
    "azure_sys",
];

declare_check! {
    /// ## What it checks
    /// No database gives CONNECT, TEMPORARY or CREATE to PUBLIC. The first two are PostgreSQL's default for a new database, and
    /// low: `pg_hba.conf` and the schemas' privileges still stand in the way. CREATE lets everyone make schemas, and is high.
    ///
    /// For `postgres` and `template1`, which every cluster has and where clients look up what else there is, CONNECT and TEMPORARY
    /// are judged once somebody has put a table, view or sequence there. Databases that accept no connections, and those that a
    /// provider keeps for itself, are left out. `access.public_databases` in `pgattest.toml` names those that are meant for everyone.
    ///
    /// ## Why it matters
    /// In a cluster with several databases, the default lets the login role of each application into all the others, where it
    /// reads the catalogs and whatever PUBLIC was granted. With TEMPORARY it may fill the disk, and put a table in front of another
    /// one's name in a SECURITY DEFINER function that does not search `pg_temp` last.
    ///
    /// ## How to fix it
    /// `GRANT CONNECT ON DATABASE shop TO shop_api;` for those who need it, then `REVOKE ALL ON DATABASE shop FROM PUBLIC;`. A database
    /// that is created or restored anew begins with the default again.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.7, Privileges (numbers of version 15)
    pub PublicDatabases {
        id: "GRN-07",
        name: "public-databases",
        title: "No database is open to everyone",
        severity: Severity::Low,
        criteria: &[Criterion::Cc6_1],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for PublicDatabases {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let databases = context.facts.databases.here()?;
        let acls = context.facts.shared_acls.here()?;
        let mut given: BTreeMap<Oid, BTreeSet<&str>> = BTreeMap::new();
        for acl in acls
            .iter()
            .filter(|acl| acl.class == AclClass::Database && acl.grantee == PUBLIC)
        {
            let names = acl.privileges.iter().map(|given| given.name.as_str());
            given.entry(acl.object).or_default().extend(names);
        }

        let meant = &context.policy.access.public_databases;
        let mut findings = Vec::new();
        let mut not_seen = Vec::new();
        let mut count = 0;
        for database in databases.iter().filter(|row| is_judged(row)) {
            count += 1;
            let Some(privileges) = given.get(&database.oid) else {
                continue;
            };
            if meant.contains(&database.name) {
                continue;
            }
            let mut observations = vec![databases.from.clone(), acls.from.clone()];
            if MAINTENANCE.contains(&database.name.as_str()) && !privileges.contains("CREATE") {
                match holds_relations(context, database.oid) {
                    Ok((false, _)) => continue,
                    Ok((true, from)) => observations.push(from),
                    Err(missing) => {
                        not_seen.push(missing);
                        continue;
                    }
                }
            }
            findings.push(finding(database, privileges, observations));
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

fn is_judged(database: &Database) -> bool {
    database.allows_connections && !PROVIDERS.contains(&database.name.as_str())
}

/// Whether somebody put a relation there; what belongs to an extension is not counted.
fn holds_relations(context: &Context<'_>, oid: Oid) -> Result<(bool, ObservationId), Missing> {
    let inside = context
        .facts
        .inside
        .iter()
        .find(|inside| inside.oid == oid)
        .ok_or_else(|| Missing::because(format!("database {oid} was not looked into")))?;
    let relations = inside.relations.here()?;
    let holds = relations.iter().any(|relation| relation.extension == 0);
    Ok((holds, relations.from.clone()))
}

fn finding(
    database: &Database,
    privileges: &BTreeSet<&str>,
    observations: Vec<ObservationId>,
) -> Finding {
    let name = quote_ident(&database.name);
    let list = privileges.iter().copied().collect::<Vec<_>>().join(", ");
    let (cause, severity) = if privileges.contains("CREATE") {
        ("everyone may create schemas in a database", Severity::High)
    } else if privileges.contains("CONNECT") {
        ("everyone may connect to a database", Severity::Low)
    } else {
        (
            "everyone who may connect may create temporary tables",
            Severity::Low,
        )
    };
    Finding {
        cause: cause.to_owned(),
        detail: format!("PUBLIC has {list} on database {name}"),
        severity,
        observations,
        remediation: format!("REVOKE {list} ON DATABASE {name} FROM PUBLIC;"),
        subject: Subject::cluster(SubjectKind::Database, name),
    }
}
