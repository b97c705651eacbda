//! How each connection ended.

use super::result::{Finding, Kind, Population, Weight};
use super::sessions::{At, Sessions};
use super::tracker::Seen;
use pgattest_parse::audit_log::authentication::Event;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// How many clients are told apart; the rest is told together.
const HOSTS: usize = 4_096;

/// What is known of a session's connection.
#[expect(
    clippy::struct_excessive_bools,
    reason = "records come in any order and any of them may be missing: no state excludes another"
)]
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Outcome {
    /// Let in.
    pub authorized: bool,
    /// Ended by the server.
    pub fatal: bool,
    client: bool,
    /// Anything beside `received` and `authenticated`.
    decided: bool,
}

impl Outcome {
    pub(super) fn note(&mut self, seen: &Seen<'_>) {
        self.fatal = seen.is_fatal();
        match &seen.event {
            Some(Event::Received | Event::Authenticated { .. }) => {
                self.client = true;
                return;
            }
            Some(Event::Authorized { .. }) => {
                self.authorized = true;
                self.client = true;
            }
            Some(Event::Refused { .. } | Event::Disconnected) => self.client = true,
            None => {}
        }
        self.client |= matches!(
            seen.record.backend_type.as_deref(),
            Some(b"client backend" | b"walsender")
        );
        self.decided = true;
    }

    pub(super) fn is_client(&self) -> bool {
        self.client
    }
}

/// Connections that nothing came of, by client.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Silent {
    count: u64,
    first: At,
    last: At,
}

/// All connections of one form of the log.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Connections {
    /// Received, in order, with the client.
    waiting: VecDeque<(Option<i64>, String, String)>,
    silent: BTreeMap<String, Silent>,
}

impl Connections {
    /// Takes a record's event, after its session has taken the record.
    pub(super) fn take(
        &mut self,
        seen: &Seen<'_>,
        session: &str,
        limit: i64,
        sessions: &mut Sessions,
        population: &mut Population,
    ) {
        match seen.event {
            Some(Event::Received) => {
                population.received += 1;
                let host = seen.record.host.as_deref().map(String::from_utf8_lossy);
                self.waiting.push_back((
                    seen.at.time,
                    session.to_owned(),
                    host.unwrap_or_default().into_owned(),
                ));
            }
            Some(Event::Authorized { .. }) => population.authorized += 1,
            Some(Event::Refused { .. }) => population.connections_refused += 1,
            _ => {}
        }
        if let Some(now) = seen.at.time {
            self.expire(now, limit, sessions, population);
        }
    }

    /// Decides connections that have waited long enough, by the records' time.
    fn expire(
        &mut self,
        now: i64,
        limit: i64,
        sessions: &mut Sessions,
        population: &mut Population,
    ) {
        while let Some((time, _, _)) = self.waiting.front() {
            if time.is_some_and(|time| now.saturating_sub(time) < limit) {
                return;
            }
            let Some((_, session, host)) = self.waiting.pop_front() else {
                return;
            };
            let Some(known) = sessions.get_mut(&session) else {
                continue;
            };
            if known.outcome.decided {
                continue;
            }
            let first = known.first();
            population.no_outcome += 1;
            sessions.dropped(&session, population);
            self.silent(host, first);
        }
    }

    fn silent(&mut self, host: String, at: At) {
        let host = if self.silent.len() < HOSTS || self.silent.contains_key(&host) {
            host
        } else {
            "(others)".to_owned()
        };
        self.silent
            .entry(host)
            .and_modify(|silent| {
                silent.count += 1;
                silent.last = at;
            })
            .or_insert(Silent {
                count: 1,
                first: at,
                last: at,
            });
    }

    /// The end of the period.
    pub(super) fn finish(
        &self,
        destination: &str,
        sessions: &mut Sessions,
        population: &mut Population,
        findings: &mut Vec<Finding>,
    ) {
        for (_, session, _) in &self.waiting {
            let undecided = sessions
                .get_mut(session)
                .is_some_and(|known| !known.outcome.decided);
            population.undecided += u64::from(undecided);
        }
        for (host, silent) in &self.silent {
            let mut finding = Finding::new(
                Kind::NoOutcome,
                Weight::Note,
                format!(
                    "{} connections from {host} were received, and nothing else is recorded of them: a probe, a health check, or records that are missing at the end of a session",
                    silent.count
                ),
            );
            finding.records = vec![silent.first.record];
            if silent.last != silent.first {
                finding.records.push(silent.last.record);
            }
            finding.from = silent.first.time;
            finding.to = silent.last.time;
            finding.count = silent.count;
            finding.destination = Some(destination.to_owned());
            findings.push(finding);
        }
    }
}
