//! The whole result of an audit: what every report renders and every verifier recomputes.

use crate::collected::Missing;
use crate::control::{Control, ControlStatus};
use crate::finding::Fingerprint;
use crate::meta::Meta;
use crate::observation::Observation;
use crate::verdict::{Status, Verdict};
use crate::version::ServerVersion;

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
            .filter(|result| result.verdict.status() == status)
            .count()
    }
}
