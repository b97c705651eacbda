//! What must be known of a trail before anything it says counts.

use crate::context::Context;
use pgattest_model::facts::{TrailDefect, TrailState};
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

/// A finding for each defect of these kinds.
pub(super) fn defects(
    context: &Context<'_>,
    kinds: &[(&str, &str, Severity, &str)],
    of: &'static str,
) -> Result<Verdict, Missing> {
    let trail = trusted(context)?;
    let defects = context.facts.trail_defects.here()?;
    let findings = defects
        .value
        .iter()
        .filter_map(|defect| {
            let (_, cause, severity, remediation) =
                kinds.iter().find(|(kind, ..)| *kind == defect.kind)?;
            Some(finding(defect, defects.from, cause, *severity, remediation))
        })
        .collect();
    let records = usize::try_from(trail.records).unwrap_or(usize::MAX);
    if records == 0 {
        return Err(Missing::because("the trail holds no record yet").seen_in(trail.from.clone()));
    }
    Ok(Verdict::assessed(records, of, findings))
}

/// What a defect is as a finding.
pub(super) fn finding(
    defect: &TrailDefect,
    from: &ObservationId,
    cause: &str,
    severity: Severity,
    remediation: &str,
) -> Finding {
    let at = pgattest_model::instant(defect.at);
    let proof = if defect.record.is_empty() {
        String::new()
    } else {
        format!(" (record {})", defect.record)
    };
    Finding {
        subject: Subject::cluster(SubjectKind::Trail, &defect.subject),
        cause: cause.to_owned(),
        detail: format!("{at}: {}{proof}", defect.detail),
        severity,
        observations: vec![from.clone()],
        remediation: remediation.to_owned(),
    }
}
