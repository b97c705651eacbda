//! What was not visible, grouped by what would open it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use pgattest_model::{Audit, Missing, ObservationId};

/// Things that could not be seen and that one statement would open.
#[derive(Debug, Eq, PartialEq)]
pub struct Gap<'a> {
    /// The statement; `None` when there is none.
    pub grant: Option<&'a str>,
    /// Why each part was not visible, each reason once; never empty.
    pub whys: Vec<&'a str>,
    /// The observations that failed.
    pub observations: Vec<&'a ObservationId>,
    /// The checks that wanted it; empty when none does yet.
    pub wanted_by: Vec<&'static str>,
}

/// Everything that was not visible: what the collector reported and what any verdict names as unseen. What most checks
/// wanted comes first.
pub fn gaps(audit: &Audit) -> Vec<Gap<'_>> {
    let mut by_remedy: BTreeMap<Remedy<'_>, Parts<'_>> = BTreeMap::new();
    let reported = audit.not_visible.iter().flat_map(|entry| {
        let wanted = entry.wanted_by.iter().copied().map(Some);
        wanted
            .chain(std::iter::once(None))
            .map(|id| (&entry.missing, id))
    });
    let unseen = audit.assessment.checks.iter().flat_map(|result| {
        let id = result.meta.id;
        result
            .verdict
            .unseen()
            .iter()
            .map(move |missing| (missing, Some(id)))
    });
    for (missing, id) in reported.chain(unseen) {
        let parts = by_remedy.entry(Remedy::of(missing)).or_default();
        parts.whys.insert(&missing.why);
        parts.observations.extend(&missing.observation);
        parts.wanted_by.extend(id);
    }
    let mut gaps: Vec<Gap<'_>> = by_remedy
        .into_iter()
        .map(|(remedy, parts)| Gap {
            grant: remedy.grant(),
            whys: parts.whys.into_iter().collect(),
            observations: parts.observations.into_iter().collect(),
            wanted_by: parts.wanted_by.into_iter().collect(),
        })
        .collect();
    gaps.sort_by_key(|gap| Reverse(gap.wanted_by.len()));
    gaps
}

/// What makes two gaps one: the same statement opens both, or neither has one and the reason is the same.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Remedy<'a> {
    Statement(&'a str),
    None { why: &'a str },
}

#[derive(Default)]
struct Parts<'a> {
    whys: BTreeSet<&'a str>,
    observations: BTreeSet<&'a ObservationId>,
    wanted_by: BTreeSet<&'static str>,
}

impl<'a> Remedy<'a> {
    fn of(missing: &'a Missing) -> Self {
        missing
            .grant
            .as_deref()
            .map_or(Self::None { why: &missing.why }, Self::Statement)
    }

    const fn grant(&self) -> Option<&'a str> {
        match self {
            Self::Statement(grant) => Some(grant),
            Self::None { .. } => None,
        }
    }
}
