//! From facts and policy to a [`Plan`]: what to change so that an audit passes.
//!
//! Pure: no clock, no environment, no filesystem, no network, no randomness. The same facts and policy give the same plan, so a
//! reviewer can make it again. Nothing is decided later: whoever applies a plan chooses nothing.
//!
//! One file a kind of change, in folders by area under `kinds/`. A kind looks at the open findings of the checks it knows and at
//! the facts, and proposes [`Draft`]s; [`plan`] gives them names, puts them in order and says what is left.

mod digest;
mod draft;
pub mod inference;
mod kind;
pub mod kinds;
mod order;
mod owning;
mod planning;
pub mod simulate;
mod taking;
mod what_if;

pub use digest::facts_digest;
pub use draft::Draft;
pub use kind::Kind;
pub use kinds::all as kinds;
pub use planning::{Login, Options, Planning, Problem};

use pgattest_checks::Context;
use pgattest_model::plan::{FactsDigest, Left, Plan, PlanTarget};
use pgattest_model::{Assessment, Facts, Missing, Policy};
use std::collections::BTreeSet;

/// What a plan is made from, beyond facts and policy.
#[derive(Debug)]
pub struct Origin {
    /// The cluster.
    pub target: PlanTarget,
    /// When the facts were collected: RFC 3339, UTC.
    pub facts_as_of: String,
    /// Their digest: [`facts_digest`].
    pub facts: FactsDigest,
    /// SHA-256 of the policy file, hex.
    pub policy_sha256: Option<String>,
    /// Version of pgattest.
    pub tool_version: String,
}

/// Plans the changes that close the open findings of an assessment of these facts by this policy.
pub fn plan(
    facts: &Facts,
    policy: &Policy,
    assessment: &Assessment,
    options: &Options,
    origin: Origin,
) -> Plan {
    let planning = Planning::new(Context::new(facts, policy), assessment, options);
    let Proposed { drafts, hindrances } =
        what_if::complete(&planning, &propose(&planning, |_| true));
    let changes = order::arrange(drafts);
    let closed: BTreeSet<_> = changes
        .iter()
        .flat_map(|change| &change.closes)
        .map(|closes| closes.fingerprint.clone())
        .collect();
    let left = planning
        .problems()
        .filter(|problem| !closed.contains(problem.fingerprint))
        .map(|problem| {
            let hindered = hindrances
                .iter()
                .find(|(kind, _)| kind.closes().contains(&problem.check));
            Left {
                finding: problem.closes(),
                why: match hindered {
                    Some((_, missing)) => format!("nothing could be planned: {}", missing.why),
                    None => problem.finding.remediation.clone(),
                },
            }
        })
        .collect();
    Plan {
        tool_version: origin.tool_version,
        target: origin.target,
        facts_as_of: origin.facts_as_of,
        facts: origin.facts,
        policy_sha256: origin.policy_sha256,
        changes,
        left,
    }
}

/// What kinds propose, and which of them could not look.
#[derive(Clone, Default)]
struct Proposed {
    /// With the names of their kinds.
    drafts: Vec<(&'static str, Draft)>,
    hindrances: Vec<(&'static dyn Kind, Missing)>,
}

impl Proposed {
    fn extend(&mut self, more: Self) {
        self.drafts.extend(more.drafts);
        self.hindrances.extend(more.hindrances);
    }
}

/// Asks the kinds that are concerned, and that somebody wants to ask.
fn propose(planning: &Planning<'_>, asked: impl Fn(&dyn Kind) -> bool) -> Proposed {
    let mut proposed = Proposed::default();
    for kind in kinds::all().filter(|kind| asked(*kind)) {
        let mut closes = kind.closes().iter();
        let is_concerned = closes.any(|check| planning.open(check).next().is_some());
        if !is_concerned && !kind.is_needed(planning) {
            continue;
        }
        match kind.propose(planning) {
            Ok(drafts) => {
                let drafts = drafts.into_iter().map(|draft| (kind.name(), draft));
                proposed.drafts.extend(drafts);
            }
            Err(missing) => proposed.hindrances.push((kind, missing)),
        }
    }
    proposed
}
