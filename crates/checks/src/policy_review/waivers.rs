//! The states of waivers, and the findings they accept.

use super::known::{Form, Known};
use super::nearest::{did_you_mean, nearest};
use super::pattern::{covers, is_glob, matches};
use crate::registry::{self, CHECKS};
use pgattest_model::{
    Assessment, CheckResult, Covered, Covers, Date, Diagnostic, DiagnosticLevel, Place, Policy,
    Status, Waiver, WaiverResult, WaiverState,
};

/// Marks the findings that waivers in force accept, gives every waiver its state, and says in the file's own lines what each
/// state means.
pub(super) fn apply(
    assessment: &mut Assessment,
    policy: &Policy,
    known: &Known<'_>,
    as_of: Date,
) -> Vec<Diagnostic> {
    let judged: Vec<Judged> = policy
        .waivers
        .iter()
        .map(|waiver| judge(waiver, &assessment.checks, known, as_of))
        .collect();
    for result in &mut assessment.checks {
        result.waived = vec![None; result.verdict.findings().len()];
    }
    for (number, judged) in judged.iter().enumerate() {
        if judged.result.state == WaiverState::Used {
            accept(&mut assessment.checks, policy, number, judged);
        }
    }
    let (results, diagnostics) = judged
        .into_iter()
        .map(|judged| (judged.result, judged.diagnostic))
        .unzip();
    assessment.waivers = results;
    diagnostics
}

/// A waiver with its state, the findings it covers (by their places in the verdict), and the remark on it.
struct Judged {
    result: WaiverResult,
    findings: Vec<usize>,
    diagnostic: Diagnostic,
}

/// A finding that two waivers accept is accepted as long as either is in force: by the one that ends last.
fn accept(checks: &mut [CheckResult], policy: &Policy, number: usize, judged: &Judged) {
    let ends = |number: usize| policy.waivers.get(number).map(|waiver| waiver.expires);
    let Some(check) = checks
        .iter_mut()
        .find(|check| Some(check.meta.id) == judged.result.check)
    else {
        return;
    };
    for finding in &judged.findings {
        if let Some(slot) = check.waived.get_mut(*finding)
            && slot.is_none_or(|other| ends(other) < ends(number))
        {
            *slot = Some(number);
        }
    }
}

fn judge(waiver: &Waiver, checks: &[CheckResult], known: &Known<'_>, as_of: Date) -> Judged {
    let id = registry::find(&waiver.check).map(|check| check.meta().id);
    let check = checks.iter().find(|check| Some(check.meta.id) == id);
    let findings: Vec<usize> = check.map_or_else(Vec::new, |check| {
        covered(waiver, check).map(|(place, _)| place).collect()
    });
    let (state, remark) = match (id, check) {
        (None, _) => (WaiverState::Unknown, no_such_check(waiver)),
        (Some(_), _) if waiver.expires < as_of => {
            (WaiverState::Expired, ended(waiver, findings.len()))
        }
        (Some(id), Some(check)) if findings.is_empty() => {
            match named_nowhere(waiver, check, known) {
                Some(remark) => (WaiverState::Unknown, remark),
                None => (WaiverState::Unused, nothing_left(waiver, id, check)),
            }
        }
        (Some(id), Some(_)) => (WaiverState::Used, in_force(waiver, id, findings.len())),
        // A registered check without a result: nothing was judged.
        (Some(id), None) => (
            WaiverState::Unused,
            Remark::at(waiver.places.check, format!("{id} was not run")),
        ),
    };
    Judged {
        result: WaiverResult {
            waiver: waiver.clone(),
            check: id,
            state,
            why: remark.why.clone(),
            covered: check.map_or_else(Vec::new, |check| {
                covered(waiver, check).map(|(_, covered)| covered).collect()
            }),
        },
        findings,
        diagnostic: Diagnostic {
            level: match state {
                WaiverState::Used => DiagnosticLevel::Note,
                _ => DiagnosticLevel::Warning,
            },
            place: remark.place,
            message: format!("{} waiver: {}", state.as_str(), remark.why),
            help: remark.help,
        },
    }
}

/// The findings of a check that a waiver covers, in force or not, with their places in the verdict.
fn covered(waiver: &Waiver, check: &CheckResult) -> impl Iterator<Item = (usize, Covered)> {
    let pairs = check.verdict.findings().iter().zip(&check.fingerprints);
    pairs
        .enumerate()
        .filter(|(_, (finding, fingerprint))| covers(waiver, finding, &fingerprint.0))
        .map(|(place, (finding, fingerprint))| {
            let covered = Covered {
                subject: finding.subject.clone(),
                severity: finding.severity,
                cause: finding.cause.clone(),
                fingerprint: fingerprint.clone(),
            };
            (place, covered)
        })
}

/// What is to be said about a waiver, and where.
struct Remark {
    place: Place,
    why: String,
    help: Option<String>,
}

impl Remark {
    const fn at(place: Place, why: String) -> Self {
        Self {
            place,
            why,
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

fn in_force(waiver: &Waiver, id: &str, count: usize) -> Remark {
    let what = findings(count);
    Remark::at(
        waiver.places.covers,
        format!("accepts {what} of {id} until {}", waiver.expires),
    )
}

fn ended(waiver: &Waiver, count: usize) -> Remark {
    let expires = waiver.expires;
    let remark = |why| Remark::at(waiver.places.expires, why);
    match count {
        0 => remark(format!("it ended on {expires}, and covers no finding")).help("remove it"),
        1 => remark(format!(
            "it ended on {expires}: 1 finding is accepted no more"
        ))
        .help("fix it, or have the risk accepted anew"),
        more => remark(format!(
            "it ended on {expires}: {more} findings are accepted no more"
        ))
        .help("fix them, or have the risk accepted anew"),
    }
}

fn no_such_check(waiver: &Waiver) -> Remark {
    let all = CHECKS
        .iter()
        .flat_map(|check| [check.meta().id, check.meta().name]);
    let remark = Remark::at(
        waiver.places.check,
        format!("no check is called `{}`", waiver.check),
    );
    let wanted = waiver.check.as_str();
    let found = nearest(&wanted.to_ascii_uppercase(), all.clone()).or_else(|| nearest(wanted, all));
    match found {
        Some(name) => remark.help(did_you_mean(name)),
        None => remark.help("`pgattest explain` lists the checks"),
    }
}

/// That no database or nothing at all has the name; `None` when something has, or when it might be hidden.
fn named_nowhere(waiver: &Waiver, check: &CheckResult, known: &Known<'_>) -> Option<Remark> {
    let Covers::Subject(subject) = &waiver.covers else {
        return None;
    };
    if let Some(database) = &waiver.database
        && known.has_database(database) == Some(false)
    {
        let databases = known.databases();
        let remark = Remark::at(
            waiver.places.database,
            format!("no database is called `{database}`"),
        );
        let nearest = nearest(database, databases.iter().map(String::as_str));
        return Some(match nearest {
            Some(name) => remark.help(did_you_mean(name)),
            None => remark,
        });
    }
    let names = known.subjects(Form::of(subject), waiver.database.as_deref());
    let is_absent = names.is_complete && !names.all.iter().any(|name| matches(subject, name));
    if !is_absent {
        return None;
    }
    let place = waiver.places.covers;
    let what = if is_glob(subject) {
        "matches"
    } else {
        "is called"
    };
    let remark = Remark::at(
        place,
        match &waiver.database {
            Some(database) => format!("nothing in the database `{database}` {what} `{subject}`"),
            None => format!("nothing in this cluster {what} `{subject}`"),
        },
    );
    // What the check found is more likely meant than anything else.
    let found = check
        .verdict
        .findings()
        .iter()
        .map(|finding| finding.subject.name.as_str());
    let meant =
        nearest(subject, found).or_else(|| nearest(subject, names.all.iter().map(String::as_str)));
    Some(match meant {
        Some(name) => remark.help(did_you_mean(name)),
        None => remark.help("name the subject exactly as the report does"),
    })
}

fn nothing_left(waiver: &Waiver, id: &str, check: &CheckResult) -> Remark {
    let place = waiver.places.covers;
    if matches!(check.status(), Status::NotAssessed) {
        return Remark::at(
            place,
            format!("{id} was not assessed, and what nobody saw cannot be accepted"),
        )
        .help("the report says what would open it");
    }
    let why = match &waiver.covers {
        Covers::Subject(subject) => format!("{id} finds nothing on `{subject}`"),
        Covers::Fingerprint(_) => format!("{id} has no finding with this fingerprint"),
    };
    Remark::at(place, why).help("remove it: there is nothing left to accept")
}

fn findings(count: usize) -> String {
    match count {
        1 => "1 finding".to_owned(),
        more => format!("{more} findings"),
    }
}
