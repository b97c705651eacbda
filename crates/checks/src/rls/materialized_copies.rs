//! Materialized views that hold rows of protected tables.

use super::below_views::BelowViews;
use super::family::Family;
use super::grants::{Bound, Grants, listed};
use super::{in_each, is_protected};
use crate::check::{Check, declare_check};
use crate::context::Context;
use crate::tenancy::is_listed;
use pgattest_model::facts::{Oid, Relation, RelationKind};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

declare_check! {
    /// ## What it checks
    /// No materialized view that is made from a table with row-level security (or a partition of one), through any depth of views
    /// and materialized views, can be read by somebody whom the policies would bind. Its owner is not counted. Materialized views
    /// listed in `tenancy.shared` are a decision; those of extensions are left out.
    ///
    /// ## Why it matters
    /// A materialized view holds the rows that its owner saw at the last refresh, mostly those of every tenant, and cannot have
    /// policies of its own. Row-level security is asked at the refresh and never again.
    ///
    /// ## How to fix it
    /// Take the privilege away and show the copy through a view that filters: `REVOKE SELECT ON sums FROM app;` then `CREATE VIEW
    /// my_sums WITH (security_barrier) AS SELECT * FROM sums WHERE tenant_id = ..`. If it holds nothing of single tenants, list it in
    /// `tenancy.shared`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 41.3, Materialized Views; chapter 5.8, Row Security Policies (numbers of version 15)
    pub MaterializedCopies {
        id: "RLS-16",
        name: "materialized-copies",
        title: "No materialized view shows copies of protected rows",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for MaterializedCopies {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let bound = Bound::new(context)?;
        let (databases, not_seen) = in_each(context, |database| {
            Ok((
                database,
                database.relations.here()?,
                database.view_dependencies.here()?,
                database.inheritance.here()?,
                database.acls.here()?,
            ))
        })?;
        let mut count = 0;
        let mut findings = Vec::new();
        for (database, relations, dependencies, inheritance, acls) in databases {
            let by_oid: BTreeMap<Oid, &Relation> = relations
                .iter()
                .map(|relation| (relation.oid, relation))
                .collect();
            let enabled: BTreeSet<Oid> = relations
                .iter()
                .filter(|relation| is_protected(relation))
                .map(|relation| relation.oid)
                .collect();
            let family = Family::new(inheritance.value);
            let below = BelowViews::new(dependencies.value);
            let grants = Grants::new(acls.value);
            let copies = relations.iter().filter(|relation| {
                relation.kind == RelationKind::MaterializedView && relation.extension == 0
            });
            for copy in copies {
                let path = below.path(copy.oid, |oid| {
                    enabled.contains(&oid) || family.descends_from(oid, &enabled)
                });
                let Some(path) = path else { continue };
                count += 1;
                let readers = bound.readers(copy, &grants);
                if readers.is_empty() || is_listed(&context.policy.tenancy.shared, database, copy) {
                    continue;
                }
                let name = copy.sql_name();
                let way: Vec<String> = path
                    .iter()
                    .filter_map(|oid| by_oid.get(oid))
                    .map(|relation| relation.sql_name())
                    .collect();
                findings.push(Finding {
                    cause: "a materialized view shows copies of rows that policies protect".to_owned(),
                    detail: format!(
                        "materialized view {name} shows {} the rows that its owner {} saw at the last refresh, past the policies: {name} -> {}",
                        listed(&readers),
                        bound.name(bound.owner(copy, database)),
                        way.join(" -> ")
                    ),
                    severity: Severity::High,
                    observations: vec![
                        relations.from.clone(),
                        dependencies.from.clone(),
                        inheritance.from.clone(),
                        acls.from.clone(),
                    ],
                    remediation: format!("REVOKE SELECT ON {name} FROM {};", listed(&readers)),
                    subject: Subject::in_database(SubjectKind::View, database.name.clone(), name),
                });
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no materialized view is made from a table with row-level security".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "materialized views made from tables with row-level security",
            },
            findings,
            not_seen,
        })
    }
}
