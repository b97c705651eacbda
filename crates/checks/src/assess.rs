//! Running every check, and what the verdicts mean for the controls.

use crate::check::Check;
use crate::context::Context;
use crate::controls::CONTROLS;
use crate::registry::CHECKS;
use pgattest_model::{
    Assessment, CheckResult, Control, ControlResult, Date, Facts, Finding, Fingerprint, Meta,
    Missing, NotVisible, Policy, Status, Verdict, WaiverResult,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Judges facts by a policy. The same facts and policy give the same assessment, always and everywhere.
///
/// Its waivers are another matter, as they depend on the day: [`crate::review_policy`] applies them. Until then every finding
/// is open.
pub fn assess(facts: &Facts, policy: &Policy) -> Assessment {
    let context = Context::new(facts, policy);
    let target = facts
        .server
        .here()
        .map(|server| server.system_identifier.clone())
        .unwrap_or_default();
    let checks: Vec<CheckResult> = CHECKS
        .iter()
        .map(|check| run(*check, &context, &target))
        .collect();
    let controls = conclude_all(&checks, &[]);
    Assessment {
        checks,
        controls,
        waivers: Vec::new(),
        waivers_as_of: None,
        diagnostics: Vec::new(),
    }
}

/// What the checks' results mean for each control.
pub(crate) fn conclude_all(checks: &[CheckResult], waivers: &[WaiverResult]) -> Vec<ControlResult> {
    CONTROLS
        .iter()
        .map(|control| conclude(control, checks, waivers))
        .collect()
}

/// Everything that some check wanted and could not see, each once, with the checks that wanted it.
pub fn not_visible(assessment: &Assessment) -> Vec<NotVisible> {
    let mut wanted: BTreeMap<&Missing, Vec<&'static str>> = BTreeMap::new();
    for result in &assessment.checks {
        for missing in result.verdict.unseen() {
            let by = wanted.entry(missing).or_default();
            if by.last() != Some(&result.meta.id) {
                by.push(result.meta.id);
            }
        }
    }
    wanted
        .into_iter()
        .map(|(missing, wanted_by)| NotVisible {
            missing: missing.clone(),
            wanted_by,
        })
        .collect()
}

fn run(check: &dyn Check, context: &Context<'_>, target: &str) -> CheckResult {
    let meta = check.meta();
    // Without a known version nothing below means what it says.
    let verdict = match context.version() {
        Ok(version) if !version.is_supported() => Verdict::NotAssessed(Missing::because(format!(
            "PostgreSQL {} is not known to this version of pgattest",
            version.major()
        ))),
        Ok(_) => check.assess(context).unwrap_or_else(Verdict::NotAssessed),
        Err(missing) => Verdict::NotAssessed(missing),
    };
    let verdict = sorted(verdict);
    let fingerprints = verdict
        .findings()
        .iter()
        .map(|finding| fingerprint(meta, target, finding))
        .collect();
    CheckResult {
        meta,
        verdict,
        fingerprints,
        waived: Vec::new(),
    }
}

/// Findings in an order that depends on nothing but themselves: the worst first, then by subject.
fn sorted(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Assessed {
            population,
            mut findings,
            mut not_seen,
        } => {
            findings.sort_by(|a, b| {
                b.severity
                    .cmp(&a.severity)
                    .then_with(|| a.cause.cmp(&b.cause))
                    .then_with(|| a.subject.cmp(&b.subject))
            });
            not_seen.sort();
            not_seen.dedup();
            Verdict::Assessed {
                population,
                findings,
                not_seen,
            }
        }
        other @ (Verdict::NotApplicable(_) | Verdict::NotAssessed(_)) => other,
    }
}

fn fingerprint(meta: &Meta, target: &str, finding: &Finding) -> Fingerprint {
    let mut hash = Sha256::new();
    let database = finding.subject.database.as_deref().unwrap_or_default();
    for part in [
        meta.id,
        target,
        finding.subject.kind.as_str(),
        database,
        &finding.subject.name,
        &finding.cause,
    ] {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    Fingerprint(hex::encode(&hash.finalize()[..8]))
}

fn conclude(
    control: &'static Control,
    checks: &[CheckResult],
    waivers: &[WaiverResult],
) -> ControlResult {
    let (status, reason) = match control.assessed_by {
        Some(what) => (
            Status::NotAssessed,
            format!("nothing here looks at it yet; {what}"),
        ),
        None => conclude_from_checks(control, checks, waivers),
    };
    ControlResult {
        control,
        status,
        reason,
    }
}

fn conclude_from_checks(
    control: &Control,
    checks: &[CheckResult],
    waivers: &[WaiverResult],
) -> (Status, String) {
    let with = |wanted: Status| -> Vec<&CheckResult> {
        checks
            .iter()
            .filter(|result| {
                control.requires.contains(&result.meta.id) && result.status() == wanted
            })
            .collect()
    };
    let ids = |results: &[&CheckResult]| {
        results
            .iter()
            .map(|result| result.meta.id)
            .collect::<Vec<_>>()
            .join(", ")
    };

    let failed = with(Status::Fail);
    if !failed.is_empty() {
        let findings: usize = failed.iter().map(|result| result.open().count()).sum();
        let more: usize = failed
            .iter()
            .chain(&with(Status::Waived))
            .map(|result| result.accepted().count())
            .sum();
        let more = match more {
            0 => String::new(),
            more => format!("; {more} more accepted by waiver"),
        };
        return (
            Status::Fail,
            format!("{} in {}{more}", plural(findings, "finding"), ids(&failed)),
        );
    }
    let unseen = with(Status::NotAssessed);
    if !unseen.is_empty() {
        return (
            Status::NotAssessed,
            format!("{} could not be assessed", ids(&unseen)),
        );
    }
    let waived = with(Status::Waived);
    if !waived.is_empty() {
        return (Status::Waived, accepted(&waived, waivers, &ids(&waived)));
    }
    let about = control.requires.first();
    let main = checks.iter().find(|result| Some(&result.meta.id) == about);
    if let Some(Verdict::NotApplicable(why)) = main.map(|result| &result.verdict) {
        return (Status::NotApplicable, why.clone());
    }
    let passed = with(Status::Pass);
    (
        Status::Pass,
        match with(Status::NotApplicable).len() {
            0 => format!("{} passed", plural(passed.len(), "check")),
            idle => format!(
                "{} passed, {idle} not applicable",
                plural(passed.len(), "check")
            ),
        },
    )
}

/// An accepted risk is not a pass: how many, by which checks, and when the first of them ends.
fn accepted(results: &[&CheckResult], waivers: &[WaiverResult], ids: &str) -> String {
    let all = || results.iter().flat_map(|result| result.accepted());
    let ends: BTreeSet<Date> = all()
        .filter_map(|(_, number)| waivers.get(number))
        .map(|result| result.waiver.expires)
        .collect();
    let until = match (ends.first(), ends.len()) {
        (None, _) => String::new(),
        (Some(end), 1) => format!(" until {end}"),
        (Some(end), _) => format!(", the first until {end}"),
    };
    format!(
        "{} in {ids} accepted by waiver{until}",
        plural(all().count(), "finding")
    )
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use super::conclude;
    use crate::controls::CONTROLS;
    use crate::registry::CHECKS;
    use pgattest_model::{CheckResult, Missing, Status, Verdict};

    /// The conclusion on tenant isolation when the check of this name has this verdict and every other one passes.
    #[track_caller]
    fn isolation(id: &str, verdict: &Verdict, expected: Status, reason: &str) {
        let checks: Vec<CheckResult> = CHECKS
            .iter()
            .map(|check| CheckResult {
                meta: check.meta(),
                verdict: if check.meta().id == id {
                    verdict.clone()
                } else {
                    Verdict::assessed(1, "tables", Vec::new())
                },
                fingerprints: Vec::new(),
                waived: Vec::new(),
            })
            .collect();
        let control = CONTROLS
            .iter()
            .find(|control| control.name == "tenant-isolation")
            .unwrap();
        let result = conclude(control, &checks, &[]);
        assert_eq!((result.status, result.reason.as_str()), (expected, reason));
    }

    #[test]
    fn a_control_without_a_subject_does_not_pass_on_what_stands_beside_it() {
        let nothing = Verdict::NotApplicable("one tenant only".to_owned());
        isolation("RLS-01", &nothing, Status::NotApplicable, "one tenant only");
        isolation(
            "FUN-01",
            &nothing,
            Status::Pass,
            "20 checks passed, 1 not applicable",
        );
    }

    #[test]
    fn one_check_that_could_not_see_is_enough() {
        let unseen = Verdict::NotAssessed(Missing::because("hidden"));
        isolation(
            "FUN-01",
            &unseen,
            Status::NotAssessed,
            "FUN-01 could not be assessed",
        );
    }
}
