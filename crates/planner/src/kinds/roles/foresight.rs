//! What the checks would say of other facts: a change is tried on a copy before it is proposed.

use crate::planning::Planning;
use pgattest_checks::{CHECKS, Context};
use pgattest_model::facts::{Oid, Role, RoleSetting};
use pgattest_model::{Collected, Facts, Finding, Status};

/// The facts of a plan, to be changed.
pub(super) struct Foresight<'p, 'a> {
    planning: &'p Planning<'a>,
    facts: Facts,
}

impl<'p, 'a> Foresight<'p, 'a> {
    /// The facts as they are.
    pub(super) fn new(planning: &'p Planning<'a>) -> Self {
        Self {
            planning,
            facts: planning.context.facts.clone(),
        }
    }

    /// Changes the role with the same identifier.
    pub(super) fn change_role(&mut self, oid: Oid, change: impl FnOnce(&mut Role)) {
        if let Some(role) = rows(&mut self.facts.roles)
            .iter_mut()
            .find(|role| role.oid == oid)
        {
            change(role);
        }
    }

    /// The settings of roles and databases.
    pub(super) fn role_settings(&mut self) -> &mut [RoleSetting] {
        rows(&mut self.facts.role_settings)
    }

    /// Whether a check would still report this subject. A check that could not be assessed would.
    pub(super) fn reports(&self, check: &str, subject: &str) -> bool {
        let context = Context::new(&self.facts, self.planning.context.policy);
        let Some(check) = pgattest_checks::registry::find(check) else {
            return true;
        };
        check.assess(&context).map_or(true, |verdict| {
            verdict
                .findings()
                .iter()
                .any(|finding| finding.subject.name == subject)
        })
    }

    /// What checks of roles that pass would report: a superuser hides what is wrong with a role.
    pub(super) fn reveals(&self) -> Vec<(&'static str, Finding)> {
        let context = Context::new(&self.facts, self.planning.context.policy);
        let passes = |id: &str| {
            self.planning
                .assessment
                .checks
                .iter()
                .any(|result| result.meta.id == id && result.status() != Status::Fail)
        };
        CHECKS
            .iter()
            .filter(|check| check.meta().id.starts_with("ROL-") && passes(check.meta().id))
            .filter_map(|check| Some((check.meta().id, check.assess(&context).ok()?)))
            .flat_map(|(id, verdict)| {
                let findings = verdict.findings().to_vec();
                findings.into_iter().map(move |finding| (id, finding))
            })
            .collect()
    }
}

/// The rows of a group; none of one that is missing.
fn rows<T>(group: &mut Collected<Vec<T>>) -> &mut [T] {
    match group {
        Collected::Here { value, .. } => value,
        Collected::Missing(_) => &mut [],
    }
}
