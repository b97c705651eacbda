//! What must be known of a trail before anything it says counts.

use crate::context::Context;
use pgattest_model::facts::{TrailDefect, TrailDefectKind, TrailState};
use pgattest_model::{
    Finding, Missing, ObservationId, Policy, Seen, Severity, Subject, SubjectKind, Verdict,
};

/// A day in milliseconds.
pub(super) const DAY: i64 = 86_400_000;

/// Days that the policy, or else custom, wants logs kept.
pub(super) fn days_to_keep(policy: &Policy) -> u32 {
    policy.logging.retention_days.unwrap_or(365)
}

/// Days after which a canary no longer counts.
pub(super) fn canary_days(policy: &Policy) -> u32 {
    policy.logging.canary_days.unwrap_or(31)
}

/// The trail, if it is intact and of the cluster that is audited. A trail that is neither tells nothing.
pub(super) fn trusted<'a>(context: &Context<'a>) -> Result<Seen<'a, TrailState>, Missing> {
    let trail = of_this_cluster(context)?;
    if trail.intact {
        return Ok(trail);
    }
    Err(Missing::because(format!(
        "the trail is not to be believed: {}",
        trail.intact_why
    ))
    .seen_in(trail.from.clone()))
}

/// The trail, if it is of the cluster that is audited.
pub(super) fn of_this_cluster<'a>(context: &Context<'a>) -> Result<Seen<'a, TrailState>, Missing> {
    let trail = context.facts.trail.here()?;
    let server = context.facts.server.here()?;
    let why = if trail.system_identifier.is_empty() {
        "nothing ties the trail to this cluster: `pgattest prove logging --trail DIR` does"
            .to_owned()
    } else if trail.system_identifier == server.system_identifier {
        return Ok(trail);
    } else {
        format!(
            "the trail is of another cluster: its canary was performed on the one with system identifier {}",
            trail.system_identifier
        )
    };
    Err(Missing::because(why).seen_in(trail.from.clone()))
}

/// What a kind of defect means: which check it fails, why, how badly, and what to do.
struct Judgement {
    check: &'static str,
    cause: &'static str,
    severity: Severity,
    remediation: &'static str,
}

/// Every kind has one: what the trail lacks and no check reports would be a pass of something that was seen to be wrong.
fn judgement(kind: TrailDefectKind) -> Option<Judgement> {
    let explain = "find out what happened, keep what shows it, and accept it by a waiver that names the cause";
    let (check, cause, severity, remediation) = match kind {
        TrailDefectKind::Hole => (
            "LOG-19",
            "records are missing from a session",
            Severity::High,
            explain,
        ),
        TrailDefectKind::Gap => (
            "LOG-19",
            "bytes of a log file were lost before they were read",
            Severity::High,
            explain,
        ),
        TrailDefectKind::BytesMissing => (
            "LOG-19",
            "bytes of a log file are in no block, or in two",
            Severity::High,
            explain,
        ),
        TrailDefectKind::LineReuse => (
            "LOG-19",
            "a session's numbers were used twice",
            Severity::High,
            explain,
        ),
        TrailDefectKind::Torn => (
            "LOG-19",
            "bytes in the log are no record",
            Severity::Medium,
            explain,
        ),
        TrailDefectKind::Unfinished => (
            "LOG-19",
            "a session ends without a record of its end",
            Severity::Low,
            "compare with the server's own restarts; a killed session leaves no record",
        ),
        TrailDefectKind::NoOutcome => (
            "LOG-19",
            "what became of a connection is not recorded",
            Severity::Low,
            "health checks of a load balancer look like this: accept those by a waiver; from anywhere else it may be a probe for passwords",
        ),
        TrailDefectKind::ClockBack => (
            "LOG-19",
            "the clock went back: when these records were made is in doubt",
            Severity::Low,
            "let the clock be slewed, not stepped (chrony, NTP), and say in a waiver what stepped it",
        ),
        TrailDefectKind::AuditingWeakened => (
            "LOG-21",
            "the logging was turned down",
            Severity::High,
            "match it with an approved change and accept it by a waiver that names it, or treat it as an incident",
        ),
        TrailDefectKind::Silence => (
            "MON-07",
            "far fewer records than usual",
            Severity::Medium,
            "find out what was different in that hour, or accept it by a waiver with the reason",
        ),
        TrailDefectKind::AuditingSilent => (
            "MON-07",
            "sessions, and no audit record of any",
            Severity::High,
            "see that pgaudit was loaded since that start of the server (LOG-01)",
        ),
        TrailDefectKind::CollectorDown | TrailDefectKind::HeartbeatMissing => (
            "MON-01",
            "the collector did not run for a while",
            Severity::Low,
            "run it as a service that restarts: docs/trail.md",
        ),
        // LOG-20 judges every table, and says of those that it can tell nothing of that it cannot.
        TrailDefectKind::RowsUnaudited => return None,
    };
    Some(Judgement {
        check,
        cause,
        severity,
        remediation,
    })
}

/// The findings of a check: the defects that are its own.
pub(super) fn findings_of(check: &str, defects: &Seen<'_, Vec<TrailDefect>>) -> Vec<Finding> {
    defects
        .value
        .iter()
        .filter_map(|defect| {
            let judgement = judgement(defect.kind).filter(|one| one.check == check)?;
            Some(finding(defect, defects.from, &judgement))
        })
        .collect()
}

/// A verdict on the records: the defects that are this check's.
pub(super) fn defects(context: &Context<'_>, check: &str) -> Result<Verdict, Missing> {
    let trail = trusted(context)?;
    let defects = context.facts.trail_defects.here()?;
    let records = usize::try_from(trail.records).unwrap_or(usize::MAX);
    if records == 0 {
        return Err(Missing::because("the trail holds no record yet").seen_in(trail.from.clone()));
    }
    Ok(Verdict::assessed(
        records,
        "records",
        findings_of(check, &defects),
    ))
}

/// What a defect is as a finding.
fn finding(defect: &TrailDefect, from: &ObservationId, judgement: &Judgement) -> Finding {
    let at = pgattest_model::instant(defect.at);
    let proof = if defect.record.is_empty() {
        String::new()
    } else {
        format!(" (record {})", defect.record)
    };
    Finding {
        subject: Subject::cluster(SubjectKind::Trail, &defect.subject),
        cause: judgement.cause.to_owned(),
        detail: format!("{at}: {}{proof}", defect.detail),
        severity: judgement.severity,
        observations: vec![from.clone()],
        remediation: judgement.remediation.to_owned(),
    }
}
