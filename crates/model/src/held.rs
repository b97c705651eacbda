//! Whether a plan held: what an audit after applying it says of what it claimed.

use crate::assessment::{Assessment, CheckResult};
use crate::finding::{Finding, Fingerprint};
use crate::plan::{Closes, Plan, Risk};
use crate::verdict::Status;
use std::collections::BTreeSet;

/// A plan's claims against the audits before and after it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Held {
    /// Findings that were open, that the plan claimed to close, and that are gone.
    pub closed: Vec<Closes>,
    /// Findings that it claimed to close and that are still open, or that nobody can tell any more.
    pub not_closed: Vec<Closes>,
    /// Checks that passed before and fail now, by identifier.
    pub broken: Vec<String>,
    /// Findings that were not there before, of checks that did not pass before.
    pub appeared: Vec<Closes>,
}

impl Held {
    /// Compares. What is done by hand is nobody's claim.
    pub fn of(plan: &Plan, before: &Assessment, after: &Assessment) -> Self {
        let mut held = Self::default();
        let claims: BTreeSet<&Closes> = plan
            .changes
            .iter()
            .filter(|change| change.risk != Risk::ByHand)
            .flat_map(|change| &change.closes)
            .collect();
        for claim in claims {
            let is_gone = result(after, &claim.check).is_some_and(|result| {
                // A check that could not look has not seen that the finding is gone.
                matches!(
                    result.status(),
                    Status::Pass | Status::NotApplicable | Status::Waived
                ) || (result.status() == Status::Fail
                    && !result.fingerprints.contains(&claim.fingerprint))
            });
            if is_gone {
                held.closed.push(claim.clone());
            } else {
                held.not_closed.push(claim.clone());
            }
        }
        for now in &after.checks {
            let was = result(before, now.meta.id);
            if now.status() != Status::Fail {
                continue;
            }
            if was.is_some_and(|was| was.status() == Status::Pass) {
                held.broken.push(now.meta.id.to_owned());
                continue;
            }
            let known: BTreeSet<&Fingerprint> =
                was.into_iter().flat_map(|was| &was.fingerprints).collect();
            held.appeared.extend(
                findings(now)
                    .filter(|(fingerprint, _)| !known.contains(fingerprint))
                    .map(|(fingerprint, finding)| Closes {
                        check: now.meta.id.to_owned(),
                        subject: finding.subject.clone(),
                        fingerprint: fingerprint.clone(),
                    }),
            );
        }
        held
    }

    /// Whether every claim holds and nothing that passed fails.
    pub fn is_good(&self) -> bool {
        self.not_closed.is_empty() && self.broken.is_empty()
    }
}

fn result<'a>(assessment: &'a Assessment, check: &str) -> Option<&'a CheckResult> {
    assessment
        .checks
        .iter()
        .find(|result| result.meta.id == check)
}

/// The findings that no waiver accepts.
fn findings(result: &CheckResult) -> impl Iterator<Item = (&Fingerprint, &Finding)> {
    result
        .fingerprints
        .iter()
        .zip(result.with_waivers())
        .filter(|(_, (_, waiver))| waiver.is_none())
        .map(|(fingerprint, (finding, _))| (fingerprint, finding))
}
