//! The shape that the reports for people share: findings grouped by cause, gaps grouped by what opens them, counts.
//!
//! Text and HTML render the same groups in the same order, so that two readers of two formats talk about the same thing.
//! Every order here is total: it depends on the audit's content, never on the order in which it was collected.

mod counts;
mod gaps;
mod groups;
mod rows;
mod waivers;
pub(crate) mod words;

pub use counts::{Counts, StatusCounts};
pub use gaps::{Gap, gaps};
pub use groups::{Group, Member, groups};
pub(crate) use groups::{NAME, members, order};
pub use rows::{ControlRow, CriterionRow, control_rows, criterion_rows};
pub use waivers::{WaiverRow, waiver_rows, waiver_states};

use pgattest_model::{CheckResult, Population, Status, Verdict};

/// What a check tested, where it tested anything.
pub const fn population(result: &CheckResult) -> Option<&Population> {
    match &result.verdict {
        Verdict::Assessed { population, .. } => Some(population),
        Verdict::NotApplicable(_) | Verdict::NotAssessed(_) => None,
    }
}

/// Why a check neither passed nor failed; `None` when it did, and when its findings are waived: the waivers say why.
pub fn reason(result: &CheckResult) -> Option<String> {
    match &result.verdict {
        Verdict::NotApplicable(why) => Some(why.clone()),
        Verdict::NotAssessed(missing) => Some(missing.why.clone()),
        Verdict::Assessed {
            findings, not_seen, ..
        } if findings.is_empty() || result.status() == Status::NotAssessed => {
            match not_seen.as_slice() {
                [] => None,
                [only] => Some(format!("part of the population was not seen: {}", only.why)),
                [first, rest @ ..] => Some(format!(
                    "{} parts of the population were not seen, among them: {}",
                    rest.len() + 1,
                    first.why
                )),
            }
        }
        Verdict::Assessed { .. } => None,
    }
}
