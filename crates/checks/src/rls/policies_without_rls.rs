//! Policies on tables whose row-level security is off.

use super::grants::{Bound, Grants, listed};
use super::in_each;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::Oid;
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::BTreeMap;

declare_check! {
    /// ## What it checks
    /// Every table that has policies also has row-level security enabled. Ordinary and partitioned tables are looked at, each for
    /// itself: a partition's own policies count only for queries that name the partition.
    ///
    /// ## Why it matters
    /// A policy does nothing until row-level security is enabled on its table. The policies of such a table look right in every
    /// listing, and every row is open to whoever holds a privilege on the table.
    ///
    /// ## How to fix it
    /// Read the policies, then `ALTER TABLE orders ENABLE ROW LEVEL SECURITY;` and `ALTER TABLE orders FORCE ROW LEVEL SECURITY;`. If
    /// it was switched off to get past an error, find the error first. Policies that nobody wants belong dropped.
    ///
    /// ## References
    /// - PostgreSQL 16 documentation, chapter 5.8, Row Security Policies
    pub PoliciesWithoutRls {
        id: "RLS-03",
        name: "policies-without-rls",
        title: "Row-level security is enabled on every table that has policies",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for PoliciesWithoutRls {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let bound = Bound::new(context)?;
        let (databases, not_seen) = in_each(context, |database| {
            Ok((
                database,
                database.relations.here()?,
                database.policies.here()?,
                database.acls.here()?,
            ))
        })?;
        let mut count = 0;
        let mut findings = Vec::new();
        for (database, relations, policies, acls) in databases {
            let mut names: BTreeMap<Oid, Vec<String>> = BTreeMap::new();
            for policy in policies.value {
                names
                    .entry(policy.relation)
                    .or_default()
                    .push(quote_ident(&policy.name));
            }
            let grants = Grants::new(acls.value);
            for relation in relations
                .value
                .iter()
                .filter(|relation| relation.extension == 0)
            {
                let Some(names) = names.get(&relation.oid) else {
                    continue;
                };
                count += 1;
                if relation.row_security {
                    continue;
                }
                let name = relation.sql_name();
                let users = bound.users(relation, &grants);
                let (severity, open_to) = if users.is_empty() {
                    (
                        Severity::High,
                        "nobody but the owner is given access to it".to_owned(),
                    )
                } else {
                    (Severity::Critical, format!("open to {}", listed(&users)))
                };
                findings.push(Finding {
                    cause: "policies without effect: row-level security is not enabled".to_owned(),
                    detail: format!(
                        "{} {name} has {} ({}) and row-level security is not enabled; {open_to}",
                        relation.kind.as_str(),
                        if names.len() == 1 { "a policy" } else { "policies" },
                        listed(names),
                    ),
                    severity,
                    observations: vec![relations.from.clone(), policies.from.clone(), acls.from.clone()],
                    remediation: format!(
                        "ALTER TABLE {name} ENABLE ROW LEVEL SECURITY; ALTER TABLE {name} FORCE ROW LEVEL SECURITY;"
                    ),
                    subject: Subject::in_database(SubjectKind::Relation, database.name.clone(), name),
                });
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable("there are no policies".to_owned()));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "tables with policies",
            },
            findings,
            not_seen,
        })
    }
}
