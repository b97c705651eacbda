//! Privileges on tables that an application does not work with: TRUNCATE, TRIGGER, REFERENCES, MAINTAIN.

use super::holders::{Holders, Standing};
use super::objects::{Object, revoke};
use super::words::{count, statements};
use crate::check::{Check, declare_check};
use crate::context::{Context, InDatabase};
use pgattest_model::facts::{Acl, AclClass, Oid, PUBLIC, Relation, RelationKind};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Seen, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::{BTreeMap, HashMap};

/// The worst first.
const PRIVILEGES: [&str; 4] = ["TRUNCATE", "TRIGGER", "REFERENCES", "MAINTAIN"];

declare_check! {
    /// ## What it checks
    /// No login role that works with a table as an application does (it is neither its owner, nor a superuser, nor on the list
    /// `access.schema_owners` in `pgattest.toml`) holds TRUNCATE, TRIGGER, REFERENCES or, from PostgreSQL 17, MAINTAIN on it: as the role
    /// that was granted it, through a group, or after `SET ROLE`. There is one finding for each role that was granted something, and
    /// database. TRUNCATE on a table with row-level security is high; TRUNCATE and TRIGGER are medium; REFERENCES and MAINTAIN low;
    /// all are low where no login role can use the role today.
    ///
    /// Tables of extensions are left out, and so is what PUBLIC was granted (GRN-04). USAGE on the schema is not looked at: without it
    /// the privilege waits for somebody to grant that.
    ///
    /// ## Why it matters
    /// These come with `GRANT ALL` and nobody misses them. TRUNCATE removes the rows of every tenant: policies do not apply to it,
    /// and row triggers that write the history do not fire. A trigger's function runs with the rights of whoever changes the table next,
    /// be it the owner. REFERENCES blocks other people's deletions and tells which keys exist. MAINTAIN takes locks that stop everyone.
    ///
    /// ## How to fix it
    /// `REVOKE TRUNCATE, TRIGGER, REFERENCES ON ALL TABLES IN SCHEMA shop FROM shop_api;`, and grant SELECT, INSERT, UPDATE and DELETE by
    /// name instead of ALL, in `ALTER DEFAULT PRIVILEGES` too.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.7, Privileges; chapter 5.8, Row Security Policies (numbers of version 15)
    pub StructuralPrivileges {
        id: "GRN-12",
        name: "structural-privileges",
        title: "No application role may truncate tables or attach triggers to them",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_1],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for StructuralPrivileges {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let holders = Holders::new(context, &[&context.policy.access.schema_owners])?;
        let (databases, mut not_seen) = context.in_databases(|database| &database.relations)?;
        not_seen.extend(holders.not_seen.iter().cloned());
        let mut findings = Vec::new();
        let mut count = 0;
        for database in databases {
            match database.database.acls.here() {
                Ok(acls) => {
                    let tables = tables(&database);
                    count += tables.len();
                    findings.extend(judge(context, &holders, &database, &tables, acls));
                }
                Err(missing) => not_seen.push(missing),
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no database holds a table".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "tables",
            },
            findings,
            not_seen,
        })
    }
}

/// Whatever one of the privileges does something to. On a view they do nothing.
fn tables<'a>(database: &InDatabase<'a, Vec<Relation>>) -> HashMap<Oid, &'a Relation> {
    database
        .rows
        .value
        .iter()
        .filter(|relation| relation.extension == 0 && relation.persistence != "t")
        .filter(|relation| !matches!(relation.kind, RelationKind::View | RelationKind::Sequence))
        .map(|relation| (relation.oid, relation))
        .collect()
}

/// What one role was granted in one database.
#[derive(Default)]
struct Granted<'a> {
    grants: Vec<(&'a Acl, &'a Relation)>,
    /// How many tables each privilege is on.
    tables: BTreeMap<&'static str, usize>,
    /// Tables with row-level security among those that can be truncated.
    truncates_policies: usize,
}

fn judge(
    context: &Context<'_>,
    holders: &Holders<'_>,
    database: &InDatabase<'_, Vec<Relation>>,
    tables: &HashMap<Oid, &Relation>,
    acls: Seen<'_, Vec<Acl>>,
) -> Vec<Finding> {
    let mut granted: BTreeMap<Oid, Granted<'_>> = BTreeMap::new();
    let on_tables = acls
        .value
        .iter()
        .filter(|acl| acl.class == AclClass::Relation && acl.grantee != PUBLIC);
    for acl in on_tables {
        let Some(table) = tables.get(&acl.object) else {
            continue;
        };
        let held: Vec<&str> = privileges(acl, table);
        if held.is_empty() || acl.grantee == table.owner {
            continue;
        }
        if holders.of(acl.grantee).standing == Standing::Trusted {
            continue;
        }
        let entry = granted.entry(acl.grantee).or_default();
        for privilege in held {
            *entry.tables.entry(privilege).or_default() += 1;
        }
        let policies = acl.has("TRUNCATE") && table.row_security;
        entry.truncates_policies += usize::from(policies);
        entry.grants.push((acl, table));
    }
    granted
        .iter()
        .map(|(role, granted)| finding(context, holders, database, acls, *role, granted))
        .collect()
}

fn privileges(acl: &Acl, table: &Relation) -> Vec<&'static str> {
    let maintained_only = table.kind == RelationKind::MaterializedView;
    PRIVILEGES
        .into_iter()
        .filter(|name| acl.has(name) && (!maintained_only || *name == "MAINTAIN"))
        .collect()
}

fn finding(
    context: &Context<'_>,
    holders: &Holders<'_>,
    database: &InDatabase<'_, Vec<Relation>>,
    acls: Seen<'_, Vec<Acl>>,
    grantee: Oid,
    granted: &Granted<'_>,
) -> Finding {
    let role = context.role_name(grantee);
    let users = holders.of(grantee);
    let (cause, severity) = if users.standing == Standing::Idle {
        (
            "TRUNCATE, TRIGGER, REFERENCES or MAINTAIN granted to a role that no login role can use",
            Severity::Low,
        )
    } else if granted.truncates_policies > 0 {
        (
            "an application role may truncate tables that have row-level security",
            Severity::High,
        )
    } else if granted.tables.contains_key("TRUNCATE") {
        ("an application role may truncate tables", Severity::Medium)
    } else if granted.tables.contains_key("TRIGGER") {
        (
            "an application role may attach triggers to tables",
            Severity::Medium,
        )
    } else {
        (
            "an application role may refer to or maintain tables",
            Severity::Low,
        )
    };
    let held: Vec<String> = PRIVILEGES
        .iter()
        .filter_map(|name| {
            let tables = granted.tables.get(name)?;
            let policies = match granted.truncates_policies {
                some @ 1.. if *name == "TRUNCATE" => {
                    format!(" ({some} with row-level security)")
                }
                _ => String::new(),
            };
            Some(format!("{name} on {}{policies}", count(*tables, "table")))
        })
        .collect();
    let mut observations = vec![database.rows.from.clone(), acls.from.clone()];
    observations.extend(holders.observations.iter().cloned());
    Finding {
        cause: cause.to_owned(),
        detail: format!("role {role} has {}{}", held.join(", "), users.words(&role)),
        severity,
        observations,
        remediation: remediation(context, granted),
        subject: Subject::in_database(SubjectKind::Role, &database.database.name, role),
    }
}

fn remediation(context: &Context<'_>, granted: &Granted<'_>) -> String {
    let all: Vec<String> = granted
        .grants
        .iter()
        .map(|(acl, table)| {
            let object = Object {
                kind: "TABLE",
                name: table.sql_name(),
                owner: Some(table.owner),
            };
            revoke(context, acl, &object, &privileges(acl, table).join(", "))
        })
        .collect();
    statements(&all)
}
