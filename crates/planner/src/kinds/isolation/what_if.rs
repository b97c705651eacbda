//! What the checks would say of facts that are not so yet.

use pgattest_checks::{CHECKS, Context};
use pgattest_model::facts::{DatabaseFacts, Oid, Policy as RlsPolicy, Relation};
use pgattest_model::{Collected, Facts, Finding, Policy, Subject};
use std::collections::BTreeMap;

/// Facts as they would be after a change.
pub(super) struct WhatIf {
    pub(super) facts: Facts,
}

/// Findings, by check and subject.
pub(super) type Found = BTreeMap<(&'static str, Subject), Finding>;

impl WhatIf {
    pub(super) fn new(facts: &Facts) -> Self {
        Self {
            facts: facts.clone(),
        }
    }

    /// What these checks report. A check that cannot judge reports nothing.
    pub(super) fn findings(&self, policy: &Policy, checks: &[&str]) -> Found {
        findings(&Context::new(&self.facts, policy), checks)
    }

    pub(super) fn change_relation(
        &mut self,
        database: Oid,
        relation: Oid,
        change: impl FnOnce(&mut Relation),
    ) {
        if let Some(DatabaseFacts {
            relations: Collected::Here { value, .. },
            ..
        }) = self.database(database)
            && let Some(row) = value.iter_mut().find(|row| row.oid == relation)
        {
            change(row);
        }
    }

    pub(super) fn change_policies(
        &mut self,
        database: Oid,
        change: impl FnOnce(&mut Vec<RlsPolicy>),
    ) {
        if let Some(DatabaseFacts {
            policies: Collected::Here { value, .. },
            ..
        }) = self.database(database)
        {
            change(value);
        }
    }

    fn database(&mut self, database: Oid) -> Option<&mut DatabaseFacts> {
        self.facts.inside.iter_mut().find(|row| row.oid == database)
    }
}

/// What these checks report of what is so.
pub(super) fn findings(context: &Context<'_>, checks: &[&str]) -> Found {
    CHECKS
        .iter()
        .filter(|check| checks.contains(&check.meta().id))
        .filter_map(|check| Some((check.meta().id, check.assess(context).ok()?)))
        .flat_map(|(id, verdict)| {
            verdict
                .findings()
                .iter()
                .map(|finding| ((id, finding.subject.clone()), finding.clone()))
                .collect::<Vec<_>>()
        })
        .collect()
}
