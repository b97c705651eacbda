//! Controls and criteria with the checks that give evidence for them.

use pgattest_model::{Audit, CheckResult, ControlResult, Criterion, Status};

use super::{population, words};

/// A control with the results of the checks it requires.
#[derive(Debug)]
pub struct ControlRow<'a> {
    /// The control and its conclusion.
    pub result: &'a ControlResult,
    /// The results of the required checks, in the control's order; a check that did not run is absent.
    pub checks: Vec<&'a CheckResult>,
}

/// A criterion with the results of the checks that give evidence for it.
#[derive(Debug)]
pub struct CriterionRow<'a> {
    /// The criterion.
    pub criterion: Criterion,
    /// The results, in the registry's order; empty when no check gives evidence for it yet.
    pub checks: Vec<&'a CheckResult>,
}

/// The controls by number.
pub fn control_rows(audit: &Audit) -> Vec<ControlRow<'_>> {
    let mut rows: Vec<ControlRow<'_>> = audit
        .assessment
        .controls
        .iter()
        .map(|result| {
            let find = |id: &&str| {
                audit
                    .assessment
                    .checks
                    .iter()
                    .find(|check| check.meta.id == *id)
            };
            ControlRow {
                result,
                checks: result.control.requires.iter().filter_map(find).collect(),
            }
        })
        .collect();
    rows.sort_by_key(|row| (row.result.control.number, row.result.control.name));
    rows
}

/// Every criterion in the framework's order, also those without evidence: what is not covered is said, not left out.
pub fn criterion_rows(audit: &Audit) -> Vec<CriterionRow<'_>> {
    Criterion::ALL
        .into_iter()
        .map(|criterion| {
            let gives_evidence = |check: &&CheckResult| check.meta.criteria.contains(&criterion);
            CriterionRow {
                criterion,
                checks: audit
                    .assessment
                    .checks
                    .iter()
                    .filter(gives_evidence)
                    .collect(),
            }
        })
        .collect()
}

impl ControlRow<'_> {
    /// What the required checks tested: `ROL-01 tested 14 login roles`. A pass is never shown without it.
    pub fn tested(&self) -> Vec<String> {
        let tested = |check: &&CheckResult| {
            Some(format!(
                "{} {}",
                check.meta.id,
                words::tested(population(check)?)
            ))
        };
        self.checks.iter().filter_map(tested).collect()
    }
}

impl CriterionRow<'_> {
    /// Identifiers of the checks that ended with this status.
    pub fn with(&self, status: Status) -> Vec<&'static str> {
        let of_status = |check: &&&CheckResult| check.status() == status;
        self.checks
            .iter()
            .filter(of_status)
            .map(|check| check.meta.id)
            .collect()
    }
}
