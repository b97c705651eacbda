//! Rules and triggers that copy protected rows to where no policy is.

use super::family::Family;
use super::grants::{Bound, Grants, listed};
use super::{in_each, is_protected};
use crate::check::{Check, declare_check};
use crate::context::Context;
use crate::tenancy::is_listed;
use pgattest_model::facts::{Oid, Relation};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

declare_check! {
    /// ## What it checks
    /// No rewrite rule and no trigger of a table with row-level security writes into a table that has none and that somebody whom
    /// policies bind may read. Rules tell which tables they insert into or update. Of trigger functions in SQL and PL/pgSQL the
    /// names after `INSERT INTO` and `UPDATE` are looked up inside the server; a function that puts statements together when it runs
    /// (`EXECUTE`), or is written in another language, does not tell, and its trigger is then listed as not seen. Disabled rules
    /// and triggers are left out, and so are tables listed in `tenancy.shared`.
    ///
    /// Whether the copied columns hold anything of the tenant is not looked at. A table that is multi-tenant itself is RLS-01's
    /// subject too; this check says how the rows get there.
    ///
    /// ## Why it matters
    /// Audit logs, histories, outboxes and search tables are filled by triggers and forgotten by whoever writes policies: the row
    /// is protected in `orders` and open in `orders_history`, before and after every change.
    ///
    /// ## How to fix it
    /// Take `SELECT` away from those who only need the rows to be written (`INSERT` is enough, or a `SECURITY DEFINER` trigger
    /// function), or give the copy the tenant's column and policies of its own.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 41.4, Rules on INSERT, UPDATE, and DELETE; chapter 39, Triggers; chapter 5.8, Row
    ///   Security Policies (numbers of version 15)
    pub CopiedRows {
        id: "RLS-20",
        name: "copied-rows",
        title: "No rule or trigger copies protected rows to where everybody reads them",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for CopiedRows {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let bound = Bound::new(context)?;
        let (databases, mut not_seen) = in_each(context, |database| {
            Ok((
                database,
                (
                    database.relations.here()?,
                    database.inheritance.here()?,
                    database.acls.here()?,
                ),
                (database.rules.here()?, database.rule_writes.here()?),
                (database.triggers.here()?, database.trigger_writes.here()?),
            ))
        })?;
        let mut count = 0;
        let mut findings = Vec::new();
        for (
            database,
            (relations, inheritance, acls),
            (rules, rule_writes),
            (triggers, trigger_writes),
        ) in databases
        {
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
            let grants = Grants::new(acls.value);
            let mut written: BTreeMap<Oid, Vec<Oid>> = BTreeMap::new();
            for row in rule_writes.value {
                written.entry(row.rule).or_default().push(row.writes);
            }
            let mut written_by_function: BTreeMap<Oid, Vec<Oid>> = BTreeMap::new();
            for row in trigger_writes.value {
                written_by_function
                    .entry(row.function)
                    .or_default()
                    .push(row.writes);
            }
            let ways = rules
                .iter()
                .filter(|rule| rule.enabled != "D")
                .map(|rule| ("rule", rule.relation, &rule.name, written.get(&rule.oid)))
                .chain(
                    triggers
                        .iter()
                        .filter(|trigger| trigger.enabled != "D")
                        .map(|trigger| {
                            (
                                "trigger",
                                trigger.relation,
                                &trigger.name,
                                written_by_function.get(&trigger.function),
                            )
                        }),
                );
            let mut silent = BTreeSet::new();
            for (kind, on, name, writes) in ways {
                let Some(from) = by_oid.get(&on).filter(|from| enabled.contains(&from.oid)) else {
                    continue;
                };
                count += 1;
                let way = format!("{kind} {} ON {}", quote_ident(name), from.sql_name());
                for to in writes.into_iter().flatten() {
                    if *to == 0 {
                        silent.insert(way.clone());
                        continue;
                    }
                    let Some(copy) = by_oid.get(to) else { continue };
                    let is_open = !copy.row_security
                        && copy.extension == 0
                        && !family.descends_from(copy.oid, &enabled)
                        && !is_listed(&context.policy.tenancy.shared, database, copy);
                    let readers = bound.readers(copy, &grants);
                    if !is_open || readers.is_empty() {
                        continue;
                    }
                    let copy_name = copy.sql_name();
                    findings.push(Finding {
                        cause: format!("a {kind} copies rows that policies protect into a table without policies"),
                        detail: format!(
                            "{way} writes into {copy_name}, which has no row-level security and can be read by {}",
                            listed(&readers)
                        ),
                        severity: Severity::High,
                        observations: vec![
                            relations.from.clone(),
                            rules.from.clone(),
                            rule_writes.from.clone(),
                            triggers.from.clone(),
                            trigger_writes.from.clone(),
                            inheritance.from.clone(),
                            acls.from.clone(),
                        ],
                        remediation: format!("REVOKE SELECT ON {copy_name} FROM {};", listed(&readers)),
                        subject: Subject::in_database(
                            SubjectKind::Relation,
                            database.name.clone(),
                            format!("{copy_name} by {way}"),
                        ),
                    });
                }
            }
            if !silent.is_empty() {
                let ways: Vec<String> = silent.into_iter().collect();
                not_seen.push(Missing::because(format!(
                    "in database {} the functions' text does not tell what is written by {}",
                    quote_ident(&database.name),
                    listed(&ways)
                )));
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no table with row-level security has rules or triggers".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "rules and triggers of tables with row-level security",
            },
            findings,
            not_seen,
        })
    }
}
