//! What assessing one check on one target concluded.

use crate::collected::Missing;
use crate::finding::Finding;

/// The conclusion of one check on one target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Objects were tested. It passed when nothing was found *and* nothing was left unseen.
    Assessed {
        /// What was tested.
        population: Population,
        /// Those that failed.
        findings: Vec<Finding>,
        /// Parts of the population that could not be seen (a database that was not reached). With no finding, any entry here
        /// makes the verdict `not assessed`.
        not_seen: Vec<Missing>,
    },
    /// The rule has no subject here.
    NotApplicable(String),
    /// The facts needed could not be read: never a pass.
    NotAssessed(Missing),
}

/// How many of what were tested. A pass always says it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Population {
    /// How many were tested.
    pub count: usize,
    /// What they are, in the plural: `login roles`.
    pub of: &'static str,
}

/// A verdict in one word.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[allow(missing_docs, reason = "the words are the documentation")]
pub enum Status {
    Fail,
    NotAssessed,
    Waived,
    Pass,
    NotApplicable,
}

impl Verdict {
    /// Everything in the population was seen and tested.
    pub fn assessed(count: usize, of: &'static str, findings: Vec<Finding>) -> Self {
        Self::Assessed {
            population: Population { count, of },
            findings,
            not_seen: Vec::new(),
        }
    }

    /// The verdict in one word, with no waiver considered: [`crate::CheckResult::status`] considers them.
    pub fn status(&self) -> Status {
        match self {
            Self::Assessed { findings, .. } if !findings.is_empty() => Status::Fail,
            Self::Assessed { not_seen, .. } if !not_seen.is_empty() => Status::NotAssessed,
            Self::Assessed { .. } => Status::Pass,
            Self::NotApplicable(_) => Status::NotApplicable,
            Self::NotAssessed(_) => Status::NotAssessed,
        }
    }

    /// What breaks the rule, accepted by a waiver or not.
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Assessed { findings, .. } => findings,
            Self::NotApplicable(_) | Self::NotAssessed(_) => &[],
        }
    }

    /// What was not seen, whole or in part.
    pub fn unseen(&self) -> &[Missing] {
        match self {
            Self::Assessed { not_seen, .. } => not_seen,
            Self::NotAssessed(missing) => std::slice::from_ref(missing),
            Self::NotApplicable(_) => &[],
        }
    }
}

impl Status {
    /// The word of the JSON contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::NotAssessed => "not_assessed",
            Self::Waived => "waived",
            Self::Pass => "pass",
            Self::NotApplicable => "not_applicable",
        }
    }

    /// The words for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::NotAssessed => "not assessed",
            Self::Waived => "waived",
            Self::Pass => "pass",
            Self::NotApplicable => "not applicable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Population, Status, Verdict};
    use crate::collected::Missing;

    #[test]
    fn an_unseen_part_is_never_a_pass() {
        let verdict = Verdict::Assessed {
            population: Population {
                count: 3,
                of: "tables",
            },
            findings: vec![],
            not_seen: vec![Missing::because("database `b` was not reached")],
        };
        assert_eq!(verdict.status(), Status::NotAssessed);
        assert_eq!(
            Verdict::assessed(3, "tables", vec![]).status(),
            Status::Pass
        );
    }
}
