//! The file is edited finding by finding until none is left that an edit could close. After every edit whoever makes the plan must
//! still come in, and the checks themselves judge what comes out.

use super::hba_file::Files;
use super::remedy::{Case, remedy};
use super::seen::Seen;
use crate::planning::Planning;
use crate::simulate::{Fate, Simulation, attempt, words};
use pgattest_access::RoleGraph;
use pgattest_access::hba::{Arrival, Reach, Terms};
use pgattest_checks::hba::engine::place;
use pgattest_checks::{Context, registry};
use pgattest_model::facts::{Oid, VerifierKind};
use pgattest_model::{Finding, Missing, Status, SubjectKind};
use pgattest_parse::hba::Edit;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The checks whose findings an edit may close.
pub(super) const COVERED: [&str; 10] = [
    "HBA-01", "HBA-02", "HBA-03", "HBA-05", "HBA-06", "HBA-07", "HBA-08", "HBA-09", "HBA-10",
    "HBA-11",
];
/// Others whose verdict rests on the rules.
const AFFECTED: [&str; 4] = ["HBA-12", "SEC-03", "ROL-20", "ROL-25"];
/// How often the file is gone through at most: an edit may bring a later line to life, which is then edited too.
const PASSES: usize = 12;

/// One finding among all: the check, its line as it was before any edit, and the cause.
type Key = (&'static str, usize, String);

/// What came out.
pub(super) struct Rewritten {
    /// The files as they will be.
    pub(super) files: Files,
    /// Why a finding was left to a person.
    pub(super) left: BTreeMap<Key, String>,
    /// Roles that came in by a line and cannot by its new method: the role, the line as it was.
    pub(super) losing: BTreeSet<(Oid, usize)>,
    /// Whether a method was changed to one that asks for SCRAM.
    pub(super) scram: bool,
    /// Whether a refusal that refused nobody was taken out.
    pub(super) refusals: bool,
    /// Whether a line now asks for TLS.
    pub(super) tls: bool,
    /// Findings of the covered checks afterwards: by line as it was, and by the name they will have.
    remaining: BTreeSet<Key>,
    named: BTreeSet<(&'static str, String, String)>,
}

impl Rewritten {
    /// Whether a finding is gone, and no other finding will have its name.
    pub(super) fn closes(&self, check: &'static str, line: usize, finding: &Finding) -> bool {
        !self
            .remaining
            .contains(&(check, line, finding.cause.clone()))
            && !self
                .named
                .contains(&(check, finding.subject.name.clone(), finding.cause.clone()))
    }
}

/// Edits.
pub(super) struct Rewriting<'c, 'a> {
    pub(super) planning: &'c Planning<'a>,
    pub(super) graph: &'c RoleGraph,
    pub(super) seen: &'c Seen,
    pub(super) passwords: Option<&'c HashMap<Oid, VerifierKind>>,
    /// The server as it will be when the file is written.
    pub(super) terms: Terms,
    /// The files as they are.
    pub(super) before: &'c Files,
}

impl<'a> Rewriting<'_, 'a> {
    /// Edits until nothing is left to edit. The inner error says why the file is not edited at all, without a period.
    pub(super) fn run(&self) -> Result<Result<Rewritten, String>, Missing> {
        let known = self.known();
        let mut wanted: BTreeSet<&'static str> = COVERED
            .into_iter()
            .filter(|check| self.planning.open(check).next().is_some())
            .collect();
        let mut state = State::new(self.before.clone());
        for _ in 0..PASSES {
            if self.pass(&mut state, &wanted, &known)? {
                continue;
            }
            match self.broken(&state, &wanted)? {
                Broken::Nothing => {
                    return Ok(if self.keeps_a_superuser(&state)? {
                        Ok(state.finish(self)?)
                    } else {
                        Err("no superuser could log in any more: give one a SCRAM password first (\\password in psql)"
                            .to_owned())
                    });
                }
                Broken::Closable(check) => {
                    wanted.insert(check);
                }
                Broken::Other(check) => {
                    return Ok(Err(format!("{check} passes now and would not afterwards")));
                }
            }
        }
        Ok(Err("edits did not come to an end".to_owned()))
    }

    /// Findings of today, by line: whether each is to be closed. Those that a waiver accepts are not.
    fn known(&self) -> BTreeMap<Key, bool> {
        let mut known = BTreeMap::new();
        for result in &self.planning.assessment.checks {
            for finding in result.verdict.findings() {
                if let Some(line) = line_of(self.before, finding) {
                    known.insert((result.meta.id, line, finding.cause.clone()), false);
                }
            }
        }
        for problem in self.planning.problems() {
            if let Some(line) = line_of(self.before, problem.finding) {
                known.insert((problem.check, line, problem.finding.cause.clone()), true);
            }
        }
        known
    }

    /// Goes through the findings once, from the last line up. Whether anything was edited.
    fn pass(
        &self,
        state: &mut State,
        wanted: &BTreeSet<&'static str>,
        known: &BTreeMap<Key, bool>,
    ) -> Result<bool, Missing> {
        let context = self.context(&state.files)?;
        let reaches: Vec<&Reach> = context.hba()?.rules().map(|(_, reach)| reach).collect();
        let mut work: BTreeMap<usize, Vec<(&'static str, Finding)>> = BTreeMap::new();
        for (check, finding) in judge(&context, wanted.iter().copied()) {
            let Some(at) = line_of(&state.files, &finding) else {
                continue;
            };
            let key = state.key(check, at, &finding);
            let accepted = known.get(&key) == Some(&false);
            if !accepted && !state.left.contains_key(&key) {
                work.entry(at).or_default().push((check, finding));
            }
        }
        let mut edited = false;
        for (line, mut findings) in work.into_iter().rev() {
            // Lines before this one come last, so that it stays where it is for the others.
            findings.sort_by_key(|(check, _)| (*check == "HBA-10", *check));
            let Some(reach) = reaches.get(line) else {
                continue;
            };
            let mut at = line;
            for (check, finding) in findings {
                let key = state.key(check, at, &finding);
                let case = Case {
                    planning: self.planning,
                    graph: self.graph,
                    seen: self.seen,
                    terms: self.terms,
                    files: &state.files,
                    at,
                    reach,
                };
                let tried = remedy(check, &finding, &case)
                    .and_then(|edits| self.tried(state, at, &edits).map(|next| (edits, next)));
                match tried {
                    Err(why) => {
                        state.left.insert(key, why);
                    }
                    Ok((edits, _)) if edits.is_empty() => {}
                    Ok((edits, (next, moved))) => {
                        edited = true;
                        self.note(state, &edits, at, check, reach);
                        let inserted = state.take(next, at, &edits);
                        at += inserted;
                        if moved {
                            break;
                        }
                    }
                }
            }
        }
        Ok(edited)
    }

    /// The files with these edits, when whoever makes the plan still comes in; and whether the line is gone.
    fn tried(&self, state: &State, at: usize, edits: &[Edit]) -> Result<(Files, bool), String> {
        let mut files = state.files.clone();
        let (mut line, mut gone) = (at, false);
        for edit in edits {
            let next = files.edited(line, edit).map_err(|why| why.to_string())?;
            if matches!(edit, Edit::Before(_)) {
                line += next.read.lines.len().saturating_sub(files.read.lines.len());
            }
            gone |= matches!(edit, Edit::CommentOut(_));
            files = next;
        }
        self.lets_own_in(&files)?;
        Ok((files, gone))
    }

    /// Whether whoever makes the plan certainly comes in with these files.
    pub(super) fn lets_own_in(&self, files: &Files) -> Result<(), String> {
        let Some(own) = &self.seen.own else {
            return Ok(());
        };
        let (was, is) = (self.before.rules(self.terms), files.rules(self.terms));
        let was = Simulation::new(&was, self.graph, self.passwords);
        let is = Simulation::new(&is, self.graph, self.passwords);
        let attempt = attempt(own);
        if was.decided_as(&is, &attempt) {
            return Ok(());
        }
        match is.fate(&attempt) {
            Fate::Admitted => Ok(()),
            // It comes in by something that the rules do not show: no edit of them is to blame.
            Fate::Refused(_) if matches!(was.fate(&attempt), Fate::Refused(_)) => Ok(()),
            Fate::Refused(why) | Fate::Unknown(why) => Err(format!(
                "it is the way in of {}, who makes this plan, and would not be certain any more: {why}",
                words(own)
            )),
        }
    }

    fn note(&self, state: &mut State, edits: &[Edit], at: usize, check: &str, reach: &Reach) {
        for edit in edits {
            match edit {
                Edit::Method(method) if method == "scram-sha-256" => {
                    state.scram = true;
                    let was = state.files.read.lines.get(at).map(|line| &line.row.method);
                    let Some(line) = state.origin(at) else {
                        continue;
                    };
                    let roles = reach.arrivals().iter().flat_map(|arrival| &arrival.roles);
                    for &role in roles {
                        if self.loses(role, was.map_or("", String::as_str)) {
                            state.losing.insert((role, line));
                        }
                    }
                }
                Edit::CommentOut(_) if check == "HBA-06" => state.refusals = true,
                Edit::ConnectionType(kind) if kind == "hostssl" => state.tls = true,
                _ => {}
            }
        }
    }

    /// Whether a role could come in by the method and cannot by SCRAM.
    fn loses(&self, role: Oid, method: &str) -> bool {
        match self.passwords.and_then(|kinds| kinds.get(&role)) {
            Some(VerifierKind::Md5) => true,
            Some(VerifierKind::None | VerifierKind::Other) => {
                matches!(method, "trust" | "ident")
            }
            Some(VerifierKind::ScramSha256) | None => false,
        }
    }

    fn context(&self, files: &Files) -> Result<Context<'a>, Missing> {
        self.planning
            .context
            .with_rules(&files.rows(), self.terms.tls)
    }

    /// A check that passes now and would not with these files.
    fn broken(&self, state: &State, wanted: &BTreeSet<&'static str>) -> Result<Broken, Missing> {
        let context = self.context(&state.files)?;
        for check in COVERED.into_iter().chain(AFFECTED) {
            let passed = self
                .planning
                .assessment
                .checks
                .iter()
                .any(|result| result.meta.id == check && result.status() == Status::Pass);
            if !passed || judge(&context, [check]).is_empty() {
                continue;
            }
            return Ok(if COVERED.contains(&check) && !wanted.contains(check) {
                Broken::Closable(check)
            } else {
                Broken::Other(check)
            });
        }
        Ok(Broken::Nothing)
    }

    /// Whether some superuser may still come in, if one may now.
    fn keeps_a_superuser(&self, state: &State) -> Result<bool, Missing> {
        let context = self.context(&state.files)?;
        let gets_in = |method: &str, arrival: &Arrival| {
            arrival
                .roles
                .iter()
                .filter_map(|&oid| self.graph.role(oid))
                .filter(|role| role.superuser)
                .any(|role| match method {
                    "reject" => false,
                    "scram-sha-256" | "md5" | "password" => {
                        let kind = self.passwords.and_then(|kinds| kinds.get(&role.oid));
                        !role.expired
                            && match kind {
                                None | Some(VerifierKind::ScramSha256) => true,
                                Some(VerifierKind::Md5) => method != "scram-sha-256",
                                Some(VerifierKind::None | VerifierKind::Other) => false,
                            }
                    }
                    _ => true,
                })
        };
        let may = |context: &Context<'_>| -> Result<bool, Missing> {
            Ok(context.hba()?.rules().any(|(rule, reach)| {
                reach
                    .arrivals()
                    .iter()
                    .any(|arrival| gets_in(rule.method(), arrival))
            }))
        };
        Ok(may(&context)? || !may(&self.planning.context)?)
    }
}

enum Broken {
    Nothing,
    Closable(&'static str),
    Other(&'static str),
}

/// Files while they are edited.
struct State {
    files: Files,
    /// For each line of the files: which it was before any edit; `None` for what was put in.
    origins: Vec<Option<usize>>,
    left: BTreeMap<Key, String>,
    losing: BTreeSet<(Oid, usize)>,
    scram: bool,
    refusals: bool,
    tls: bool,
}

/// Stands for a line that was put in.
const NEW: usize = usize::MAX;

impl State {
    fn new(files: Files) -> Self {
        Self {
            origins: (0..files.read.lines.len()).map(Some).collect(),
            files,
            left: BTreeMap::new(),
            losing: BTreeSet::new(),
            scram: false,
            refusals: false,
            tls: false,
        }
    }

    fn origin(&self, at: usize) -> Option<usize> {
        self.origins.get(at).copied().flatten()
    }

    fn key(&self, check: &'static str, at: usize, finding: &Finding) -> Key {
        (check, self.origin(at).unwrap_or(NEW), finding.cause.clone())
    }

    /// Takes edited files; gives how many rules now stand before the line that did not.
    fn take(&mut self, next: Files, at: usize, edits: &[Edit]) -> usize {
        let rules = |lines: &[String]| lines.iter().filter(|line| !line.starts_with('#')).count();
        let mut before = 0;
        for edit in edits {
            let line = at + before;
            match edit {
                Edit::Before(lines) => {
                    let new = rules(lines);
                    self.origins
                        .splice(line..line, std::iter::repeat_n(None, new));
                    before += new;
                }
                Edit::After(lines) => {
                    let after = (line + 1).min(self.origins.len());
                    self.origins
                        .splice(after..after, std::iter::repeat_n(None, rules(lines)));
                }
                Edit::CommentOut(_) if line < self.origins.len() => {
                    self.origins.remove(line);
                }
                Edit::CommentOut(_)
                | Edit::ConnectionType(_)
                | Edit::Method(_)
                | Edit::Address(_) => {}
            }
        }
        self.files = next;
        before
    }

    fn finish(self, rewriting: &Rewriting<'_, '_>) -> Result<Rewritten, Missing> {
        let context = rewriting.context(&self.files)?;
        let (mut remaining, mut named) = (BTreeSet::new(), BTreeSet::new());
        for (check, finding) in judge(&context, COVERED) {
            if let Some(at) = line_of(&self.files, &finding) {
                remaining.insert(self.key(check, at, &finding));
            }
            named.insert((check, finding.subject.name, finding.cause));
        }
        Ok(Rewritten {
            files: self.files,
            left: self.left,
            losing: self.losing,
            scram: self.scram,
            refusals: self.refusals,
            tls: self.tls,
            remaining,
            named,
        })
    }
}

/// What checks find.
fn judge(
    context: &Context<'_>,
    checks: impl IntoIterator<Item = &'static str>,
) -> Vec<(&'static str, Finding)> {
    let mut found = Vec::new();
    for check in checks.into_iter().filter_map(registry::find) {
        // One that cannot be assessed finds nothing, now and afterwards.
        if let Ok(verdict) = check.assess(context) {
            let id = check.meta().id;
            found.extend(
                verdict
                    .findings()
                    .iter()
                    .map(|finding| (id, finding.clone())),
            );
        }
    }
    found
}

/// The line that a finding is about; `None` when it is about none or lines of two files are called so.
pub(super) fn line_of(files: &Files, finding: &Finding) -> Option<usize> {
    if finding.subject.kind != SubjectKind::HbaRule {
        return None;
    }
    let mut lines = files.read.lines.iter().enumerate();
    let is = |row| place(row) == finding.subject.name;
    let (at, _) = lines.find(|(_, line)| is(&line.row))?;
    lines.all(|(_, line)| !is(&line.row)).then_some(at)
}
