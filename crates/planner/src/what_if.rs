//! What a plan uncovers: what roles lose may have kept checks from looking at them, and an audit after applying must not fail where
//! one before passed. So what the plan takes from roles is taken from a copy of the facts, the copy is judged, and what the checks
//! would report of it is planned for as well. What cannot be, keeps the change that would uncover it by hand.

use crate::draft::Draft;
use crate::kinds;
use crate::order;
use crate::owning::hand_over;
use crate::planning::{Planning, Problem, open};
use crate::taking::{Taken, Takings, without};
use crate::{Proposed, propose};
use pgattest_checks::{Context, assess, registry, review_policy};
use pgattest_model::ident::quote_ident;
use pgattest_model::plan::{Action, Closes, Risk};
use pgattest_model::{Assessment, CheckResult, Facts, Finding, Fingerprint, Status, SubjectKind};
use std::collections::{BTreeMap, BTreeSet};

/// How often what was uncovered is planned for: what is done about it may uncover more.
const ROUNDS: usize = 3;

/// Changes tried one by one for what they uncover; of more, each is held to uncover what any does.
const TRIED: usize = 16;

/// What a check would report once the plan is done, and does not report now.
struct Uncovered {
    check: &'static str,
    finding: Finding,
    closes: Closes,
}

/// The drafts for what is wrong now, with those for what they uncover.
pub(crate) fn complete(planning: &Planning<'_>, first: &Proposed) -> Proposed {
    let takings = Takings::of(planning.context.facts);
    // By the name of the change, why it is left to a person.
    let mut held: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let mut proposed = first.clone();
        hold(&mut proposed.drafts, &held);
        let mut uncovered = rounds(planning, &takings, &mut proposed);
        if !uncovered.is_empty() {
            let remaining = remaining(planning, &takings, &proposed.drafts);
            let closed = closed(&proposed.drafts);
            uncovered.retain(|one| {
                let name = &one.closes.fingerprint;
                closed.contains_key(name) || remaining.contains(name)
            });
        }
        let blame = Blame::of(planning, &takings, &proposed.drafts, &uncovered);
        let more = blame.too_much(planning, &proposed.drafts);
        let known = held.len();
        held.extend(more);
        if held.len() == known {
            blame.note(&mut proposed.drafts);
            return proposed;
        }
    }
}

/// Plans for what the drafts uncover, and for what those drafts uncover. What is still uncovered, closed or not, comes back.
fn rounds(planning: &Planning<'_>, takings: &Takings, proposed: &mut Proposed) -> Vec<Uncovered> {
    let now: BTreeSet<Fingerprint> = every(planning.assessment).cloned().collect();
    let mut known = now.clone();
    let mut done = BTreeSet::new();
    let mut uncovered = Vec::new();
    for round in 0..=ROUNDS {
        let taken = takings.of_drafts(&proposed.drafts);
        if taken == done {
            break;
        }
        let facts = without(planning.context.facts, &taken);
        done = taken;
        let then = judge(planning, &facts);
        uncovered = open(&then)
            .filter(|problem| !now.contains(problem.fingerprint))
            .map(|problem| Uncovered {
                check: problem.check,
                finding: problem.finding.clone(),
                closes: problem.closes(),
            })
            .collect();
        if round == ROUNDS {
            break;
        }
        extend(planning, proposed, &facts, &then, &now, &known);
        known.extend(every(&then).cloned());
    }
    uncovered
}

/// What the checks would still report when ownership has changed hands as well: much of what is uncovered is about owners, and
/// no change claims it. While the findings are planned for, what is owned stays where it is.
fn remaining(
    planning: &Planning<'_>,
    takings: &Takings,
    drafts: &[(&'static str, Draft)],
) -> BTreeSet<Fingerprint> {
    let mut facts = without(planning.context.facts, &takings.of_drafts(drafts));
    hand_over(&mut facts, drafts);
    let then = judge(planning, &facts);
    open(&then)
        .map(|problem| problem.fingerprint.clone())
        .collect()
}

/// The drafts for what is not known yet. Kinds that look at everything at once do so again, and their drafts replace the first.
fn extend(
    planning: &Planning<'_>,
    proposed: &mut Proposed,
    facts: &Facts,
    then: &Assessment,
    now: &BTreeSet<Fingerprint>,
    known: &BTreeSet<Fingerprint>,
) {
    let is_wanted = |problem: &Problem<'_>| planning.options.wants(problem.check);
    let new: Vec<Problem<'_>> = open(then)
        .filter(|problem| is_wanted(problem) && !known.contains(problem.fingerprint))
        .collect();
    if new.is_empty() {
        return;
    }
    // All that was wrong before and all that is uncovered, each check's together.
    let mut all: Vec<Problem<'_>> = planning
        .problems()
        // Rebuilt, because they are to live no longer than the others.
        .map(|problem| Problem {
            check: problem.check,
            finding: problem.finding,
            fingerprint: problem.fingerprint,
        })
        .chain(
            open(then).filter(|problem| is_wanted(problem) && !now.contains(problem.fingerprint)),
        )
        .collect();
    all.sort_by_key(|problem| problem.check);
    let context = || Context::new(facts, planning.context.policy);
    let whole = Planning::with(context(), then, planning.options, all);
    let more = propose(&whole, |kind| kinds::is_whole(kind.name()));
    proposed.drafts.retain(|(kind, _)| !kinds::is_whole(kind));
    proposed.extend(more);
    let rest = Planning::with(context(), then, planning.options, new);
    proposed.extend(propose(&rest, |kind| !kinds::is_whole(kind.name())));
}

/// What the checks say of other facts, with the waivers of the day of the audit.
fn judge(planning: &Planning<'_>, facts: &Facts) -> Assessment {
    let policy = planning.context.policy;
    let mut then = assess(facts, policy);
    if let Some(day) = planning.assessment.waivers_as_of {
        review_policy(&mut then, facts, policy, day);
    }
    then
}

fn every(assessment: &Assessment) -> impl Iterator<Item = &Fingerprint> {
    let checks = assessment.checks.iter();
    checks.flat_map(|result| &result.fingerprints)
}

/// Which change uncovers what.
struct Blame<'u> {
    uncovered: &'u [Uncovered],
    /// By what is uncovered, the places of the drafts.
    by: Vec<Vec<usize>>,
    /// By fingerprint, the drafts that close it.
    closing: BTreeMap<Fingerprint, Vec<usize>>,
}

impl<'u> Blame<'u> {
    fn of(
        planning: &Planning<'_>,
        takings: &Takings,
        drafts: &[(&'static str, Draft)],
        uncovered: &'u [Uncovered],
    ) -> Self {
        let taking: Vec<(usize, Taken)> = drafts
            .iter()
            .enumerate()
            .map(|(at, (_, draft))| (at, takings.of_draft(draft)))
            .filter(|(_, taken)| !taken.is_empty())
            .collect();
        let mut trials = Trials::new(planning, takings, &taking);
        let by = uncovered.iter().map(|one| trials.who(one)).collect();
        Self {
            uncovered,
            by,
            closing: closed(drafts),
        }
    }

    /// The changes that would make a check fail that passes, by name, with the reason to leave them alone.
    fn too_much(
        &self,
        planning: &Planning<'_>,
        drafts: &[(&'static str, Draft)],
    ) -> BTreeMap<String, String> {
        let mut reasons = BTreeMap::new();
        for (one, by) in self.open() {
            if status(planning, one.check) != Status::Pass {
                continue;
            }
            let why = if planning.options.wants(one.check) {
                "this plan has no change that closes it"
            } else {
                "this plan leaves that check alone"
            };
            for (kind, draft) in by.iter().filter_map(|at| drafts.get(*at)) {
                reasons
                    .entry(order::name(kind, &draft.action))
                    .or_insert_with(|| {
                        format!(
                            "{} passes and would then report {}, and {why}: {}",
                            one.check, one.finding.detail, one.finding.remediation
                        )
                    });
            }
        }
        reasons
    }

    /// What nothing closes.
    fn open(&self) -> impl Iterator<Item = (&'u Uncovered, &Vec<usize>)> {
        let all = self.uncovered.iter().zip(&self.by);
        all.filter(|(one, _)| !self.closing.contains_key(&one.closes.fingerprint))
    }

    /// Says of each change what it uncovers, and what rests on what.
    fn note(&self, drafts: &mut [(&'static str, Draft)]) {
        let names: Vec<String> = drafts
            .iter()
            .map(|(kind, draft)| order::name(kind, &draft.action))
            .collect();
        let names = |places: &[usize]| -> String {
            let names: BTreeSet<&str> = places
                .iter()
                .filter_map(|at| names.get(*at))
                .map(String::as_str)
                .collect();
            names.into_iter().collect::<Vec<_>>().join(", ")
        };
        for (one, by) in self.uncovered.iter().zip(&self.by) {
            let closing = self.closing.get(&one.closes.fingerprint);
            let note = match closing {
                Some(closing) => format!(
                    "{} then reports {}, unless {} is made as well",
                    one.check,
                    one.finding.detail,
                    names(closing)
                ),
                None => format!(
                    "{} then has something to say: {}",
                    one.check, one.finding.detail
                ),
            };
            for at in by {
                add(drafts, *at, note.clone());
            }
            let needed = format!(
                "{} has nothing to say of {} before {} is made",
                one.check,
                one.finding.subject.name,
                names(by)
            );
            for at in closing.into_iter().flatten() {
                // One that does both needs no other.
                if !by.contains(at) && !by.is_empty() {
                    add(drafts, *at, needed.clone());
                }
            }
        }
    }
}

/// By fingerprint, the drafts that close a finding without a person's doing.
fn closed(drafts: &[(&'static str, Draft)]) -> BTreeMap<Fingerprint, Vec<usize>> {
    let mut closed: BTreeMap<Fingerprint, Vec<usize>> = BTreeMap::new();
    let all = drafts.iter().enumerate();
    for (at, (_, draft)) in all.filter(|(_, (_, draft))| draft.risk != Risk::ByHand) {
        for closes in &draft.closes {
            let places = closed.entry(closes.fingerprint.clone()).or_default();
            places.push(at);
        }
    }
    closed
}

fn add(drafts: &mut [(&'static str, Draft)], at: usize, note: String) {
    if let Some((_, draft)) = drafts.get_mut(at)
        && !draft.notes.contains(&note)
    {
        draft.notes.push(note);
    }
}

/// Each change made alone, to see what it uncovers.
struct Trials<'t, 'a> {
    planning: &'t Planning<'a>,
    takings: &'t Takings,
    taking: &'t [(usize, Taken)],
    /// The facts after each, made when first asked for.
    facts: Vec<Option<Facts>>,
    /// By change and check, what the check then reports.
    reported: BTreeMap<(usize, &'static str), Vec<Finding>>,
}

impl<'t, 'a> Trials<'t, 'a> {
    fn new(planning: &'t Planning<'a>, takings: &'t Takings, taking: &'t [(usize, Taken)]) -> Self {
        Self {
            planning,
            takings,
            taking,
            facts: taking.iter().map(|_| None).collect(),
            reported: BTreeMap::new(),
        }
    }

    /// The drafts that uncover it: those that take something from the role it is about; else those that uncover it alone; else
    /// all of them.
    fn who(&mut self, one: &Uncovered) -> Vec<usize> {
        let subject = &one.finding.subject;
        let about: Vec<usize> = self
            .taking
            .iter()
            .filter(|(_, taken)| {
                let mut roles = taken.iter().filter_map(|what| self.takings.role(*what));
                subject.kind == SubjectKind::Role
                    && roles.any(|name| quote_ident(name) == subject.name)
            })
            .map(|(at, _)| *at)
            .collect();
        if !about.is_empty() {
            return about;
        }
        let all: Vec<usize> = self.taking.iter().map(|(at, _)| *at).collect();
        if all.len() == 1 || all.len() > TRIED {
            return all;
        }
        let alone: Vec<usize> = (0..all.len())
            .filter(|number| self.uncovers(*number, one))
            .filter_map(|number| all.get(number).copied())
            .collect();
        if alone.is_empty() { all } else { alone }
    }

    fn uncovers(&mut self, number: usize, one: &Uncovered) -> bool {
        let reported = self.reported.entry((number, one.check)).or_insert_with(|| {
            let (Some((_, taken)), Some(slot)) =
                (self.taking.get(number), self.facts.get_mut(number))
            else {
                return Vec::new();
            };
            let now = &self.planning.context;
            let facts = slot.get_or_insert_with(|| without(now.facts, taken));
            let context = Context::new(facts, now.policy);
            registry::find(one.check)
                .and_then(|check| check.assess(&context).ok())
                .map(|verdict| verdict.findings().to_vec())
                .unwrap_or_default()
        });
        reported.iter().any(|finding| {
            finding.subject == one.finding.subject && finding.cause == one.finding.cause
        })
    }
}

/// A check that was not there could not pass.
fn status(planning: &Planning<'_>, check: &str) -> Status {
    let mut checks = planning.assessment.checks.iter();
    checks
        .find(|result| result.meta.id == check)
        .map_or(Status::NotAssessed, CheckResult::status)
}

/// Leaves changes to a person.
fn hold(drafts: &mut [(&'static str, Draft)], held: &BTreeMap<String, String>) {
    for (kind, draft) in drafts {
        let Some(why) = held.get(&order::name(kind, &draft.action)) else {
            continue;
        };
        let what = match &draft.action {
            Action::Sql { statements, .. } => statements.join(" "),
            _ => draft.title.clone(),
        };
        *draft = Draft {
            impact: std::mem::take(&mut draft.impact),
            ..Draft::by_hand(
                std::mem::take(&mut draft.title),
                draft.stage,
                format!(
                    "{what} is left to you: {}",
                    why.trim_end_matches(['.', ';'])
                ),
                std::mem::take(&mut draft.closes),
            )
        };
    }
}
