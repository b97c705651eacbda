//! How many of what.

use pgattest_model::{Audit, Severity, Status};

/// The numbers of an audit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Checks by verdict.
    pub checks: StatusCounts,
    /// Controls by verdict.
    pub controls: StatusCounts,
    /// Open findings by severity, in the order of `Severity::WORST_FIRST`.
    pub findings: [usize; 4],
    /// Findings that waivers accept; not among those above.
    pub waived_findings: usize,
}

/// How many ended with each status.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StatusCounts {
    /// Failed.
    pub fail: usize,
    /// Not assessed.
    pub not_assessed: usize,
    /// Failed, and every finding accepted by a waiver.
    pub waived: usize,
    /// Passed.
    pub pass: usize,
    /// Not applicable.
    pub not_applicable: usize,
}

impl Counts {
    /// Counts an audit.
    pub fn of(audit: &Audit) -> Self {
        let findings = Severity::WORST_FIRST.map(|severity| {
            let all = audit
                .assessment
                .checks
                .iter()
                .flat_map(pgattest_model::CheckResult::open);
            all.filter(|finding| finding.severity == severity).count()
        });
        Self {
            checks: StatusCounts::of(
                audit
                    .assessment
                    .checks
                    .iter()
                    .map(pgattest_model::CheckResult::status),
            ),
            controls: StatusCounts::of(
                audit.assessment.controls.iter().map(|result| result.status),
            ),
            findings,
            waived_findings: audit
                .assessment
                .checks
                .iter()
                .map(|result| result.accepted().count())
                .sum(),
        }
    }

    /// Open findings of every severity.
    pub fn all_findings(&self) -> usize {
        self.findings.iter().sum()
    }

    /// Each severity with its count, the worst first.
    pub fn by_severity(&self) -> impl Iterator<Item = (Severity, usize)> {
        Severity::WORST_FIRST.into_iter().zip(self.findings)
    }
}

impl StatusCounts {
    fn of(statuses: impl Iterator<Item = Status>) -> Self {
        statuses.fold(Self::default(), |mut counts, status| {
            match status {
                Status::Fail => counts.fail += 1,
                Status::NotAssessed => counts.not_assessed += 1,
                Status::Waived => counts.waived += 1,
                Status::Pass => counts.pass += 1,
                Status::NotApplicable => counts.not_applicable += 1,
            }
            counts
        })
    }

    /// All of them.
    pub const fn total(&self) -> usize {
        self.fail + self.not_assessed + self.waived + self.pass + self.not_applicable
    }

    /// Each status with its count, what needs attention first.
    pub const fn each(&self) -> [(Status, usize); 5] {
        [
            (Status::Fail, self.fail),
            (Status::NotAssessed, self.not_assessed),
            (Status::Waived, self.waived),
            (Status::Pass, self.pass),
            (Status::NotApplicable, self.not_applicable),
        ]
    }
}
