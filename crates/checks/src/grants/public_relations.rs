//! Tables, views and sequences that are open to everyone.

use super::exposure::{Exposure, of_relation};
use super::public::{Given, to_public};
use crate::check::{Check, declare_check};
use crate::context::{Context, InDatabase};
use pgattest_model::facts::{Acl, AclClass, Column, Oid, Relation, RelationKind};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Seen, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::HashMap;

declare_check! {
    /// ## What it checks
    /// No table, partitioned table, view, materialized view, foreign table or sequence gives a privilege to PUBLIC, on the whole
    /// or on a column. Changing rows and attaching triggers is worse than reading them. Where PUBLIC lacks USAGE on the schema,
    /// only roles that have USAGE can use the grant, and the finding is one step less severe.
    ///
    /// Relations that belong to an extension are judged for writing only, and as low: their scripts commonly let everyone
    /// read them (`pg_stat_statements`, `geometry_columns`), and a grant made later is not told apart from the script's. Temporary
    /// tables are left out, and so are the server's own catalogs and views.
    ///
    /// ## Why it matters
    /// PUBLIC is every role there is and every role there will be: the read-only dashboard, last year's contractor, the next
    /// service. Such a grant appears in no role's list of grants, so a review by role never finds it.
    ///
    /// ## How to fix it
    /// Find out who uses it, grant them what they use, then `REVOKE SELECT ON TABLE shop.orders FROM PUBLIC;`. `REVOKE` takes
    /// back only what the same role granted: where somebody else than the owner did, the statement says as whom to run it.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.7, Privileges (numbers of version 15)
    pub PublicRelations {
        id: "GRN-04",
        name: "public-relations",
        title: "No table, view or sequence is open to everyone",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for PublicRelations {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let (databases, mut not_seen) = context.in_databases(|database| &database.relations)?;
        let mut findings = Vec::new();
        let mut count = 0;
        for database in databases {
            match database.database.acls.here() {
                Ok(acls) => count += judge(context, &database, acls, &mut findings),
                Err(missing) => not_seen.push(missing),
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no database holds a table, view or sequence".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "tables, views and sequences",
            },
            findings,
            not_seen,
        })
    }
}

/// Adds one database's findings; returns how many relations were tested.
fn judge(
    context: &Context<'_>,
    database: &InDatabase<'_, Vec<Relation>>,
    acls: Seen<'_, Vec<Acl>>,
    findings: &mut Vec<Finding>,
) -> usize {
    let given = to_public(acls.value, &[AclClass::Relation, AclClass::Column]);
    let schemas = to_public(acls.value, &[AclClass::Schema]);
    let columns = given
        .values()
        .any(|given| !given.columns.is_empty())
        .then(|| ColumnNames::new(database))
        .flatten();
    let mut count = 0;
    for relation in database
        .rows
        .iter()
        .filter(|relation| relation.persistence != "t")
    {
        count += 1;
        let Some(given) = given.get(&relation.oid) else {
            continue;
        };
        let open = schemas
            .get(&relation.schema)
            .is_some_and(|schema| schema.privileges.contains("USAGE"));
        let Some(exposure) = exposure(relation, given, open) else {
            continue;
        };
        let mut observations = vec![database.rows.from.clone(), acls.from.clone()];
        observations.extend(columns.iter().map(|columns| columns.seen.from.clone()));
        let name = relation.sql_name();
        let privileges = given.list(|number| {
            let known = columns
                .as_ref()
                .and_then(|columns| columns.names.get(&(relation.oid, number)));
            known.map_or_else(|| format!("column {number}"), |name| quote_ident(name))
        });
        let held_back = if open {
            ""
        } else {
            ", held back only by USAGE on the schema"
        };
        findings.push(Finding {
            subject: Subject::in_database(
                subject_kind(relation.kind),
                &database.database.name,
                &name,
            ),
            cause: exposure.cause.to_owned(),
            detail: format!(
                "PUBLIC has {privileges} on {} {name}{held_back}",
                relation.kind.as_str()
            ),
            severity: exposure.severity,
            observations,
            remediation: given.revoke(
                context,
                &privileges,
                &format!("{} {name}", revoked_as(relation.kind)),
                relation.owner,
            ),
        });
    }
    count
}

fn exposure(relation: &Relation, given: &Given<'_>, open: bool) -> Option<Exposure> {
    let exposure = of_relation(relation.kind == RelationKind::Sequence, &given.all())?;
    if relation.extension != 0 {
        return exposure.writes.then_some(Exposure {
            cause: "everyone may change what belongs to an extension",
            severity: Severity::Low,
            writes: true,
        });
    }
    Some(if open { exposure } else { exposure.one_less() })
}

/// Column names of one database, built once and only where a column has a grant.
struct ColumnNames<'a> {
    names: HashMap<(Oid, i16), &'a str>,
    seen: Seen<'a, Vec<Column>>,
}

impl<'a> ColumnNames<'a> {
    fn new(database: &InDatabase<'a, Vec<Relation>>) -> Option<Self> {
        let seen = database.database.columns.here().ok()?;
        let names = seen
            .value
            .iter()
            .map(|column| ((column.relation, column.number), column.name.as_str()))
            .collect();
        Some(Self { names, seen })
    }
}

const fn subject_kind(kind: RelationKind) -> SubjectKind {
    match kind {
        RelationKind::View | RelationKind::MaterializedView => SubjectKind::View,
        _ => SubjectKind::Relation,
    }
}

/// `REVOKE` knows two kinds: everything that is no sequence is a table to it.
const fn revoked_as(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::Sequence => "SEQUENCE",
        _ => "TABLE",
    }
}
