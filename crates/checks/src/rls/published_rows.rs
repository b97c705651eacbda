//! Publications that ship rows which policies protect.

use super::family::Family;
use super::grants::listed;
use super::{in_each, is_protected};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{DatabaseFacts, Oid, Publication, PublicationRelation, Relation};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

declare_check! {
    /// ## What it checks
    /// No publication ships a table with row-level security, or a partition of one, without a row filter. Looked at are
    /// publications of tables, `FOR ALL TABLES`, and from 15 `FOR TABLES IN SCHEMA`; the last two have no filter. Unlogged and temporary
    /// tables are never shipped. A column list leaves rows alone and does not count; whether a filter singles out one tenant is
    /// not looked at. Publications listed in `egress.publications` are a decision.
    ///
    /// ## Why it matters
    /// Logical replication copies rows, not policies: the subscriber gets the rows of every tenant, into a table that has row-level
    /// security only if somebody made it there too. Whoever may read there reads everything, and so does whoever may start a
    /// subscription with the replication role's password.
    ///
    /// ## How to fix it
    /// From 15, ship what the subscriber is for: `ALTER PUBLICATION feed SET TABLE orders WHERE (tenant_id = 7);`. If the subscriber is
    /// meant to have everything, protect the tables there and approve the publication in `egress.publications`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 31.1, Publication; chapter 31.3, Row Filters; chapter 31.9, Security (numbers of
    ///   version 15)
    pub PublishedRows {
        id: "RLS-21",
        name: "published-rows",
        title: "No publication ships rows of every tenant",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::Cc6_7],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for PublishedRows {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let (databases, not_seen) = in_each(context, |database| {
            Ok((
                database,
                database.relations.here()?,
                database.inheritance.here()?,
                database.publications.here()?,
                database.publication_relations.here()?,
            ))
        })?;
        let mut count = 0;
        let mut findings = Vec::new();
        for (database, relations, inheritance, publications, published) in databases {
            let protected = protected(relations.value, &Family::new(inheritance.value));
            let mut named: BTreeMap<Oid, Vec<&PublicationRelation>> = BTreeMap::new();
            for row in published.value {
                named.entry(row.publication).or_default().push(row);
            }
            for publication in publications.value {
                count += 1;
                let rows = named.get(&publication.oid).map_or(&[][..], Vec::as_slice);
                let tables = shipped(publication, rows, &protected);
                if tables.is_empty() || is_approved(context, database, publication) {
                    continue;
                }
                let name = quote_ident(&publication.name);
                let how = if publication.all_tables {
                    "because it is FOR ALL TABLES"
                } else {
                    "without a row filter"
                };
                findings.push(Finding {
                    cause: "a publication ships tables with row-level security whole".to_owned(),
                    detail: format!("publication {name} ships every row of {} {how}: the subscriber sees all tenants", listed(&tables)),
                    severity: Severity::High,
                    observations: vec![
                        publications.from.clone(),
                        published.from.clone(),
                        relations.from.clone(),
                        inheritance.from.clone(),
                    ],
                    remediation: format!(
                        "give {name} a row filter for each of these tables (15 and later) or take them out: ALTER PUBLICATION {name} DROP TABLE ..; \
                         or approve it in egress.publications"
                    ),
                    subject: Subject::in_database(SubjectKind::Relation, database.name.clone(), format!("publication {name}")),
                });
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "there are no publications".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "publications",
            },
            findings,
            not_seen,
        })
    }
}

/// Permanent tables with row-level security and what descends from them, by object identifier.
fn protected<'a>(relations: &'a [Relation], family: &Family) -> BTreeMap<Oid, &'a Relation> {
    let enabled: BTreeSet<Oid> = relations
        .iter()
        .filter(|relation| is_protected(relation))
        .map(|relation| relation.oid)
        .collect();
    relations
        .iter()
        .filter(|relation| relation.can_have_policies() && relation.persistence == "p")
        .filter(|relation| {
            enabled.contains(&relation.oid) || family.descends_from(relation.oid, &enabled)
        })
        .map(|relation| (relation.oid, relation))
        .collect()
}

/// Names of the protected tables that a publication ships whole.
fn shipped(
    publication: &Publication,
    named: &[&PublicationRelation],
    protected: &BTreeMap<Oid, &Relation>,
) -> Vec<String> {
    let mut names: Vec<String> = if publication.all_tables {
        // Partitions go with the table they are a part of.
        protected
            .values()
            .filter(|relation| !relation.is_partition)
            .map(|relation| relation.sql_name())
            .collect()
    } else {
        named
            .iter()
            .filter(|row| !row.has_row_filter)
            .filter_map(|row| protected.get(&row.relation))
            .map(|relation| relation.sql_name())
            .collect()
    };
    names.sort();
    names
}

fn is_approved(context: &Context<'_>, database: &DatabaseFacts, publication: &Publication) -> bool {
    context
        .policy
        .egress
        .publications
        .as_ref()
        .is_some_and(|approved| {
            approved.contains(&publication.name)
                || approved.contains(&format!("{}.{}", database.name, publication.name))
        })
}
