//! The policy against the cluster: which waivers accept which findings, and which names in the file nothing has.
//!
//! Pure like the rest: the day on which waivers are judged is an argument. Whoever verifies passes the day of the audit, and
//! gets the same states years later.

mod known;
mod names;
mod nearest;
mod pattern;
#[cfg(test)]
mod tests;
mod waivers;

use crate::assess::conclude_all;
use known::Known;
use pgattest_model::{Assessment, Date, Facts, Policy};

/// Applies the policy's waivers to an assessment, concludes on the controls again, and says what is to be said about the file.
///
/// Without it nothing is accepted: every finding stays open.
pub fn review_policy(assessment: &mut Assessment, facts: &Facts, policy: &Policy, as_of: Date) {
    let known = Known::of(facts);
    assessment.waivers_as_of = Some(as_of);
    assessment.diagnostics = waivers::apply(assessment, policy, &known, as_of);
    assessment
        .diagnostics
        .extend(names::unknown(policy, &known));
    assessment
        .diagnostics
        .sort_by_key(|diagnostic| diagnostic.place);
    assessment.controls = conclude_all(&assessment.checks, &assessment.waivers);
}
