//! The engine: records and leaves in, findings out.

use super::auditing::Auditing;
use super::changes::Written;
use super::collector::Collector;
use super::connections::Connections;
use super::holes::settle;
use super::input::Options;
use super::result::{Completeness, Event, Finding, Kind, Population, Weight};
use super::sessions::{At, Sessions};
use super::volume::Volume;
use crate::block::{Block, PieceKind};
use crate::leaf::Leaf;
use pgattest_parse::audit_log::authentication::{self, Event as Connection};
use pgattest_parse::audit_log::pgaudit::{self, Audit};
use pgattest_parse::audit_log::{Decoder, Format, Record, TornReason};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many single findings of torn pieces are told; the rest is counted in the last one.
const TORN: u64 = 10_000;

/// A record as the parts of the engine see it.
pub(super) struct Seen<'a> {
    pub at: At,
    pub destination: &'a str,
    pub session: Option<&'a str>,
    pub record: &'a Record<'a>,
    pub event: Option<Connection<'a>>,
    pub audit: Option<Audit<'a>>,
}

impl Seen<'_> {
    /// ` (app in shop from 10.0.0.1)`, or nothing.
    pub(super) fn who(&self) -> String {
        let text = |field: &Option<std::borrow::Cow<'_, [u8]>>| {
            field
                .as_deref()
                .filter(|bytes| !bytes.is_empty())
                .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        let mut who = String::new();
        if let Some(user) = text(&self.record.user) {
            who.push_str(&user);
        }
        if let Some(database) = text(&self.record.database) {
            who.push_str(" in ");
            who.push_str(&database);
        }
        if who.is_empty() {
            return who;
        }
        if let Some(host) = text(&self.record.host) {
            who.push_str(" from ");
            who.push_str(&host);
        }
        format!(" ({who})")
    }

    pub(super) fn is_fatal(&self) -> bool {
        matches!(
            self.record.severity.as_deref(),
            Some(b"FATAL" | b"PANIC" | b"PANIK")
        ) || matches!(self.event, Some(Connection::Refused { .. }))
    }

    pub(super) fn is_authorized(&self) -> bool {
        matches!(self.event, Some(Connection::Authorized { .. }))
    }

    /// One of the records that come before a session may begin.
    pub(super) fn is_of_connecting(&self) -> bool {
        self.is_fatal()
            || matches!(
                self.event,
                Some(
                    Connection::Received
                        | Connection::Authenticated { .. }
                        | Connection::Authorized { .. }
                )
            )
            || self
                .record
                .sqlstate
                .as_deref()
                .is_some_and(|state| state.starts_with(b"08"))
    }

    pub(super) fn fill(&self, finding: &mut Finding, session: &str, lines: (u64, u64)) {
        finding.records = vec![self.at.record];
        finding.to = self.at.time;
        finding.destination = Some(self.destination.to_owned());
        finding.session = Some(session.to_owned());
        finding.lines = Some(lines);
    }
}

/// What is known of one form of the log.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
struct Form {
    population: Population,
    sessions: Sessions,
    connections: Connections,
    volume: Volume,
    /// One for each pair of snapshots.
    written: Vec<Written>,
    torn_told: u64,
}

/// Everything the engine remembers. It can be saved, and gone on with.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct State {
    /// The number of the record that comes next.
    pub next_record: u64,
    /// The index of the leaf that comes next.
    pub next_leaf: u64,
    forms: BTreeMap<String, Form>,
    collector: Collector,
    auditing: Auditing,
    findings: Vec<Finding>,
    events: Vec<Event>,
    not_assessed: Vec<String>,
}

impl State {
    /// How many sessions are held in memory.
    pub fn open_sessions(&self) -> usize {
        self.forms
            .values()
            .map(|form| form.sessions.open_sessions())
            .sum()
    }
}

/// The engine.
#[derive(Clone, Debug)]
pub struct Tracker {
    options: Options,
    state: State,
}

impl Tracker {
    /// At the beginning of a trail, or of a part of it.
    pub fn new(options: Options) -> Self {
        Self::resume(options, State::default())
    }

    /// Goes on where a state was saved.
    pub fn resume(options: Options, state: State) -> Self {
        Self { options, state }
    }

    /// What to save.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes a leaf, in order. The records of a block are taken by [`Self::block`], after its leaf.
    pub fn leaf(&mut self, index: u64, leaf: &Leaf) {
        let state = &mut self.state;
        state.collector.take(
            index,
            leaf,
            self.options.heartbeat_limit,
            &mut state.findings,
            &mut state.events,
        );
        state.next_leaf = index + 1;
    }

    /// Takes the pieces of a block, in order. `first`: the number of the first one.
    pub fn block(&mut self, first: u64, block: &Block) {
        let decoder = Decoder::new(block.format.clone());
        for (number, (piece, bytes)) in (first..).zip(block.iter()) {
            match piece.kind {
                PieceKind::Record => self.record(number, &block.format, &decoder, bytes),
                PieceKind::Torn(reason) => self.torn(number, &block.format, reason, bytes.len()),
            }
        }
    }

    /// Takes a record's bytes. `decoder` is for `format`.
    pub fn record(&mut self, number: u64, format: &Format, decoder: &Decoder, bytes: &[u8]) {
        if let Some(record) = decoder.decode(bytes) {
            self.decoded(number, format, &record);
        } else {
            self.form(format).population.undecodable += 1;
            self.torn(number, format, TornReason::Fields, bytes.len());
        }
    }

    /// Takes a piece that is no record.
    pub fn torn(&mut self, number: u64, format: &Format, reason: TornReason, length: usize) {
        self.state.next_record = number + 1;
        let form = self.form(format);
        form.population.torn += 1;
        form.torn_told += 1;
        if form.torn_told > TORN {
            return;
        }
        let why = match reason {
            TornReason::CutShort => "the log ends within a record",
            TornReason::Glued => "a record begins within another one",
            TornReason::Fields => "the fields are not those of a record",
            TornReason::Foreign => "the bytes are not of this form",
        };
        let mut finding = Finding::new(
            Kind::Torn,
            Weight::Suspicion,
            format!(
                "piece {number}, {length} bytes, is no record: {why}; which records were lost with it the line numbers tell"
            ),
        );
        finding.records = vec![number];
        finding.destination = Some(format.name().to_owned());
        self.state.findings.push(finding);
    }

    /// Takes a record that is decoded already.
    pub fn decoded(&mut self, number: u64, format: &Format, record: &Record<'_>) {
        self.form(format);
        let destination = format.name();
        let session = record.session.as_deref().map(String::from_utf8_lossy);
        let seen = Seen {
            at: At {
                record: number,
                time: record.time_ms,
            },
            destination,
            session: session.as_deref(),
            record,
            event: authentication::read(record),
            audit: pgaudit::of(record),
        };
        let State {
            forms,
            auditing,
            findings,
            events,
            next_record,
            ..
        } = &mut self.state;
        *next_record = number + 1;
        let Some(form) = forms.get_mut(destination) else {
            return;
        };
        let population = &mut form.population;
        population.records += 1;
        population.audit_grade = format.is_audit_grade();
        if population.first.is_none() {
            population.first = record.time_ms;
        }
        population.last = population.last.max(record.time_ms);
        population.audited += u64::from(seen.audit.is_some());
        if seen.is_fatal() {
            let state = record.sqlstate.as_deref().map(String::from_utf8_lossy);
            *population
                .fatal
                .entry(state.unwrap_or_default().into_owned())
                .or_default() += 1;
        }
        form.volume.take(destination, seen.at, findings);

        let mut restarted = false;
        if let (Some(session), Some(line)) = (seen.session, record.line.filter(|&line| line > 0)) {
            let log_disconnections = self.options.log_disconnections;
            let told = form.sessions.take(
                &seen,
                session,
                line,
                log_disconnections,
                population,
                findings,
            );
            restarted = told.restarted;
            let limit = self.options.outcome_after;
            form.connections
                .take(&seen, session, limit, &mut form.sessions, population);
        } else {
            population.unnumbered += 1;
        }
        auditing.take(&seen, restarted, &self.options, findings, events);
        form.written
            .resize(self.options.changes.len(), Written::default());
        for (written, snapshots) in form.written.iter_mut().zip(&self.options.changes) {
            written.take(&seen, snapshots);
        }
        if let (Some(Connection::Disconnected), Some(session)) = (&seen.event, seen.session) {
            form.sessions.disconnected(session, population, findings);
            auditing.session_ended(&seen, session, findings);
        }
    }

    /// The end of the period.
    pub fn finish(self) -> Completeness {
        let Self { options, mut state } = self;
        let mut populations = BTreeMap::new();
        let mut most = vec![Written::default(); options.changes.len()];
        for (name, mut form) in std::mem::take(&mut state.forms) {
            form.connections.finish(
                &name,
                &mut form.sessions,
                &mut form.population,
                &mut state.findings,
            );
            form.sessions.finish(
                &name,
                options.live.as_ref(),
                options.log_disconnections,
                &mut form.population,
                &mut state.findings,
            );
            form.volume
                .finish(&name, options.busy_hour, &mut state.findings);
            // The same statements may be in two forms of the log: the fuller one counts.
            for (most, written) in most.iter_mut().zip(form.written) {
                if most.is_fuller_in(&written) {
                    *most = written;
                }
            }
            state
                .not_assessed
                .extend(doubts(&name, &form.population, &options));
            populations.insert(name, form.population);
        }
        state.auditing.finish(&options, &mut state.findings);
        if options.changes.is_empty() {
            state.not_assessed.push(
                "rows changed: no two snapshots of the server's counters were given".to_owned(),
            );
        }
        let tables = most
            .iter()
            .zip(&options.changes)
            .flat_map(|(written, snapshots)| {
                written.compare(snapshots, &mut state.findings, &mut state.not_assessed)
            })
            .collect();
        settle(&mut state.findings);
        // By time, then by what shows it: the same input gives the same order.
        state.findings.sort_by(|one, other| {
            (one.from.or(one.to), &one.records, &one.leaves, one.kind).cmp(&(
                other.from.or(other.to),
                &other.records,
                &other.leaves,
                other.kind,
            ))
        });
        Completeness {
            schema: "pgattest.completeness/1".to_owned(),
            populations,
            coverage: state.collector.coverage(),
            findings: state.findings,
            events: state.events,
            tables,
            not_assessed: state.not_assessed,
        }
    }

    fn form(&mut self, format: &Format) -> &mut Form {
        self.state
            .forms
            .entry(format.name().to_owned())
            .or_default()
    }
}

/// What could not be told of a form of the log.
fn doubts(name: &str, population: &Population, options: &Options) -> Vec<String> {
    let mut doubts = Vec::new();
    if population.unnumbered > 0 {
        doubts.push(format!(
            "{name}: {} records have no session or no line number; that none is missing among them is not shown",
            population.unnumbered
        ));
    }
    if !population.audit_grade && population.records > 0 {
        doubts.push(format!(
            "{name}: anybody who may name a role can forge records of this form; what its line numbers show is no proof"
        ));
    }
    if options.log_disconnections.is_none()
        && population.disconnected == 0
        && population.sessions > 0
    {
        doubts.push(format!(
            "{name}: no disconnection is recorded, so that a session was cut off at its end cannot be seen (`log_disconnections`)"
        ));
    }
    if population.received == 0 && population.sessions > 0 {
        doubts.push(format!(
            "{name}: no connection is recorded as received, so how they ended cannot be seen (`log_connections`)"
        ));
    }
    if population.open > 0 {
        doubts.push(format!(
            "{name}: {} sessions are without an end; whether they still went on is only known with the sessions that were alive",
            population.open
        ));
    }
    doubts
}
