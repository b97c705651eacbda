//! Telling the user and the ledger what happens.

use crate::failure::{Doing, Failure, OrHint};
use crate::home::Home;
use crate::printer::Printer;
use pgattest_evidence::{ChangeEntry, Ledger, StoredKey};
use pgattest_ledger::entry::{CHANGE, ENTRY_SCHEMA};
use pgattest_model::ident::visible;
use pgattest_remedy::{Effect, Event, Observer, StepInfo};
use serde_json::{Value, json};

/// Changes of one step that are named.
const TITLES: usize = 2;

/// Longest text of one side of an entry, in bytes: a ledger's entry is short. What is longer is in the journal.
const LONG: usize = 2_000;

/// Prints what happens, and records each step that was done.
pub(crate) struct Teller<'a> {
    printer: &'a Printer,
    plan: &'a str,
    target: &'a str,
    key: StoredKey,
    ledger: Ledger,
    failure: Option<Failure>,
    recorded: usize,
}

impl<'a> Teller<'a> {
    /// For one plan on one target. Makes the signing key when there is none, before anything is changed.
    pub(crate) fn new(
        plan: &'a str,
        target: &'a str,
        home: &Home,
        printer: &'a Printer,
    ) -> Result<Self, Failure> {
        Ok(Self {
            printer,
            plan,
            target,
            key: home.key(printer)?,
            ledger: home.ledger(),
            failure: None,
            recorded: 0,
        })
    }

    /// How many steps the ledger has now, and why it could not take one, when that happened.
    pub(crate) fn finish(self) -> (usize, Result<(), Failure>) {
        (self.recorded, self.failure.map_or(Ok(()), Err))
    }

    /// What a step does; of many changes the first ones, as the plan has them all.
    fn title(&self, step: &StepInfo) -> String {
        match step.titles.get(..TITLES) {
            Some(first) if step.titles.len() > TITLES && !self.printer.verbose => {
                let more = step.titles.len() - TITLES;
                format!("{}; and {more} more", first.join("; "))
            }
            _ => step.title(),
        }
    }

    fn record(&mut self, changes: &[String], effects: &[Effect], undo: bool) {
        let entry = ChangeEntry {
            schema: ENTRY_SCHEMA.to_owned(),
            kind: CHANGE.to_owned(),
            plan: self.plan.to_owned(),
            target: self.target.to_owned(),
            recorded_at: jiff::Timestamp::now().to_string(),
            act: if undo { "undo" } else { "apply" }.to_owned(),
            changes: changes.to_vec(),
            before: side(effects, |effect| &effect.before),
            after: side(effects, |effect| &effect.after),
        };
        let recorded = self
            .ledger
            .record(&self.key.key, &entry)
            .doing(|| {
                "a step was done, and the ledger could not take the entry about it".to_owned()
            })
            .or_hint("the journal has it; mend the ledger");
        match recorded {
            Ok(_) => self.recorded += 1,
            // The step is done: to stop here would help nobody. It is told at the end, and now.
            Err(failure) => {
                self.printer.warning(&format!("{:#}", failure.error));
                self.failure.get_or_insert(failure);
            }
        }
    }
}

/// One side of every effect.
fn side(effects: &[Effect], of: impl Fn(&Effect) -> &String) -> Value {
    let mut left = LONG * 10;
    effects
        .iter()
        .map(|effect| {
            let text = of(effect);
            let short = text
                .char_indices()
                .take_while(|(at, _)| *at < LONG.min(left))
                .map(|(_, c)| c)
                .collect::<String>();
            left = left.saturating_sub(short.len());
            json!({
                "change": effect.change,
                "on": effect.on,
                "is": short,
                "cut": short.len() < text.len(),
            })
        })
        .collect()
}

impl Observer for Teller<'_> {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Checking { what } if self.printer.verbose => {
                self.printer.note(&format!("checking {what}"));
            }
            Event::StepStarted(step) => {
                let way = if step.undo { "taking back " } else { "" };
                self.printer.note(&format!(
                    "{:>3}/{}  {way}{}",
                    step.index,
                    step.total,
                    visible(&self.title(step))
                ));
            }
            Event::Waiting { what } => self.printer.note(&format!("       {}", visible(what))),
            Event::Retried {
                attempt, of, why, ..
            } => self.printer.note(&format!(
                "       attempt {attempt} of {of}: {}; trying again",
                visible(why)
            )),
            Event::GuardSet { path, within } => self.printer.note(&format!(
                "       the server puts {} back by itself in {} seconds, unless new connections prove the new rules",
                visible(path),
                within.as_secs()
            )),
            Event::Proved { what } => {
                self.printer
                    .note(&format!("       proved: {}", visible(what)));
            }
            Event::StepDone { step, effects } => self.record(&step.changes, effects, step.undo),
            Event::RolledBack { why, .. } => self
                .printer
                .warning(&format!("this step was taken back: {why}")),
            Event::NotUndone(left) => self
                .printer
                .warning(&format!("stays: {}: {}", left.title, left.why)),
            _ => {}
        }
    }
}
