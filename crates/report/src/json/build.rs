//! From the model to the contract.

use pgattest_model::{Audit, CheckResult, ControlResult, Missing, Severity, Status};

use super::SCHEMA;
use super::document::{
    Check, Checklist, Control, Criterion, CriterionCheck, Document, Finding, FindingCounts,
    NotVisible, Observation, Outcome, PolicySource, Population, SeverityWord, Subject, SubjectKind,
    Summary, Target, Tool, Unseen, VerdictCounts, VerdictWord,
};
use super::waivers;
use crate::view::{self, Counts, Member, StatusCounts};

pub(super) fn document(audit: &Audit) -> Document<'_> {
    let run = &audit.run;
    let controls = view::control_rows(audit);
    let mut observations: Vec<&pgattest_model::Observation> = audit.observations.iter().collect();
    // Databases are read concurrently: the order of collection is not the same twice.
    observations.sort_by(|a, b| (&a.id, &a.started_at).cmp(&(&b.id, &b.started_at)));
    let mut not_visible: Vec<&pgattest_model::NotVisible> = audit.not_visible.iter().collect();
    not_visible.sort_by(|a, b| (&a.missing, &a.wanted_by).cmp(&(&b.missing, &b.wanted_by)));
    Document {
        schema: SCHEMA,
        tool: Tool {
            name: "pgattest",
            version: &run.tool_version,
        },
        target: target(&audit.target),
        started_at: &run.started_at,
        finished_at: &run.finished_at,
        clock_skew_ms: run.clock_skew_ms,
        policy: if run.policy_given {
            PolicySource::Given
        } else {
            PolicySource::Inferred
        },
        summary: summary(audit),
        checklist: controls.iter().map(|row| checklist(row.result)).collect(),
        controls: controls.iter().map(|row| control(row.result)).collect(),
        criteria: view::criterion_rows(audit).iter().map(criterion).collect(),
        checks: audit.assessment.checks.iter().map(check).collect(),
        waivers: audit
            .assessment
            .waivers
            .iter()
            .map(waivers::waiver)
            .collect(),
        waivers_as_of: audit.assessment.waivers_as_of.map(|day| day.to_string()),
        policy_diagnostics: audit
            .assessment
            .diagnostics
            .iter()
            .map(waivers::diagnostic)
            .collect(),
        not_visible: not_visible.into_iter().map(gap).collect(),
        observations: observations.into_iter().map(observation).collect(),
    }
}

fn target(target: &pgattest_model::TargetIdentity) -> Target<'_> {
    Target {
        name: &target.name,
        system_identifier: &target.system_identifier,
        version: target.version.map(|version| version.to_string()),
        version_text: &target.version_text,
        in_recovery: target.in_recovery,
        role: &target.role,
        databases: &target.databases,
        flavour: &target.flavour,
    }
}

fn summary(audit: &Audit) -> Summary {
    let counts = Counts::of(audit);
    let [critical, high, medium, low] = counts.findings;
    Summary {
        controls: verdicts(&counts.controls),
        checks: verdicts(&counts.checks),
        findings: FindingCounts {
            critical,
            high,
            medium,
            low,
            total: counts.all_findings(),
            waived: counts.waived_findings,
        },
        waivers: waivers::counts(audit),
        not_visible: audit.not_visible.len(),
        observations: audit.observations.len(),
    }
}

const fn verdicts(counts: &StatusCounts) -> VerdictCounts {
    let StatusCounts {
        fail,
        not_assessed,
        pass,
        not_applicable,
        waived,
    } = *counts;
    VerdictCounts {
        pass,
        fail,
        not_assessed,
        not_applicable,
        waived,
    }
}

fn checklist(result: &ControlResult) -> Checklist<'_> {
    Checklist {
        number: result.control.number,
        name: result.control.name,
        statement: result.control.statement,
        verdict: result.status.into(),
        reason: &result.reason,
    }
}

fn control(result: &ControlResult) -> Control<'_> {
    Control {
        number: result.control.number,
        name: result.control.name,
        statement: result.control.statement,
        criteria: result
            .control
            .criteria
            .iter()
            .map(|criterion| criterion.id())
            .collect(),
        verdict: result.status.into(),
        reason: &result.reason,
        requires: result.control.requires,
        assessed_by: result.control.assessed_by,
        limits: result.control.limits,
    }
}

fn criterion<'a>(row: &view::CriterionRow<'a>) -> Criterion<'a> {
    Criterion {
        id: row.criterion.id(),
        paraphrase: row.criterion.paraphrase(),
        checks: row
            .checks
            .iter()
            .map(|check| CriterionCheck {
                id: check.meta.id,
                verdict: check.status().into(),
            })
            .collect(),
    }
}

fn check(result: &CheckResult) -> Check<'_> {
    let mut members: Vec<Member<'_>> = view::members(result).collect();
    members.sort_by(|a, b| {
        let worst_first = b.finding.severity.cmp(&a.finding.severity);
        let cause = a.finding.cause.cmp(&b.finding.cause);
        worst_first
            .then(cause)
            .then_with(|| view::order(*a).cmp(&view::order(*b)))
    });
    let mut not_seen: Vec<&Missing> = result.verdict.unseen().iter().collect();
    not_seen.sort();
    Check {
        id: result.meta.id,
        name: result.meta.name,
        title: result.meta.title,
        severity: result.meta.severity.into(),
        criteria: result
            .meta
            .criteria
            .iter()
            .map(|criterion| criterion.id())
            .collect(),
        verdict: result.status().into(),
        population: view::population(result).map(|population| Population {
            count: population.count,
            of: population.of,
        }),
        reason: view::reason(result),
        not_seen: not_seen.into_iter().map(unseen).collect(),
        findings: members.into_iter().map(finding).collect(),
    }
}

fn finding(member: Member<'_>) -> Finding<'_> {
    let Member {
        finding,
        fingerprint,
        waiver,
    } = member;
    Finding {
        subject: Subject {
            kind: finding.subject.kind.into(),
            database: finding.subject.database.as_deref(),
            name: &finding.subject.name,
        },
        cause: &finding.cause,
        detail: &finding.detail,
        severity: finding.severity.into(),
        fingerprint,
        observations: finding
            .observations
            .iter()
            .map(pgattest_model::ObservationId::as_str)
            .collect(),
        remediation: &finding.remediation,
        waiver,
    }
}

fn unseen(missing: &Missing) -> Unseen<'_> {
    Unseen {
        why: &missing.why,
        grant: missing.grant.as_deref(),
        observation: missing
            .observation
            .as_ref()
            .map(pgattest_model::ObservationId::as_str),
    }
}

fn gap(entry: &pgattest_model::NotVisible) -> NotVisible<'_> {
    let Unseen {
        why,
        grant,
        observation,
    } = unseen(&entry.missing);
    NotVisible {
        why,
        grant,
        observation,
        wanted_by: entry.wanted_by.clone(),
    }
}

fn observation(observation: &pgattest_model::Observation) -> Observation<'_> {
    let said = |text: &'_ str| (!text.is_empty()).then_some(());
    let mut entry = Observation {
        id: observation.id.as_str(),
        database: &observation.database,
        role: &observation.role,
        asked_at: &observation.asked_at,
        query: &observation.query,
        started_at: &observation.started_at,
        finished_at: &observation.finished_at,
        server_started_at: said(&observation.server_started_at)
            .map(|()| observation.server_started_at.as_str()),
        server_finished_at: said(&observation.server_finished_at)
            .map(|()| observation.server_finished_at.as_str()),
        outcome: Outcome::Failed,
        rows: None,
        bytes: None,
        sqlstate: None,
        message: None,
        opens: None,
    };
    match &observation.outcome {
        pgattest_model::Outcome::Rows { csv, rows } => {
            entry.outcome = Outcome::Rows;
            entry.rows = Some(*rows);
            entry.bytes = Some(csv.len());
        }
        pgattest_model::Outcome::Failed {
            sqlstate,
            message,
            opens,
        } => {
            entry.sqlstate = said(sqlstate).map(|()| sqlstate.as_str());
            entry.message = Some(message);
            entry.opens = opens.as_deref();
        }
    }
    entry
}

impl From<Status> for VerdictWord {
    fn from(status: Status) -> Self {
        match status {
            Status::Fail => Self::Fail,
            Status::NotAssessed => Self::NotAssessed,
            Status::Waived => Self::Waived,
            Status::Pass => Self::Pass,
            Status::NotApplicable => Self::NotApplicable,
        }
    }
}

impl From<Severity> for SeverityWord {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Low => Self::Low,
            Severity::Medium => Self::Medium,
            Severity::High => Self::High,
            Severity::Critical => Self::Critical,
        }
    }
}

impl From<pgattest_model::SubjectKind> for SubjectKind {
    fn from(kind: pgattest_model::SubjectKind) -> Self {
        use pgattest_model::SubjectKind as Kind;
        match kind {
            Kind::AlertRule => Self::AlertRule,
            Kind::Canary => Self::Canary,
            Kind::Certificate => Self::Certificate,
            Kind::CipherSuite => Self::CipherSuite,
            Kind::Cluster => Self::Cluster,
            Kind::Database => Self::Database,
            Kind::DefaultPrivilege => Self::DefaultPrivilege,
            Kind::Function => Self::Function,
            Kind::Handshake => Self::Handshake,
            Kind::HbaRule => Self::HbaRule,
            Kind::Policy => Self::Policy,
            Kind::Relation => Self::Relation,
            Kind::Role => Self::Role,
            Kind::Schema => Self::Schema,
            Kind::Session => Self::Session,
            Kind::Setting => Self::Setting,
            Kind::Sink => Self::Sink,
            Kind::Trail => Self::Trail,
            Kind::View => Self::View,
        }
    }
}
