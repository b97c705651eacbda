//! When pgaudit or the log was weakened, and for whom.

use super::input::Options;
use super::result::{Event, Finding, Kind, Weight};
use super::sessions::At;
use super::settings::{self, Change, Effect, Scope};
use super::tracker::Seen;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A weakening that goes on.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Weakened {
    from: At,
    effect: Effect,
    value: Option<String>,
    who: String,
    session: Option<String>,
}

/// What is known of the settings.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Auditing {
    /// In force, by scope and setting.
    going_on: BTreeMap<String, Weakened>,
    /// Written down for the next reload or restart.
    announced: BTreeMap<String, Weakened>,
    /// Since the server was started: client sessions and audit records, and when that was.
    run: Option<(At, u64, u64)>,
    /// Runs with sessions and no audit record.
    silent: Vec<(At, u64)>,
    /// Audit records at all.
    audited: u64,
    /// Messages of the server, read twice when two forms of the log are captured.
    last_event: Option<(Option<i64>, String)>,
}

impl Auditing {
    /// Takes a record. `restarted`: the server began anew with it.
    pub(super) fn take(
        &mut self,
        seen: &Seen<'_>,
        restarted: bool,
        options: &Options,
        findings: &mut Vec<Finding>,
        events: &mut Vec<Event>,
    ) {
        if restarted && seen.record.backend_type.as_deref() == Some(b"postmaster") {
            self.restart(seen, options, events);
        }
        if seen.audit.is_some() {
            self.audited += 1;
            if let Some((_, _, audited)) = &mut self.run {
                *audited += 1;
            }
        }
        if seen.is_authorized()
            && let Some((_, sessions, _)) = &mut self.run
        {
            *sessions += 1;
        }
        for change in settings::read(seen.record, seen.audit.as_ref()) {
            self.change(seen, &change, options, findings, events);
        }
    }

    fn restart(&mut self, seen: &Seen<'_>, options: &Options, events: &mut Vec<Event>) {
        let is_same = self.run.is_some_and(|(at, sessions, audited)| {
            at.time == seen.at.time && sessions == 0 && audited == 0
        });
        if is_same {
            return;
        }
        self.close_run(options);
        self.run = Some((seen.at, 0, 0));
        events.push(event(seen, "the server was started".to_owned()));
        // What was written down is in force now. The server does not log that.
        for (key, mut weakened) in std::mem::take(&mut self.announced) {
            weakened.from = seen.at;
            self.going_on.entry(key).or_insert(weakened);
        }
    }

    fn close_run(&mut self, options: &Options) {
        if let Some((at, sessions, 0)) = self.run
            && sessions >= options.silent_sessions
        {
            self.silent.push((at, sessions));
        }
    }

    fn change(
        &mut self,
        seen: &Seen<'_>,
        change: &Change,
        options: &Options,
        findings: &mut Vec<Finding>,
        events: &mut Vec<Event>,
    ) {
        let effect = settings::effect(change, &options.required_classes);
        let shown = shown(change);
        let told = (seen.at.time, shown.clone());
        if self.last_event.as_ref() != Some(&told) {
            events.push(event(seen, format!("{shown}{}", seen.who())));
            self.last_event = Some(told);
        }
        let key = key(seen, change);
        let is_weaker = effect >= Effect::Weaker;
        let weakened = Weakened {
            from: seen.at,
            effect,
            value: change.value.clone(),
            who: seen.who(),
            session: seen.session.map(str::to_owned),
        };
        match (&change.scope, is_weaker) {
            (Scope::Announced, true) => {
                self.announced.insert(key, weakened);
            }
            (Scope::Announced, false) => {
                self.announced.remove(&key);
            }
            // A function's own value holds as long as the function is defined so; that it was is the finding.
            (_, true) => match self.going_on.get(&key) {
                Some(known) if known.value == weakened.value => {}
                Some(_) => {
                    if let Some(known) = self.going_on.insert(key.clone(), weakened) {
                        findings.push(finding(&key, &known, Some(seen.at)));
                    }
                }
                None => {
                    self.going_on.insert(key, weakened);
                }
            },
            (_, false) => {
                if let Some(known) = self.going_on.remove(&key) {
                    findings.push(finding(&key, &known, Some(seen.at)));
                }
            }
        }
        if change.scope == Scope::Server {
            self.announced
                .remove(&key_of(&Scope::Announced, None, &change.name));
        }
    }

    /// A session is over, and so is what it has set for itself.
    pub(super) fn session_ended(
        &mut self,
        seen: &Seen<'_>,
        session: &str,
        findings: &mut Vec<Finding>,
    ) {
        let prefix = format!("session {session}: ");
        let keys: Vec<String> = self
            .going_on
            .range(prefix.clone()..)
            .take_while(|(key, _)| key.starts_with(&prefix))
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            if let Some(known) = self.going_on.remove(&key) {
                findings.push(finding(&key, &known, Some(seen.at)));
            }
        }
    }

    /// The end of the period.
    pub(super) fn finish(&mut self, options: &Options, findings: &mut Vec<Finding>) {
        self.close_run(options);
        for (key, known) in &self.going_on {
            findings.push(finding(key, known, None));
        }
        for (key, known) in &self.announced {
            let mut finding = finding(key, known, None);
            finding.weight = Weight::Suspicion;
            finding
                .detail
                .push_str("; no record says that it came into force yet");
            findings.push(finding);
        }
        if self.audited == 0 {
            return;
        }
        for (at, sessions) in &self.silent {
            let mut finding = Finding::new(
                Kind::AuditingSilent,
                Weight::Suspicion,
                format!(
                    "the server that was started with record {} let {sessions} sessions in and logged no audit record, while there are {} otherwise: pgaudit may not have been loaded",
                    at.record, self.audited
                ),
            );
            finding.records = vec![at.record];
            finding.from = at.time;
            finding.count = *sessions;
            findings.push(finding);
        }
    }
}

fn event(seen: &Seen<'_>, detail: String) -> Event {
    Event {
        at: seen.at.time,
        detail,
        record: Some(seen.at.record),
        leaf: None,
    }
}

fn key(seen: &Seen<'_>, change: &Change) -> String {
    key_of(&change.scope, seen.session, &change.name)
}

fn key_of(scope: &Scope, session: Option<&str>, name: &str) -> String {
    match scope {
        // One is the other, come into force.
        Scope::Server | Scope::Announced => format!("server: {name}"),
        Scope::Stored(target) => format!("{target}: {name}"),
        Scope::Session => format!("session {}: {name}", session.unwrap_or("?")),
        Scope::Function => format!("function of session {}: {name}", session.unwrap_or("?")),
    }
}

fn shown(change: &Change) -> String {
    let value = match &change.value {
        Some(value) => format!("`{}` set to `{value}`", change.name),
        None => format!("`{}` reset", change.name),
    };
    match &change.scope {
        Scope::Server => format!("{value} for the whole server"),
        Scope::Announced => {
            format!("{value} for the whole server, from the next reload or restart on")
        }
        Scope::Stored(target) => format!("{value} for new sessions of {target}"),
        Scope::Function => format!("{value} in the definition of a function"),
        Scope::Session => format!("{value} in a session"),
    }
}

fn finding(key: &str, known: &Weakened, until: Option<At>) -> Finding {
    let value = match &known.value {
        Some(value) => format!("set to `{value}`"),
        None => "reset".to_owned(),
    };
    let what = match known.effect {
        Effect::Off => "auditing was switched off",
        _ => "what is recorded was weakened",
    };
    let end = match until {
        Some(until) => format!("record {}", until.record),
        None => "the end of what is here".to_owned(),
    };
    let mut finding = Finding::new(
        Kind::AuditingWeakened,
        if known.effect == Effect::Off {
            Weight::Loss
        } else {
            Weight::Suspicion
        },
        format!(
            "{what}: {key} {value}{}, from record {} to {end}",
            known.who, known.from.record
        ),
    );
    finding.records = std::iter::once(known.from.record)
        .chain(until.map(|until| until.record))
        .collect();
    finding.from = known.from.time;
    finding.to = until.and_then(|until| until.time);
    finding.session.clone_from(&known.session);
    finding
}
