//! Canaries: what was done on purpose, and where it was found again.

use super::known::{DAY, canary_days, trusted};
use crate::context::Context;
use pgattest_model::facts::TrailCanary;
use pgattest_model::{
    Finding, Missing, ObservationId, Seen, Severity, Subject, SubjectKind, Verdict, instant,
};
use std::collections::BTreeSet;

/// One class of canaries that has to be found, and what it means when it is not.
pub(super) struct Wanted {
    /// The class, as the canary calls it.
    pub(super) class: String,
    /// What a record of it is, in words: `a CREATE TABLE`.
    pub(super) what: String,
    /// How bad it is when the latest one was not found.
    pub(super) severity: Severity,
    /// Where it need not be performed: what to do when it was, and was not found. Nothing is said of it until then.
    pub(super) once_tried: Option<&'static str>,
}

impl Wanted {
    /// One that has to be performed.
    pub(super) fn new(class: &str, what: &str, severity: Severity) -> Self {
        Self {
            class: class.to_owned(),
            what: what.to_owned(),
            severity,
            once_tried: None,
        }
    }
}

/// Judges the canaries of these classes: the latest of each was found in every place where canaries are looked for, and is young
/// enough.
pub(super) fn judge(context: &Context<'_>, wanted: &[Wanted]) -> Result<Verdict, Missing> {
    let trail = trusted(context)?;
    let canaries = context.facts.trail_canaries.here()?;
    let places: BTreeSet<&str> = canaries
        .value
        .iter()
        .map(|canary| canary.place.as_str())
        .collect();
    if places.is_empty() {
        return Err(Missing::because(
            "no canary was ever looked for: `pgattest prove logging --trail DIR` does",
        )
        .seen_in(canaries.from.clone()));
    }
    let mut findings = Vec::new();
    let mut judged = 0;
    for one in wanted {
        let of_class: Vec<&TrailCanary> = canaries
            .value
            .iter()
            .filter(|canary| canary.class == one.class)
            // What need not be performed and no longer is, is not too old: it is not tried.
            .filter(|canary| one.once_tried.is_none() || !is_old(context, canary, trail.seen_at))
            .collect();
        if of_class.is_empty() && one.once_tried.is_some() {
            continue;
        }
        judged += 1;
        if of_class.is_empty() {
            findings.push(finding(
                one,
                &canaries,
                "a canary was never performed",
                format!("{} was never performed and looked for", one.what),
                Severity::Medium,
            ));
        }
        for canary in of_class {
            findings.extend(judge_one(context, one, canary, &canaries, trail.seen_at));
        }
    }
    Ok(Verdict::assessed(
        judged * places.len(),
        "canaries, one a class and place",
        findings,
    ))
}

/// Whether it was last looked for too long ago to count.
fn is_old(context: &Context<'_>, canary: &TrailCanary, seen_at: i64) -> bool {
    let days = i64::from(canary_days(context.policy));
    seen_at.saturating_sub(canary.found.max(canary.missed)) > days.saturating_mul(DAY)
}

fn judge_one(
    context: &Context<'_>,
    wanted: &Wanted,
    canary: &TrailCanary,
    canaries: &Seen<'_, Vec<TrailCanary>>,
    seen_at: i64,
) -> Option<Finding> {
    if canary.missed > canary.found {
        return Some(finding(
            wanted,
            canaries,
            "a canary was not found again",
            format!(
                "{} (mark {}) was looked for in {} at {} and not found",
                wanted.what,
                canary.mark,
                canary.place,
                instant(canary.missed)
            ),
            wanted.severity,
        ));
    }
    let days = canary_days(context.policy);
    is_old(context, canary, seen_at).then(|| {
        finding(
            wanted,
            canaries,
            "the last canary is too old",
            format!(
                "{} was last found in {} at {}, more than {days} days ago",
                wanted.what,
                canary.place,
                instant(canary.found)
            ),
            Severity::Medium,
        )
    })
}

fn finding(
    wanted: &Wanted,
    canaries: &Seen<'_, Vec<TrailCanary>>,
    cause: &str,
    detail: String,
    severity: Severity,
) -> Finding {
    let observation: &ObservationId = canaries.from;
    Finding {
        subject: Subject::cluster(SubjectKind::Canary, &wanted.class),
        cause: cause.to_owned(),
        detail,
        severity,
        observations: vec![observation.clone()],
        remediation: wanted
            .once_tried
            .unwrap_or(
                "pgattest prove logging --trail DIR -- performs it again and says where it is missing",
            )
            .to_owned(),
    }
}
