//! Views that tell tenants apart and let other conditions be evaluated first.

use super::below_views::BelowViews;
use super::grants::{Bound, Grants, listed};
use super::in_each;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{Oid, Relation, RelationKind, ViewFilter};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

declare_check! {
    /// ## What it checks
    /// Every view that keeps tenants apart has `security_barrier`. A view counts as one when it reads a multi-tenant table itself, asks
    /// the session who is looking (`current_setting`, `CURRENT_USER`, a helper function without arguments), runs as its owner, its
    /// owner is not bound by policies of the table, and it is granted to somebody who may not read the table directly: then the
    /// view's own condition is all that stands between tenants. From 15 a view with `security_invoker` runs as its user and is none.
    ///
    /// Which tables are multi-tenant is known as in RLS-01; where that is not known, nothing can be said about a database that has
    /// such views. Whether the view's condition is right is not looked at.
    ///
    /// ## Why it matters
    /// The planner may evaluate a user's condition before the view's own, when it is cheap. `SELECT * FROM my_orders WHERE tell(secret)`
    /// with a function that raises a notice shows the rows of every tenant. `security_barrier` makes the view's condition come
    /// first. Whoever may create a function, a temporary one included, can do it; an error message of a built-in one (a division
    /// by zero, a cast) is enough for one bit at a time.
    ///
    /// ## How to fix it
    /// `ALTER VIEW my_orders SET (security_barrier = true);`, or row-level security on the table and `security_invoker` on the view.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 41.5, Rules and Privileges; SQL command CREATE VIEW (number of version 15)
    pub UnbarredViews {
        id: "RLS-17",
        name: "unbarred-views",
        title: "Every view that keeps tenants apart is a security barrier",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

/// The version from which a view can run with its user's rights.
const SECURITY_INVOKER: u32 = 15;

impl Check for UnbarredViews {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        if context.policy.tenancy.single_tenant {
            return Ok(Verdict::NotApplicable(
                "the policy file declares a single tenant".to_owned(),
            ));
        }
        let bound = Bound::new(context)?;
        let invoker_exists = context.version()?.major() >= SECURITY_INVOKER;
        let (databases, not_seen) = in_each(context, |database| {
            database.columns.here()?;
            Ok((
                database,
                database.relations.here()?,
                database.view_dependencies.here()?,
                database.view_filters.here()?,
                database.acls.here()?,
            ))
        })?;
        let mut count = 0;
        let mut findings = Vec::new();
        for (database, relations, dependencies, filters, acls) in databases {
            let by_oid: BTreeMap<Oid, &Relation> = relations
                .iter()
                .map(|relation| (relation.oid, relation))
                .collect();
            let tenants = context.tenancy().tables(database, context.policy);
            let tenants: BTreeSet<Oid> = tenants
                .unwrap_or_default()
                .iter()
                .map(|table| table.relation.oid)
                .collect();
            let below = BelowViews::new(dependencies.value);
            let grants = Grants::new(acls.value);
            for filter in filters.iter().filter(|filter| asks_session(filter)) {
                let Some(view) = by_oid.get(&filter.view).filter(|view| {
                    view.kind == RelationKind::View
                        && view.extension == 0
                        && !(invoker_exists && view.option_is_on("security_invoker"))
                }) else {
                    continue;
                };
                let owner = bound.owner(view, database);
                // Tables that the view alone keeps apart.
                let tables: Vec<&Relation> = below
                    .directly(view.oid)
                    .filter(|oid| tenants.contains(oid))
                    .filter_map(|oid| by_oid.get(&oid).copied())
                    .filter(|table| !bound.binds(owner, table, database))
                    .collect();
                let users = only_through(&bound, &grants, view, &tables);
                if tables.is_empty() || users.is_empty() {
                    continue;
                }
                count += 1;
                if view.option_is_on("security_barrier") {
                    continue;
                }
                let name = view.sql_name();
                let table_names: Vec<String> =
                    tables.iter().map(|table| table.sql_name()).collect();
                findings.push(Finding {
                    cause: "a view that keeps tenants apart is no security barrier".to_owned(),
                    detail: format!(
                        "view {name} is all that keeps tenants apart for {} in {}, and has no security_barrier: a function in a user's condition sees the rows of every tenant first",
                        listed(&users),
                        listed(&table_names)
                    ),
                    severity: Severity::High,
                    observations: vec![
                        relations.from.clone(),
                        dependencies.from.clone(),
                        filters.from.clone(),
                        acls.from.clone(),
                    ],
                    remediation: format!("ALTER VIEW {name} SET (security_barrier = true);"),
                    subject: Subject::in_database(SubjectKind::View, database.name.clone(), name),
                });
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no view is all that keeps tenants apart".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "views that keep tenants apart",
            },
            findings,
            not_seen,
        })
    }
}

const fn asks_session(filter: &ViewFilter) -> bool {
    filter.asks_setting || filter.asks_user || filter.calls_function
}

/// Names of those who may read the view and not all of its tables.
fn only_through(
    bound: &Bound<'_>,
    grants: &Grants<'_>,
    view: &Relation,
    tables: &[&Relation],
) -> Vec<String> {
    let may_read = |grantee: Oid, table: &Relation| {
        grants
            .of(table)
            .any(|(holder, held)| held.contains("SELECT") && bound.applies(&[holder], grantee))
            || bound.inherits(grantee, table.owner)
    };
    grants
        .of(view)
        .filter(|(grantee, held)| held.contains("SELECT") && bound.is_live(*grantee))
        .filter(|(grantee, _)| tables.iter().any(|table| !may_read(*grantee, table)))
        .map(|(grantee, _)| bound.name(grantee))
        .collect()
}
