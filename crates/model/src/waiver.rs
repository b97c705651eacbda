//! Accepted risks: findings that somebody answers for until a day.

use crate::date::Date;
use crate::finding::{Fingerprint, Subject};
use crate::policy::Place;
use crate::severity::Severity;

/// One `[[waiver]]` of the policy file. It accepts findings of one check; it never makes anything pass.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Waiver {
    /// Identifier or name of the check, as written.
    pub check: String,
    /// Which of the check's findings.
    pub covers: Covers,
    /// The database of the subject; `None`: any, and what the cluster shares.
    pub database: Option<String>,
    /// Why the risk is accepted.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// Who accepted it.
    pub approver: String,
    /// What lowers the risk meanwhile; `None`: nothing was named.
    pub compensating_control: Option<String>,
    /// The day it was accepted.
    pub issued: Option<Date>,
    /// The last day, in UTC, on which it is in force.
    pub expires: Date,
    /// Where it is written.
    pub places: WaiverPlaces,
}

/// Which findings a waiver covers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Covers {
    /// Those whose subject has this name. `*` stands for any characters, `\*` for an asterisk.
    Subject(String),
    /// The one with this fingerprint.
    Fingerprint(String),
}

/// Where the parts of a waiver are in the policy file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WaiverPlaces {
    /// The whole entry.
    pub entry: Place,
    /// The value of `check`.
    pub check: Place,
    /// The value of `subject` or `fingerprint`.
    pub covers: Place,
    /// The value of `database`; that of `covers` where there is none.
    pub database: Place,
    /// The value of `expires`.
    pub expires: Place,
}

/// What became of a waiver in one audit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WaiverResult {
    /// The waiver.
    pub waiver: Waiver,
    /// Identifier of its check; `None` when no check is called so.
    pub check: Option<&'static str>,
    /// Its state.
    pub state: WaiverState,
    /// Why it is in that state: one sentence, no period.
    pub why: String,
    /// The findings it accepts; for an expired one, those it would. By the order of the verdict.
    pub covered: Vec<Covered>,
}

/// A finding that a waiver covers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Covered {
    /// What it is about.
    pub subject: Subject,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub cause: String,
    /// Its name across runs.
    pub fingerprint: Fingerprint,
}

/// The four states of a waiver.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum WaiverState {
    /// Its day has passed: it accepts nothing.
    Expired,
    /// It names a check or a subject that does not exist.
    Unknown,
    /// It covers nothing: the finding is gone.
    Unused,
    /// It accepts at least one finding.
    Used,
}

impl WaiverState {
    /// Every state, what needs attention first.
    pub const ALL: [Self; 4] = [Self::Expired, Self::Unknown, Self::Unused, Self::Used];

    /// The word, in reports and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::Unused => "unused",
            Self::Used => "used",
        }
    }
}

impl Covers {
    /// The name, pattern or fingerprint, as written.
    pub fn text(&self) -> &str {
        match self {
            Self::Subject(text) | Self::Fingerprint(text) => text,
        }
    }
}
