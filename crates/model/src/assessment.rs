//! The whole result of an audit: what every report renders and every verifier recomputes.

use crate::collected::Missing;
use crate::control::{Control, ControlStatus};
use crate::date::Date;
use crate::diagnostic::Diagnostic;
use crate::finding::{Finding, Fingerprint};
use crate::meta::Meta;
use crate::observation::Observation;
use crate::verdict::{Status, Verdict};
use crate::version::ServerVersion;
use crate::waiver::WaiverResult;

/// An audit of one target.
#[derive(Debug)]
pub struct Audit {
    /// What was audited.
    pub target: TargetIdentity,
    /// When and with what.
    pub run: Run,
    /// What was concluded.
    pub assessment: Assessment,
    /// Everything that was looked at, in the order of collection.
    pub observations: Vec<Observation>,
    /// What could not be looked at.
    pub not_visible: Vec<NotVisible>,
}

/// Which cluster was audited. Empty strings stand for what the server did not say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TargetIdentity {
    /// The name to call it by: host and port, or socket.
    pub name: String,
    /// Unique to the cluster since its `initdb`; kept by physical copies.
    pub system_identifier: String,
    /// `None` when the server could not be asked.
    pub version: Option<ServerVersion>,
    /// The server's own description of itself (`version()`).
    pub version_text: String,
    /// Whether it was a standby.
    pub in_recovery: bool,
    /// The role that looked.
    pub role: String,
    /// The databases that were looked into, by name.
    pub databases: Vec<String>,
    /// What kind of service runs it: `self-hosted`, `rds`, `cloud-sql`, `azure`.
    pub flavour: String,
}

/// The act of auditing. Times are RFC 3339 in UTC, milliseconds kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Run {
    /// `pgattest` version.
    pub tool_version: String,
    /// The collector's clock when it began.
    pub started_at: String,
    /// The collector's clock when the last observation was complete.
    pub finished_at: String,
    /// Collector's clock minus server's clock, in milliseconds, measured at the first query; `None` when not measured.
    pub clock_skew_ms: Option<i64>,
    /// Whether a policy file was given; without one the policy is inferred.
    pub policy_given: bool,
}

/// Verdicts and what they mean for controls.
#[derive(Debug)]
pub struct Assessment {
    /// One result a check, in the registry's order.
    pub checks: Vec<CheckResult>,
    /// One result a control, in the checklist's order.
    pub controls: Vec<ControlResult>,
    /// One result a waiver of the policy, in the order of the file.
    pub waivers: Vec<WaiverResult>,
    /// The day on which the waivers were judged; `None` when none was considered.
    pub waivers_as_of: Option<Date>,
    /// What is to be said about the policy file, by place.
    pub diagnostics: Vec<Diagnostic>,
}

/// One check's verdict.
#[derive(Debug)]
pub struct CheckResult {
    /// The check.
    pub meta: &'static Meta,
    /// Its verdict.
    pub verdict: Verdict,
    /// One fingerprint for each finding of the verdict, in the same order.
    pub fingerprints: Vec<Fingerprint>,
    /// For each finding, in the same order, the waiver that accepts it (its place in [`Assessment::waivers`]). A finding
    /// beyond the end is open.
    pub waived: Vec<Option<usize>>,
}

/// One control's conclusion.
#[derive(Debug)]
pub struct ControlResult {
    /// The control.
    pub control: &'static Control,
    /// The conclusion.
    pub status: ControlStatus,
    /// Why, in one sentence without a period.
    pub reason: String,
}

/// Something that could not be looked at, once, with every check that would have used it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NotVisible {
    /// What was missing and what would open it.
    pub missing: Missing,
    /// Identifiers of the checks that wanted it; empty when none does yet.
    pub wanted_by: Vec<&'static str>,
}

impl Assessment {
    /// How many checks ended with this status.
    pub fn count(&self, status: Status) -> usize {
        self.checks
            .iter()
            .filter(|result| result.status() == status)
            .count()
    }
}

impl CheckResult {
    /// The verdict in one word. Findings that are all accepted make it `waived`; together with an unseen part they leave it
    /// `not assessed`, because nobody accepts what nobody saw.
    pub fn status(&self) -> Status {
        match self.verdict.status() {
            Status::Fail if self.open().next().is_some() => Status::Fail,
            Status::Fail if self.verdict.unseen().is_empty() => Status::Waived,
            Status::Fail => Status::NotAssessed,
            other => other,
        }
    }

    /// The findings that no waiver accepts.
    pub fn open(&self) -> impl Iterator<Item = &Finding> {
        self.with_waivers()
            .filter_map(|(finding, waiver)| waiver.is_none().then_some(finding))
    }

    /// The findings that a waiver accepts, with its place in [`Assessment::waivers`].
    pub fn accepted(&self) -> impl Iterator<Item = (&Finding, usize)> {
        self.with_waivers()
            .filter_map(|(finding, waiver)| Some((finding, waiver?)))
    }

    /// Every finding, with the place in [`Assessment::waivers`] of the waiver that accepts it.
    pub fn with_waivers(&self) -> impl Iterator<Item = (&Finding, Option<usize>)> {
        let waivers = self.waived.iter().copied().chain(std::iter::repeat(None));
        self.verdict.findings().iter().zip(waivers)
    }
}

#[cfg(test)]
mod tests {
    use super::CheckResult;
    use crate::Missing;
    use crate::criterion::Criterion;
    use crate::finding::{Finding, Subject, SubjectKind};
    use crate::meta::{Area, Meta, Responsibility};
    use crate::observation::ObservationId;
    use crate::severity::Severity;
    use crate::verdict::{Population, Status, Verdict};

    static META: Meta = Meta {
        id: "ROL-01",
        name: "superuser-roles",
        title: "",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
        docs: "",
    };

    fn status(waived: &[Option<usize>], not_seen: &[Missing]) -> Status {
        let finding = |name: &str| Finding {
            subject: Subject::cluster(SubjectKind::Role, name),
            cause: "cause".to_owned(),
            detail: "detail".to_owned(),
            severity: Severity::High,
            observations: vec![ObservationId::cluster("roles")],
            remediation: "fix".to_owned(),
        };
        let result = CheckResult {
            meta: &META,
            verdict: Verdict::Assessed {
                population: Population {
                    count: 2,
                    of: "roles",
                },
                findings: vec![finding("a"), finding("b")],
                not_seen: not_seen.to_vec(),
            },
            fingerprints: Vec::new(),
            waived: waived.to_vec(),
        };
        result.status()
    }

    #[test]
    fn an_accepted_risk_is_waived_and_never_a_pass() {
        assert_eq!(status(&[Some(0), Some(0)], &[]), Status::Waived);
        assert_eq!(status(&[Some(0), None], &[]), Status::Fail);
        assert_eq!(status(&[Some(0)], &[]), Status::Fail);
        assert_eq!(status(&[], &[]), Status::Fail);
    }

    #[test]
    fn nobody_accepts_what_nobody_saw() {
        let unseen = [Missing::because("database `b` was not reached")];
        assert_eq!(status(&[Some(0), Some(1)], &unseen), Status::NotAssessed);
        assert_eq!(status(&[Some(0), None], &unseen), Status::Fail);
    }
}
