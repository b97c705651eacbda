//! Default privileges that open future objects to everyone.

use super::creators::Creators;
use super::exposure::{Exposure, of_relation};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{DatabaseFacts, DefaultAcl, Oid, PUBLIC, Schema};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

declare_check! {
    /// ## What it checks
    /// No `ALTER DEFAULT PRIVILEGES` gives PUBLIC a privilege on tables, sequences, schemas or (from PostgreSQL 18) large
    /// objects that some role will create. It weighs as much as the grant itself would; it is low where the role that it is
    /// about may create no such object there now.
    ///
    /// That everyone may execute new functions and use new types is PostgreSQL's built-in default; keeping it is not a finding
    /// here. It is one when a role's default for all schemas takes the privilege from PUBLIC and an entry for one schema gives
    /// it back.
    ///
    /// ## Why it matters
    /// Somebody who revokes a grant to PUBLIC today finds it again on the table that the next migration makes. Nothing in that
    /// migration shows it.
    ///
    /// ## How to fix it
    /// `ALTER DEFAULT PRIVILEGES FOR ROLE migrator IN SCHEMA shop REVOKE SELECT ON TABLES FROM PUBLIC;`, as the role itself or as
    /// a superuser, in that database. It changes no object that exists: those are GRN-04's subject.
    ///
    /// ## References
    /// - PostgreSQL documentation, reference page ALTER DEFAULT PRIVILEGES
    /// - PostgreSQL documentation, chapter 5.7, Privileges (numbers of version 15)
    pub DefaultToPublic {
        id: "GRN-05",
        name: "default-to-public",
        title: "No default privilege opens future objects to everyone",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::Cc8_1],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for DefaultToPublic {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let (databases, not_seen) = context.in_databases(|database| &database.default_acls)?;
        let mut findings = Vec::new();
        let mut count = 0;
        for database in databases {
            let entries = by_entry(database.rows.value);
            count += entries.len();
            let open: Vec<Opened> = entries
                .iter()
                .filter_map(|(entry, rows)| opened(*entry, rows, &entries))
                .collect();
            if !open.is_empty() {
                let creators = Creators::new(context, database.database);
                let from = database.rows.from;
                findings
                    .extend(open.iter().map(|opened| {
                        finding(context, database.database, opened, &creators, from)
                    }));
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no default privilege was ever altered".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "default privileges",
            },
            findings,
            not_seen,
        })
    }
}

/// What one `ALTER DEFAULT PRIVILEGES` is about: whose objects, in which schema (0: all), of which type.
type Entry<'a> = (Oid, Oid, &'a str);

/// An entry that gives PUBLIC something.
struct Opened<'a> {
    entry: Entry<'a>,
    privileges: BTreeSet<&'a str>,
    exposure: Exposure,
}

fn by_entry(rows: &[DefaultAcl]) -> BTreeMap<Entry<'_>, Vec<&DefaultAcl>> {
    let mut entries: BTreeMap<Entry<'_>, Vec<&DefaultAcl>> = BTreeMap::new();
    for row in rows {
        entries
            .entry((row.creator, row.schema, row.object_type.as_str()))
            .or_default()
            .push(row);
    }
    entries
}

fn opened<'a>(
    entry: Entry<'a>,
    rows: &[&'a DefaultAcl],
    all: &BTreeMap<Entry<'a>, Vec<&'a DefaultAcl>>,
) -> Option<Opened<'a>> {
    let (creator, schema, object_type) = entry;
    let privileges = to_public(rows);
    let exposure = match object_type {
        "r" => of_relation(false, &privileges),
        "S" => of_relation(true, &privileges),
        _ if privileges.is_empty() => None,
        "n" if privileges.contains("CREATE") => {
            weighs("everyone may create objects in a schema", Severity::High)
        }
        "n" => weighs("everyone may look into a schema", Severity::Low),
        "L" if privileges.contains("UPDATE") => {
            weighs("everyone may change large objects", Severity::High)
        }
        "L" => weighs("everyone may read large objects", Severity::Medium),
        // An entry for all schemas replaces the built-in default; one for a single schema only adds to it.
        "f" | "T" => {
            let everywhere = all
                .get(&(creator, 0, object_type))
                .filter(|rows| schema != 0 && to_public(rows).is_empty());
            everywhere.and_then(|_| {
                weighs(
                    "everyone gets back what the default for all schemas takes away",
                    Severity::Medium,
                )
            })
        }
        _ => weighs("everyone gets a privilege", Severity::Medium),
    }?;
    Some(Opened {
        entry,
        privileges,
        exposure,
    })
}

fn to_public<'a>(rows: &[&'a DefaultAcl]) -> BTreeSet<&'a str> {
    rows.iter()
        .filter(|row| row.grantee == PUBLIC)
        .flat_map(|row| &row.privileges)
        .map(|given| given.name.as_str())
        .collect()
}

/// Always something, so that the arms above read as one table.
#[allow(clippy::unnecessary_wraps, reason = "an arm of a match of options")]
const fn weighs(cause: &'static str, severity: Severity) -> Option<Exposure> {
    Some(Exposure {
        cause,
        severity,
        writes: true,
    })
}

fn finding(
    context: &Context<'_>,
    database: &DatabaseFacts,
    opened: &Opened<'_>,
    creators: &Creators<'_>,
    from: &ObservationId,
) -> Finding {
    let (creator, schema, object_type) = opened.entry;
    let objects = objects(object_type);
    let role = context.role_name(creator);
    let privileges = opened
        .privileges
        .iter()
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    let effective = creators.may_create(creator, schema, object_type);
    let (severity, yet) = if effective {
        (opened.exposure.severity, "")
    } else {
        (Severity::Low, ", though the role may create none there now")
    };
    let target = target(context, database, creator, schema);
    Finding {
        subject: Subject::in_database(
            SubjectKind::DefaultPrivilege,
            &database.name,
            format!("{target} ON {objects}"),
        ),
        cause: format!("in future objects, {}", opened.exposure.cause),
        detail: format!(
            "PUBLIC will have {privileges} on {} that role {role} creates{}{yet}",
            objects.to_lowercase(),
            {
                if schema == 0 {
                    String::new()
                } else {
                    format!(" in schema {}", schema_name(database, schema))
                }
            }
        ),
        severity,
        observations: std::iter::once(from.clone())
            .chain(creators.observations.iter().cloned())
            .collect(),
        remediation: format!(
            "ALTER DEFAULT PRIVILEGES {target} REVOKE {privileges} ON {objects} FROM PUBLIC;"
        ),
    }
}

/// Whose objects an entry is about, as `ALTER DEFAULT PRIVILEGES` takes it: `FOR ROLE migrator IN SCHEMA shop`.
pub fn target(
    context: &Context<'_>,
    database: &DatabaseFacts,
    creator: Oid,
    schema: Oid,
) -> String {
    let role = context.role_name(creator);
    if schema == 0 {
        format!("FOR ROLE {role}")
    } else {
        format!(
            "FOR ROLE {role} IN SCHEMA {}",
            schema_name(database, schema)
        )
    }
}

/// What `pg_default_acl.defaclobjtype` stands for, as `ALTER DEFAULT PRIVILEGES` takes it; `OBJECTS` for what is not known.
pub fn objects(object_type: &str) -> &'static str {
    match object_type {
        "r" => "TABLES",
        "S" => "SEQUENCES",
        "f" => "ROUTINES",
        "T" => "TYPES",
        "n" => "SCHEMAS",
        "L" => "LARGE OBJECTS",
        _ => "OBJECTS",
    }
}

fn schema_name(database: &DatabaseFacts, oid: Oid) -> String {
    let schemas: &[Schema] = database
        .schemas
        .here()
        .map_or(&[], |schemas| schemas.value.as_slice());
    schemas
        .iter()
        .find(|schema| schema.oid == oid)
        .map_or_else(|| oid.to_string(), |schema| quote_ident(&schema.name))
}
