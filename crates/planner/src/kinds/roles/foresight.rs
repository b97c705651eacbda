//! What the checks would say of other facts: a change is tried on a copy before it is proposed.

use crate::planning::Planning;
use pgattest_checks::Context;
use pgattest_model::facts::RoleSetting;
use pgattest_model::{Collected, Facts};

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
}

/// The rows of a group; none of one that is missing.
fn rows<T>(group: &mut Collected<Vec<T>>) -> &mut [T] {
    match group {
        Collected::Here { value, .. } => value,
        Collected::Missing(_) => &mut [],
    }
}
