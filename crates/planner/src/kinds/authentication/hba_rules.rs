//! `pg_hba.conf` is rewritten: one change a file, whatever is wrong in it.

use super::hba_file::Files;
use super::rewriting::{COVERED, Rewriting, Rewritten, line_of};
use super::seen::Seen;
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use crate::simulate::{Simulation, words};
use pgattest_access::RoleGraph;
use pgattest_access::hba::Terms;
use pgattest_model::Missing;
use pgattest_model::facts::{Oid, VerifierKind};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{
    Action, Impact, ImpactKind, Need, Risk, ServerFile, SettingValue, Stage, Undo,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};

/// Lines of `pg_hba.conf` are changed in place, commented out, or put before others.
#[derive(Clone, Copy, Debug)]
pub struct HbaRules;

/// Roles listed one by one; more are counted.
const NAMED: usize = 30;
/// Checks whose findings only a person can close.
const BY_HAND: [&str; 2] = ["HBA-04", "HBA-13"];

impl Kind for HbaRules {
    fn name(&self) -> &'static str {
        "hba-rules"
    }

    fn closes(&self) -> &'static [&'static str] {
        &[
            "HBA-01", "HBA-02", "HBA-03", "HBA-04", "HBA-05", "HBA-06", "HBA-07", "HBA-08",
            "HBA-09", "HBA-10", "HBA-11", "HBA-13",
        ]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let context = &planning.context;
        let problems: Vec<Problem<'_>> = COVERED
            .into_iter()
            .flat_map(|check| planning.open(check))
            .collect();
        let mut drafts: Vec<Draft> = BY_HAND
            .into_iter()
            .flat_map(|check| planning.open(check))
            .map(|problem| by_hand(&problem, "only you know what is meant"))
            .collect();
        if problems.is_empty() {
            return Ok(drafts);
        }
        let rules = context.facts.hba_rules.here()?;
        let graph = context.role_graph()?;
        let mut terms = context.hba()?.ruleset().terms();
        let all_by_hand = |why: &str| {
            problems
                .iter()
                .map(|problem| by_hand(problem, why))
                .collect()
        };
        let before = match Files::open(&planning.options.hba_files, terms.version, rules.value) {
            Ok(files) => files,
            Err(why) => {
                let by_hand: Vec<Draft> = all_by_hand(&why);
                drafts.extend(by_hand);
                return Ok(drafts);
            }
        };
        let tls_comes = !terms.tls && turns_tls_on(planning);
        let was = terms;
        terms.tls |= tls_comes;
        let passwords = context.facts.verifiers.here().ok().map(|verifiers| {
            let kinds = verifiers.iter();
            kinds
                .map(|verifier| (verifier.role, verifier.kind))
                .collect::<HashMap<_, _>>()
        });
        let rewriting = Rewriting {
            planning,
            graph,
            seen: &Seen::of(planning),
            passwords: passwords.as_ref(),
            terms,
            before: &before,
        };
        let rewritten = match rewriting.run()? {
            Ok(rewritten) => rewritten,
            Err(why) => {
                let by_hand: Vec<Draft> = all_by_hand(&why);
                drafts.extend(by_hand);
                return Ok(drafts);
            }
        };
        let proposal = Proposal {
            rewriting: &rewriting,
            rewritten: &rewritten,
            problems: &problems,
            was,
            tls_comes,
        };
        match proposal.drafts() {
            Ok(proposed) => drafts.extend(proposed),
            Err(why) => {
                let by_hand: Vec<Draft> = all_by_hand(&why);
                drafts.extend(by_hand);
            }
        }
        Ok(drafts)
    }
}

/// Edited files, to be told.
struct Proposal<'p, 'c, 'a> {
    rewriting: &'p Rewriting<'c, 'a>,
    rewritten: &'p Rewritten,
    problems: &'p [Problem<'a>],
    was: Terms,
    tls_comes: bool,
}

impl Proposal<'_, '_, '_> {
    /// One draft a file, and what is left to a person. The error says why nothing can be done, without a period.
    fn drafts(&self) -> Result<Vec<Draft>, String> {
        let (before, after) = (self.rewriting.before, &self.rewritten.files);
        let changed: Vec<_> = after.changed(before).collect();
        // The server reads each file as soon as it is written: in between, too, nobody may be locked out.
        let mut between = before.clone();
        for (path, _, text) in &changed {
            between = between.with(path, text);
            self.rewriting.lets_own_in(&between)?;
        }
        let mut drafts = Vec::new();
        let mut closed = BTreeSet::new();
        for (at, (path, was, text)) in changed.iter().enumerate() {
            let closes: Vec<&Problem<'_>> = self
                .problems
                .iter()
                .filter(|problem| self.is_closed(problem, path, at == 0))
                .collect();
            closed.extend(closes.iter().map(|problem| problem.fingerprint.clone()));
            let findings = match closes.len() {
                1 => "1 finding".to_owned(),
                many => format!("{many} findings"),
            };
            let mut text = (*text).to_owned();
            if !text.ends_with('\n') {
                text.push('\n');
            }
            let action = Action::File {
                file: ServerFile::Hba,
                path: (*path).to_owned(),
                before_sha256: hex::encode(Sha256::digest(was.as_bytes())),
                text,
            };
            let name = path.rsplit('/').next().unwrap_or(path);
            let mut draft = Draft::new(
                format!("rewrite {}, which closes {findings}", visible(name)),
                Stage::Authentication,
                action,
                Undo::Restore,
            )
            .approval()
            .closing(closes.iter().map(|problem| problem.closes()))
            .needing(Need::Reload)
            .needing(Need::NewSessions);
            if at == 0 {
                draft = draft.affecting(self.impact());
                draft.notes = self.notes();
            }
            drafts.push(draft);
        }
        let left = self
            .problems
            .iter()
            .filter(|problem| !closed.contains(problem.fingerprint));
        drafts.extend(left.map(|problem| by_hand(problem, &self.why_left(problem))));
        Ok(drafts)
    }

    /// Whether a finding is gone by what changes in this file. What a change in another file closes is counted with the first.
    fn is_closed(&self, problem: &Problem<'_>, path: &str, first: bool) -> bool {
        let before = self.rewriting.before;
        let Some(line) = line_of(before, problem.finding) else {
            return false;
        };
        let lines = &before.read.lines;
        let Some(own) = lines
            .get(line)
            .and_then(|line| before.read.sources.get(line.place.source))
        else {
            return false;
        };
        let changes = |path: &str| {
            let mut changed = self.rewritten.files.changed(before);
            changed.any(|(changed, _, _)| changed == path)
        };
        (own.path == path || (first && !changes(&own.path)))
            && self.rewritten.closes(problem.check, line, problem.finding)
    }

    fn why_left(&self, problem: &Problem<'_>) -> String {
        let line = line_of(self.rewriting.before, problem.finding);
        line.and_then(|line| {
            self.rewritten
                .left
                .get(&(problem.check, line, problem.finding.cause.clone()))
        })
        .cloned()
        .unwrap_or_else(|| "which line it is about is not certain".to_owned())
    }

    /// Logins that were seen and would be refused, and roles that could come in and no longer can.
    fn impact(&self) -> Vec<Impact> {
        let Rewriting {
            graph,
            seen,
            passwords,
            terms,
            before,
            ..
        } = *self.rewriting;
        let (was, is) = (before.rules(self.was), self.rewritten.files.rules(terms));
        let was = Simulation::new(&was, graph, passwords);
        let is = Simulation::new(&is, graph, passwords);
        let rules = self.rewriting.planning.context.facts.hba_rules.here();
        let observation = rules.map(|rules| rules.from.clone()).ok();
        let mut impact = Vec::new();
        for (login, from) in &seen.logins {
            let Some((kind, why)) = was.against(&is, login) else {
                continue;
            };
            let times = match (from, login.count) {
                (Some(_), 1) => "connected now".to_owned(),
                (Some(_), many) => format!("{many} times connected now or seen in a log"),
                (None, many) => format!(
                    "seen {many} times in a log, last at {}",
                    visible(&login.last_seen)
                ),
            };
            impact.push(Impact {
                kind,
                subject: words(login),
                // Who would be refused is shown by its subject, which `--accept` takes.
                detail: match kind {
                    ImpactKind::LoginRefused => format!("{times}: {why}"),
                    _ => format!("{}, {times}: {why}", words(login)),
                },
                observations: observation.iter().chain(from).cloned().collect(),
            });
        }
        if seen.hidden > 0 {
            impact.push(Impact {
                kind: ImpactKind::Unknown,
                subject: "sessions".to_owned(),
                detail: format!(
                    "{} sessions are not shown to the role that looked: whether they would come in again is not known",
                    seen.hidden
                ),
                observations: observation.iter().cloned().collect(),
            });
        }
        impact.extend(self.losing(
            graph,
            passwords,
            &observation.into_iter().collect::<Vec<_>>(),
        ));
        impact.sort_by(|a, b| (a.kind, &a.subject).cmp(&(b.kind, &b.subject)));
        impact
    }

    fn losing(
        &self,
        graph: &RoleGraph,
        passwords: Option<&HashMap<Oid, VerifierKind>>,
        observations: &[pgattest_model::ObservationId],
    ) -> Vec<Impact> {
        let lines = &self.rewriting.before.read.lines;
        let mut losing: Vec<Impact> = self
            .rewritten
            .losing
            .iter()
            .filter_map(|&(oid, line)| {
                let role = graph.role(oid)?;
                let place = visible(&lines.get(line)?.row.place());
                let has = match passwords?.get(&oid)? {
                    VerifierKind::Md5 => "a password that is stored as MD5",
                    _ => "no password",
                };
                Some(Impact {
                    kind: ImpactKind::LoginRefused,
                    detail: format!(
                        "comes in by {place} now and cannot any more: it has {has}; no log shows whether it does"
                    ),
                    subject: visible(&quote_ident(&role.name)),
                    observations: observations.to_vec(),
                })
            })
            .collect();
        let more = losing.len().saturating_sub(NAMED);
        losing.truncate(NAMED);
        if more > 0 {
            losing.push(Impact {
                kind: ImpactKind::LoginRefused,
                subject: format!("{more} more roles"),
                detail: "have no SCRAM password and cannot come in any more".to_owned(),
                observations: observations.to_vec(),
            });
        }
        losing
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.rewritten.scram {
            notes.push(
                "clients must speak SCRAM and know their password: libpq 10, pgjdbc 42.2, npgsql 3.2.7 or later".to_owned(),
            );
        }
        if self.rewritten.tls {
            notes.push(
                "clients from other machines must connect with TLS: sslmode=require at least"
                    .to_owned(),
            );
        }
        if self.tls_comes && self.rewritten.tls {
            notes.push("the change that sets ssl = on must have been made first".to_owned());
        }
        if self.rewritten.refusals {
            notes.push(
                "whoever wrote a refusal that refused nobody meant something: decide whether it belongs further up".to_owned(),
            );
        }
        notes
    }
}

/// What a person has to do about one finding.
fn by_hand(problem: &Problem<'_>, why: &str) -> Draft {
    let finding = problem.finding;
    Draft::by_hand(
        format!("{}: {}", finding.subject.name, finding.cause),
        Stage::Authentication,
        format!(
            "{} (pgattest leaves it: {why})",
            finding.remediation.trim_end_matches([';', '.'])
        ),
        vec![problem.closes()],
    )
}

/// Whether another change of the same plan sets `ssl = on`, before the file is written.
fn turns_tls_on(planning: &Planning<'_>) -> bool {
    crate::kinds::settings::KINDS
        .iter()
        .filter(|kind| {
            let mut checks = kind.closes().iter();
            checks.any(|check| planning.open(check).next().is_some())
        })
        .filter_map(|kind| kind.propose(planning).ok())
        .flatten()
        .any(|draft| {
            draft.risk != Risk::ByHand
                && draft.stage.block() < Stage::Authentication.block()
                && matches!(&draft.action, Action::Setting { name, value: Some(SettingValue::One(value)) }
                    if name == "ssl" && value == "on")
        })
}
