//! Partitions and inheritance children that are granted past the policies of the table above.

use super::family::Family;
use super::grants::{Bound, Grants, listed};
use super::{in_each, is_protected};
use crate::check::{Check, declare_check};
use crate::context::Context;
use crate::tenancy::is_listed;
use pgattest_model::facts::{Oid, RelationKind};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::BTreeSet;

declare_check! {
    /// ## What it checks
    /// Nobody whom policies bind holds `SELECT`, `INSERT`, `UPDATE` or `DELETE` on a partition or inheritance child without row-level
    /// security whose parent, at any depth, has it. Foreign tables, which cannot have policies, are looked at too. Children that
    /// are multi-tenant themselves (they carry the tenant column) are judged by RLS-01 and left out here, so that nothing is
    /// reported twice: this check finds those that RLS-01 cannot know, because policies go by an owner, a user or a region.
    ///
    /// ## Why it matters
    /// A query on the parent is bound by the parent's policies, one on the child only by its own. A grant on all tables of a
    /// schema, or default privileges, open each partition that the nightly job makes: `SELECT * FROM events` shows a user's own
    /// rows, `SELECT * FROM events_2026_03` everybody's.
    ///
    /// ## How to fix it
    /// Take the privilege away; nobody needs it to use the parent: `REVOKE ALL ON events_2026_03 FROM app;`. Make default privileges not
    /// give it again, or enable row-level security on each child.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.11, Table Partitioning; chapter 5.10, Inheritance; chapter 5.8, Row Security
    ///   Policies (numbers of version 15)
    pub OpenChildren {
        id: "RLS-18",
        name: "open-children",
        title: "No partition or child is granted past the policies of its parent",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for OpenChildren {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let bound = Bound::new(context)?;
        let (databases, not_seen) = in_each(context, |database| {
            database.columns.here()?;
            Ok((
                database,
                database.relations.here()?,
                database.inheritance.here()?,
                database.acls.here()?,
            ))
        })?;
        let (mut count, mut elsewhere) = (0, 0);
        let mut findings = Vec::new();
        for (database, relations, inheritance, acls) in databases {
            let protected: BTreeSet<Oid> = relations
                .iter()
                .filter(|relation| is_protected(relation))
                .map(|relation| relation.oid)
                .collect();
            let tenants: BTreeSet<Oid> = if context.policy.tenancy.single_tenant {
                BTreeSet::new()
            } else {
                let tables = context.tenancy().tables(database, context.policy);
                let tables = tables.unwrap_or_default();
                tables.iter().map(|table| table.relation.oid).collect()
            };
            let family = Family::new(inheritance.value);
            let grants = Grants::new(acls.value);
            let children = relations.iter().filter(|relation| {
                (relation.can_have_policies() || relation.kind == RelationKind::Foreign)
                    && relation.extension == 0
                    && family.descends_from(relation.oid, &protected)
            });
            for child in children {
                if tenants.contains(&child.oid) {
                    elsewhere += 1;
                    continue;
                }
                count += 1;
                let users = bound.users(child, &grants);
                if child.row_security
                    || users.is_empty()
                    || is_listed(&context.policy.tenancy.shared, database, child)
                {
                    continue;
                }
                let name = child.sql_name();
                findings.push(Finding {
                    cause: "a partition or child without row-level security is granted directly".to_owned(),
                    detail: format!(
                        "{} {name} has no row-level security and descends from a table that has; open to {}, who read it past those policies",
                        child.kind.as_str(),
                        listed(&users)
                    ),
                    severity: Severity::High,
                    observations: vec![
                        relations.from.clone(),
                        inheritance.from.clone(),
                        acls.from.clone(),
                    ],
                    remediation: format!("REVOKE ALL ON {name} FROM {};", listed(&users)),
                    subject: Subject::in_database(SubjectKind::Relation, database.name.clone(), name),
                });
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(match elsewhere {
                0 => "no table with row-level security has partitions or children".to_owned(),
                some => format!(
                    "all {some} partitions and children are multi-tenant tables, which RLS-01 judges"
                ),
            }));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "partitions and children that are no multi-tenant tables themselves",
            },
            findings,
            not_seen,
        })
    }
}
