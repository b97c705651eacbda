//! Tables whose row-level security does not bind their owner.

use super::grants::Bound;
use super::{in_each, is_protected};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{DatabaseFacts, Relation};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};

declare_check! {
    /// ## What it checks
    /// Every table with row-level security also forces it on its owner. Severity is high when somebody whom policies would
    /// otherwise bind can act as the owner: the owner can log in, or a login role inherits the owner's privileges or can
    /// `SET ROLE` to it (inheriting is enough: no `SET ROLE` is needed to be exempt). It is low when nobody can: the owner is a
    /// superuser, whom `FORCE` does not bind, or a role that nobody reaches; one `GRANT` later it would be high. Tables that an
    /// extension made are left out.
    ///
    /// ## Why it matters
    /// An owner is exempt from its tables' policies unless they are forced. Applications often connect as the role that ran the
    /// migrations: then every policy is written, enabled, shown to the auditor, and never applied.
    ///
    /// ## How to fix it
    /// `ALTER TABLE orders FORCE ROW LEVEL SECURITY;`. Jobs that the owner runs across tenants will then see no rows: give them a
    /// role with `BYPASSRLS` of their own. `FORCE` is no barrier against an owner who wants round it (it can take it away again):
    /// the application must not connect as the owner.
    ///
    /// ## References
    /// - PostgreSQL 16 documentation, chapter 5.8, Row Security Policies; SQL command ALTER TABLE
    pub UnforcedTables {
        id: "RLS-02",
        name: "unforced-tables",
        title: "Row-level security is forced on the owner of every table that has it",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for UnforcedTables {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let bound = Bound::new(context)?;
        let roles = [
            context.facts.roles.here()?.from.clone(),
            context.facts.memberships.here()?.from.clone(),
        ];
        let (databases, not_seen) = in_each(context, |database| {
            Ok((database, database.relations.here()?))
        })?;
        let mut count = 0;
        let mut findings = Vec::new();
        for (database, relations) in databases {
            for relation in relations
                .value
                .iter()
                .filter(|relation| is_protected(relation))
            {
                count += 1;
                if !relation.force_row_security {
                    let mut observations = vec![relations.from.clone()];
                    observations.extend_from_slice(&roles);
                    findings.push(finding(&bound, database, relation, observations));
                }
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no table has row-level security".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "tables with row-level security",
            },
            findings,
            not_seen,
        })
    }
}

fn finding(
    bound: &Bound<'_>,
    database: &DatabaseFacts,
    relation: &Relation,
    observations: Vec<ObservationId>,
) -> Finding {
    let name = relation.sql_name();
    let owner = bound.owner(relation, database);
    let (cause, who, severity) = match bound.login(owner) {
        Some(login) if login.oid == owner => (
            "the owner of a table can log in and is exempt from its policies",
            format!("its owner {} can log in", bound.name(owner)),
            Severity::High,
        ),
        Some(login) => (
            "a login role acts as the owner of a table and is exempt from its policies",
            bound.path(login.oid, owner).map_or_else(
                || {
                    format!(
                        "{} reaches its owner {}",
                        quote_ident(&login.name),
                        bound.name(owner)
                    )
                },
                |path| format!("its owner is reached: {path}"),
            ),
            Severity::High,
        ),
        None => (
            "row-level security is not forced on an owner whom nobody reaches",
            format!(
                "nobody but superusers reaches its owner {} today",
                bound.name(owner)
            ),
            Severity::Low,
        ),
    };
    Finding {
        cause: cause.to_owned(),
        detail: format!(
            "{} {name} does not force row-level security and {who}",
            relation.kind.as_str()
        ),
        severity,
        observations,
        remediation: format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY;"),
        subject: Subject::in_database(SubjectKind::Relation, database.name.clone(), name),
    }
}
