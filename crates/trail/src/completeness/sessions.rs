//! Line numbers: from 1, without a gap, by session and form of the log.

use super::connections::Outcome;
use super::holes::{Holes, MAYBE_BEFORE, hole};
use super::result::{Finding, Kind, Population, Weight};
use super::tracker::Seen;
use super::unfinished::{Unfinished, sentence};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

/// How many sessions that have ended are remembered, to recognise one that comes again.
const REMEMBERED: usize = 65_536;

/// A record's place.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct At {
    /// Its number.
    pub record: u64,
    /// Its time, in milliseconds since 1970.
    pub time: Option<i64>,
}

/// A session that goes on, as far as the records tell.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Session {
    line: u64,
    first: At,
    last: At,
    /// Seconds since 1970, from the identifier.
    start: Option<i64>,
    pid: Option<u32>,
    who: String,
    holes: Holes,
    /// What is known of its connection.
    pub outcome: Outcome,
    /// Its end was counted already: it only logged a little more.
    counted: bool,
    /// The finding that tells that it was cut off, until its end comes late.
    #[serde(default)]
    unfinished: Option<Unfinished>,
    /// Records beside those of connecting.
    worked: bool,
}

impl Session {
    pub(super) fn first(&self) -> At {
        self.first
    }
}

/// A run of numbers that came again.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Reuse {
    key: String,
    finding: usize,
}

/// What is remembered of a session that has ended.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Ended {
    /// Its last line number.
    line: u64,
    holes: Holes,
    /// As in [`Session::unfinished`].
    #[serde(default)]
    unfinished: Option<Unfinished>,
}

/// All sessions of one form of the log.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Sessions {
    /// By identifier.
    open: BTreeMap<String, Session>,
    /// Which session a process has.
    processes: BTreeMap<u32, String>,
    /// Ended ones, by identifier.
    ended: BTreeMap<String, Ended>,
    ended_order: VecDeque<String>,
    /// Time of the first record of the form.
    begin: Option<i64>,
    server: Option<String>,
    disconnection_seen: bool,
    reuse: Option<Reuse>,
}

/// What a record told of its session.
pub(super) struct Told {
    /// The server's main process, or its recovery, has begun anew: every session before it is over.
    pub restarted: bool,
}

impl Sessions {
    /// Takes a record that has a session and a line number.
    pub(super) fn take(
        &mut self,
        seen: &Seen<'_>,
        session: &str,
        line: u64,
        log_disconnections: Option<bool>,
        population: &mut Population,
        findings: &mut Vec<Finding>,
    ) -> Told {
        if self.begin.is_none() {
            self.begin = seen.at.time;
        }
        if let Some(known) = self.open.get_mut(session) {
            let expected = known.line + 1;
            if line >= expected {
                if line > expected {
                    let lines = (expected, line - 1);
                    let finding = hole(seen, session, &known.who, lines, Some(known.last));
                    population.missing_lines += line - expected;
                    population.gapless -= u64::from(!known.holes.any());
                    known.holes.tell(finding, findings);
                }
                known.line = line;
            }
            known.note(seen);
            known.last = seen.at;
            if line < expected {
                if known.holes.fill(session, &known.who, line, findings) {
                    population.missing_lines -= 1;
                    population.gapless += u64::from(!known.holes.any());
                } else if !known.holes.fill_before(line) {
                    self.came_again(seen, session, line, expected - 1, findings);
                }
            }
            return Told { restarted: false };
        }
        self.begins(
            seen,
            session,
            line,
            log_disconnections,
            population,
            findings,
        )
    }

    fn begins(
        &mut self,
        seen: &Seen<'_>,
        session: &str,
        line: u64,
        log_disconnections: Option<bool>,
        population: &mut Population,
        findings: &mut Vec<Finding>,
    ) -> Told {
        let start = start_of(session);
        let mut known = Session {
            line,
            first: seen.at,
            last: seen.at,
            start,
            pid: seen.record.pid,
            who: seen.who(),
            holes: Holes::default(),
            outcome: Outcome::default(),
            counted: false,
            unfinished: None,
            worked: false,
        };
        known.note(seen);
        // What comes late of a session that is over leaves it over.
        if let Some(ended) = self.ended.get_mut(session) {
            if ended.holes.fill(session, &known.who, line, findings) {
                population.missing_lines -= 1;
                population.gapless += u64::from(!ended.holes.any());
                return Told { restarted: false };
            }
            if ended.holes.fill_before(line) {
                return Told { restarted: false };
            }
        }
        let ended = self.ended.get(session).cloned();
        // What comes late of a session that is over says nothing of who has its process now.
        let is_over = ended.is_some();
        if let Some(Ended {
            line: last,
            holes,
            unfinished,
        }) = ended
        {
            known.counted = true;
            known.unfinished = unfinished;
            known.holes = holes;
            known.line = line.max(last);
            let had_hole = known.holes.any();
            if line <= last {
                self.came_again(seen, session, line, last, findings);
            } else if line > last + 1 {
                // A process may log a little after its disconnection, but not skip a number.
                let finding = hole(seen, session, &known.who, (last + 1, line - 1), None);
                population.missing_lines += line - 1 - last;
                population.gapless -= u64::from(!had_hole);
                known.holes.tell(finding, findings);
            }
        } else {
            population.sessions += 1;
            population.gapless += 1;
            if line > 1 {
                self.head(seen, session, &mut known, line, population, findings);
            }
        }
        let restarted = self.is_restart(seen, session, start);
        if restarted {
            let reason = format!("the server began anew with record {}", seen.at.record);
            let before: Vec<String> = self
                .open
                .iter()
                .filter(|(_, other)| other.start <= start)
                .map(|(key, _)| key.clone())
                .collect();
            for key in before {
                self.end(
                    &key,
                    &reason,
                    seen,
                    log_disconnections,
                    population,
                    findings,
                );
            }
        } else if !is_over
            && let Some(pid) = known.pid
            && let Some(former) = self.processes.get(&pid).cloned()
            && former != session
        {
            let reason = format!(
                "process {pid} belongs to session {session} from record {} on",
                seen.at.record
            );
            self.end(
                &former,
                &reason,
                seen,
                log_disconnections,
                population,
                findings,
            );
        }
        if !is_over && let Some(pid) = known.pid {
            self.processes.insert(pid, session.to_owned());
        }
        self.open.insert(session.to_owned(), known);
        Told { restarted }
    }

    /// The first record that is here is not the session's first one.
    fn head(
        &self,
        seen: &Seen<'_>,
        session: &str,
        known: &mut Session,
        line: u64,
        population: &mut Population,
        findings: &mut Vec<Finding>,
    ) {
        let begin = self.begin.map(|begin| begin.div_euclid(1000));
        let since = known
            .start
            .zip(begin)
            .map(|(start, begin)| start.cmp(&begin));
        if since == Some(Ordering::Less) {
            population.began_before += 1;
            known.holes.begin_at(line);
            return;
        }
        let mut finding = hole(seen, session, &known.who, (1, line - 1), None);
        if since != Some(Ordering::Greater) {
            finding.weight = Weight::Suspicion;
            finding.detail.push_str(MAYBE_BEFORE);
        }
        known.holes.tell(finding, findings);
        population.gapless -= 1;
        population.missing_lines += line - 1;
    }

    fn came_again(
        &mut self,
        seen: &Seen<'_>,
        session: &str,
        line: u64,
        last: u64,
        findings: &mut Vec<Finding>,
    ) {
        // A run of them is one finding: a file that was read twice would give one for each record.
        if let Some(reuse) = &self.reuse
            && reuse.key == session
            && let Some(finding) = findings.get_mut(reuse.finding)
            && finding.kind == Kind::LineReuse
            && finding.lines.is_some_and(|(_, to)| to + 1 == line)
        {
            finding.lines = finding.lines.map(|(from, _)| (from, line));
            finding.count += 1;
            finding.to = seen.at.time;
            finding.records.truncate(1);
            finding.records.push(seen.at.record);
            return;
        }
        let mut finding = Finding::new(
            Kind::LineReuse,
            Weight::Loss,
            format!(
                "line {line} of session {session} came after its line {last}: the identifier was used twice, the log was read twice, or a record is forged"
            ),
        );
        seen.fill(&mut finding, session, (line, line));
        self.reuse = Some(Reuse {
            key: session.to_owned(),
            finding: findings.len(),
        });
        findings.push(finding);
    }

    /// Whether this session says that the server, or what it recovers with after a crash, has begun.
    fn is_restart(&mut self, seen: &Seen<'_>, session: &str, start: Option<i64>) -> bool {
        match seen.record.backend_type.as_deref() {
            Some(b"postmaster") if self.server.as_deref() != Some(session) => {
                self.server = Some(session.to_owned());
                // One that began before this log did was there all the time.
                let begin = self.begin.map(|begin| begin.div_euclid(1000));
                start >= begin
            }
            // No client is let in before it ends: it runs at the start, and after a crash. On a standby it runs all the time, and
            // began before the clients did.
            Some(b"startup") => self.server.is_some(),
            _ => false,
        }
    }

    /// A session is over.
    fn end(
        &mut self,
        key: &str,
        reason: &str,
        seen: &Seen<'_>,
        log_disconnections: Option<bool>,
        population: &mut Population,
        findings: &mut Vec<Finding>,
    ) {
        let Some(session) = self.open.get(key) else {
            return;
        };
        // The server's main process outlives the recovery after a crash, and so may what it starts beside the clients.
        if seen.record.backend_type.as_deref() == Some(b"startup") && !session.is_client() {
            return;
        }
        let Some(session) = self.open.remove(key) else {
            return;
        };
        self.forget(key, &session);
        if let Some(told) = &session.unfinished {
            told.restate(key, &session.who, session.line, findings);
        }
        if let Some(finding) = self.closed(key, &session, reason, log_disconnections, population) {
            let mut finding = finding;
            finding.records.push(seen.at.record);
            finding.to = seen.at.time;
            finding.destination = Some(seen.destination.to_owned());
            if let Some(ended) = self.ended.get_mut(key) {
                ended.unfinished = Some(Unfinished::new(findings.len(), reason));
            }
            findings.push(finding);
        }
    }

    /// Counts how a session ended; the finding, when its disconnection ought to be there.
    fn closed(
        &self,
        key: &str,
        session: &Session,
        reason: &str,
        log_disconnections: Option<bool>,
        population: &mut Population,
    ) -> Option<Finding> {
        if session.counted {
            return None;
        }
        if !session.is_client() {
            population.internal += 1;
            return None;
        }
        if !session.was_let_in() {
            population.refused += 1;
            return None;
        }
        let expects = log_disconnections.unwrap_or(self.disconnection_seen);
        if !expects {
            population.open += 1;
            return None;
        }
        population.unfinished += 1;
        let mut finding = Finding::new(
            Kind::Unfinished,
            Weight::Suspicion,
            sentence(key, &session.who, session.line, reason),
        );
        finding.records.push(session.last.record);
        finding.from = session.last.time;
        finding.session = Some(key.to_owned());
        finding.lines = Some((session.line, session.line));
        Some(finding)
    }

    fn forget(&mut self, key: &str, session: &Session) {
        if let Some(pid) = session.pid
            && self.processes.get(&pid).is_some_and(|holder| holder == key)
        {
            self.processes.remove(&pid);
        }
        if self
            .ended
            .insert(
                key.to_owned(),
                Ended {
                    line: session.line,
                    holes: session.holes.clone(),
                    unfinished: session.unfinished.clone(),
                },
            )
            .is_none()
        {
            self.ended_order.push_back(key.to_owned());
        }
        if self.ended_order.len() > REMEMBERED
            && let Some(oldest) = self.ended_order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }

    /// A disconnection was recorded: the session is remembered by its last number only.
    pub(super) fn disconnected(
        &mut self,
        key: &str,
        population: &mut Population,
        findings: &mut [Finding],
    ) {
        self.disconnection_seen = true;
        if let Some(mut session) = self.open.remove(key) {
            // What was told to be cut off has its end, which came late.
            let told = session.unfinished.take();
            if told.is_some_and(|told| told.take_back(findings)) {
                population.unfinished -= 1;
                session.counted = false;
            }
            population.disconnected += u64::from(!session.counted);
            self.forget(key, &session);
        }
    }

    /// A connection that nothing came of: nothing more is expected of it.
    pub(super) fn dropped(&mut self, key: &str, population: &mut Population) {
        if let Some(session) = self.open.remove(key) {
            population.refused += u64::from(!session.counted);
            self.forget(key, &session);
        }
    }

    /// The session, while it goes on.
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Session> {
        self.open.get_mut(key)
    }

    /// The end of the period: what is still open, with what is known of the sessions that were alive.
    pub(super) fn finish(
        &self,
        destination: &str,
        live: Option<&super::input::LiveSessions>,
        log_disconnections: Option<bool>,
        population: &mut Population,
        findings: &mut Vec<Finding>,
    ) {
        for (key, session) in &self.open {
            if let Some(told) = &session.unfinished {
                // It logged a little more, and its end did not come.
                told.restate(key, &session.who, session.line, findings);
            }
            let is_gone = live.is_some_and(|live| {
                session.last.time.is_some_and(|time| time < live.at) && !live.sessions.contains(key)
            });
            if is_gone || session.counted || !session.is_client() || session.is_refused() {
                let reason = "it is not among the sessions that were alive later";
                if let Some(mut finding) =
                    self.closed(key, session, reason, log_disconnections, population)
                {
                    finding.to = live.map(|live| live.at);
                    finding.destination = Some(destination.to_owned());
                    findings.push(finding);
                }
            } else {
                population.open += 1;
            }
        }
    }

    /// How many sessions are held in memory.
    pub fn open_sessions(&self) -> usize {
        self.open.len()
    }
}

impl Session {
    fn note(&mut self, seen: &Seen<'_>) {
        if self.who.is_empty() {
            self.who = seen.who();
        }
        self.outcome.note(seen);
        self.worked |= !seen.is_of_connecting();
    }

    fn is_client(&self) -> bool {
        self.outcome.is_client()
    }

    /// Whether the server registers a disconnection for it: only once the session may begin.
    fn was_let_in(&self) -> bool {
        self.worked || (self.outcome.authorized && !self.outcome.fatal)
    }

    fn is_refused(&self) -> bool {
        self.outcome.fatal && !self.was_let_in()
    }
}

/// When a session began, in seconds since 1970: the first half of its identifier.
pub(super) fn start_of(session: &str) -> Option<i64> {
    let (start, _) = session.split_once('.')?;
    i64::from_str_radix(start, 16)
        .ok()
        .filter(|start| (0..1 << 40).contains(start))
}
