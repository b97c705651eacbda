//! What an answer leads to: confirm, back off, halve, dead letter.

use super::Options;
use super::dead;
use super::delivery::Run;
use super::status::{Standing, now};
use crate::record::{Batch, Item, Part, What, WholeBlock};
use crate::sink::Answer;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use pgattest_trail::Leaf;
use pgattest_trail::operate::TaskError;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait after a failure.
pub(super) struct Retries {
    builder: ExponentialBuilder,
    waits: ExponentialBackoff,
    last: Duration,
}

impl Retries {
    pub(super) fn new(options: &Options) -> Self {
        let builder = ExponentialBuilder::new()
            .with_min_delay(options.first_delay)
            .with_max_delay(options.last_delay)
            .without_max_times()
            .with_jitter();
        Self {
            waits: builder.build(),
            builder,
            last: options.last_delay,
        }
    }

    pub(super) fn next(&mut self) -> Duration {
        self.waits.next().unwrap_or(self.last)
    }

    fn reset(&mut self) {
        self.waits = self.builder.build();
    }
}

/// A batch under way.
struct Trial {
    /// What is still to be delivered, the first items last.
    stack: Vec<Vec<Item>>,
    block: Option<Arc<WholeBlock>>,
    /// Something of the batch has been accepted.
    accepted: bool,
    /// Refused before anything was accepted: perhaps it is not the records that are wrong.
    refused: Vec<(Item, String)>,
    /// Everything has been refused once already.
    doubted: bool,
}

impl Run<'_> {
    /// Delivers a batch, whatever it takes. Returns when every item is confirmed or in a dead letter, or the collector stops.
    pub(super) fn settle(&mut self, batch: Batch) -> Result<(), TaskError> {
        let mut trial = Trial {
            stack: vec![batch.items],
            block: batch.block,
            accepted: false,
            refused: Vec::new(),
            doubted: false,
        };
        loop {
            while let Some(items) = trial.stack.pop() {
                if items.is_empty() {
                    continue;
                }
                while self.sink.is_none() {
                    if self.context.stop.is_stopping() {
                        return Ok(());
                    }
                    self.open();
                }
                let batch = Batch {
                    items,
                    block: trial.block.clone(),
                };
                let Some(answer) = self.deliver(&batch) else {
                    return Ok(());
                };
                if !self.heed(&mut trial, batch.items, answer)? {
                    return Ok(());
                }
            }
            let refused = std::mem::take(&mut trial.refused);
            let suspicious = refused.len() > 1 || (!refused.is_empty() && !self.trusted);
            if suspicious && !trial.doubted {
                // Nothing at all is accepted: more likely the sink's settings than each of the records. A person gets a chance.
                trial.doubted = true;
                let reason = refused
                    .first()
                    .map_or_else(String::new, |(_, reason)| reason.clone());
                self.misconfigured(&format!(
                    "it refuses every one of {} records: {reason}",
                    refused.len()
                ));
                trial
                    .stack
                    .push(refused.into_iter().map(|(item, _)| item).collect());
                continue;
            }
            if !refused.is_empty() {
                self.trusted = false;
            }
            return self.bury(&refused).map(|_| ());
        }
    }

    /// Does what the answer says. `false`: the collector stops.
    fn heed(
        &mut self,
        trial: &mut Trial,
        mut items: Vec<Item>,
        answer: Answer,
    ) -> Result<bool, TaskError> {
        let mut answer = answer;
        loop {
            match answer {
                Answer::Durable => return self.accepted(trial, &items),
                Answer::First { durable, rest } => {
                    let after = items.split_off(durable.min(items.len()));
                    if !items.is_empty() && !self.accepted(trial, &items)? {
                        return Ok(false);
                    }
                    if after.is_empty() {
                        return Ok(true);
                    }
                    items = after;
                    answer = *rest;
                }
                Answer::FirstRefused { reason, rest } => {
                    let after = items.split_off(1.min(items.len()));
                    let dead = items.into_iter().map(|item| (item, reason.clone()));
                    if !self.flush(trial)? || !self.bury(&dead.collect::<Vec<_>>())? {
                        return Ok(false);
                    }
                    if after.is_empty() {
                        return Ok(true);
                    }
                    items = after;
                    answer = *rest;
                }
                Answer::DurableBut(refusals) => {
                    if refusals.iter().any(|refusal| refusal.index >= items.len()) {
                        answer = Answer::DurableSome {
                            refused: refusals.len(),
                            reason: refusals
                                .first()
                                .map_or_else(String::new, |refusal| refusal.reason.clone()),
                        };
                        continue;
                    }
                    let refused = refusals.len() as u64;
                    let dead: Vec<_> = refusals
                        .into_iter()
                        .filter_map(|refusal| {
                            let item = items.get(refusal.index)?.clone();
                            Some((item, refusal.reason))
                        })
                        .collect();
                    return Ok(self.flush(trial)?
                        && self.dead_letter(&dead)?
                        && self.confirm(&items, refused));
                }
                Answer::DurableSome { refused, reason } => {
                    let reason = format!("{refused} of {} were refused: {reason}", items.len());
                    let dead: Vec<_> = items
                        .iter()
                        .map(|item| (item.clone(), reason.clone()))
                        .collect();
                    return Ok(self.flush(trial)?
                        && self.dead_letter(&dead)?
                        && self.confirm(&items, refused as u64));
                }
                Answer::Refused { reason } => return self.refused(trial, items, &reason),
                Answer::Again { reason, after } => {
                    trial.stack.push(items);
                    return Ok(self.back_off(&reason, after));
                }
                Answer::Misconfigured { reason } => {
                    trial.stack.push(items);
                    self.misconfigured(&reason);
                    return Ok(!self.context.stop.is_stopping());
                }
            }
        }
    }

    fn accepted(&mut self, trial: &mut Trial, items: &[Item]) -> Result<bool, TaskError> {
        Ok(self.flush(trial)? && self.confirm(items, 0))
    }

    /// Something is accepted, so what was refused before is refused for what it is.
    fn flush(&mut self, trial: &mut Trial) -> Result<bool, TaskError> {
        trial.accepted = true;
        let refused = std::mem::take(&mut trial.refused);
        self.bury(&refused)
    }

    /// Halves what is refused, until it is one record.
    fn refused(
        &mut self,
        trial: &mut Trial,
        mut items: Vec<Item>,
        reason: &str,
    ) -> Result<bool, TaskError> {
        if items.len() > 1 && trial.block.is_none() {
            let after = items.split_off(items.len() / 2);
            trial.stack.push(after);
            trial.stack.push(items);
            return Ok(true);
        }
        let dead = items.into_iter().map(|item| (item, reason.to_owned()));
        if trial.accepted {
            return self.bury(&dead.collect::<Vec<_>>());
        }
        trial.refused.extend(dead);
        Ok(true)
    }

    /// Dead-letters, and goes on behind it.
    fn bury(&mut self, dead: &[(Item, String)]) -> Result<bool, TaskError> {
        if dead.is_empty() {
            return Ok(true);
        }
        let items: Vec<Item> = dead.iter().map(|(item, _)| item.clone()).collect();
        if !self.dead_letter(dead)? {
            return Ok(false);
        }
        self.advance(&items, 0);
        Ok(self.save_cursor())
    }

    /// Puts items into a dead letter: on the disk and in the tree, before this returns. `false`: the collector stops.
    fn dead_letter(&mut self, dead: &[(Item, String)]) -> Result<bool, TaskError> {
        if dead.is_empty() {
            return Ok(true);
        }
        let (file, sha256, records) = loop {
            match dead::write(self.context.dir(), self.name, self.opener.kind(), dead) {
                Ok(written) => break written,
                Err(error) => {
                    self.blocked(&error.to_string());
                    let wait = self.retries.next();
                    if !self.pause(wait) {
                        return Ok(false);
                    }
                }
            }
        };
        let reason = dead
            .first()
            .map_or_else(String::new, |(_, reason)| reason.clone());
        self.context.teller.error(format!(
            "sink {}: refuses {} records for good: {reason}; they are in dead-letters/{file}, `pgattest trail sinks --redeliver {}` sends them again",
            self.name,
            records.len(),
            self.name
        ));
        let count = records.len() as u64;
        // A leaf is below 65,535 bytes: many numbers take several.
        let all: Vec<&[u64]> = if records.is_empty() {
            vec![&[]]
        } else {
            records.chunks(2_000).collect()
        };
        for records in all {
            self.context.leaves.send(Leaf::DeadLetter {
                at: now(),
                sink: self.name.to_string(),
                records: records.to_vec(),
                reason: reason.chars().take(1_000).collect(),
                file: file.clone(),
                sha256: sha256.clone(),
            })?;
        }
        self.board.dead(count);
        self.cursor.dead += count;
        Ok(true)
    }

    /// The sink has these but `refused` of them. `false`: the collector stops.
    fn confirm(&mut self, items: &[Item], refused: u64) -> bool {
        if self.board.status.standing != Standing::Delivering {
            self.context.teller.info(format!(
                "sink {}: delivers again, from record {}",
                self.name, self.cursor.next
            ));
        }
        self.board.well();
        self.retries.reset();
        self.trusted = true;
        let whole = items.iter().filter(|item| completes(item)).count() as u64;
        let whole = whole.saturating_sub(refused);
        self.advance(items, whole);
        self.board.delivered(whole);
        self.save_cursor()
    }

    fn advance(&mut self, items: &[Item], delivered: u64) {
        let next = items
            .iter()
            .rev()
            .find(|item| is_record(item))
            .map(|item| item.record.number + u64::from(completes(item)));
        self.cursor.next = self.cursor.next.max(next.unwrap_or(0));
        self.cursor.delivered += delivered;
        self.cursor.state.clone_from(&self.confirmed);
        self.board.status.waiting_since = None;
    }

    /// Waits and tries again. `false`: the collector stops.
    fn back_off(&mut self, reason: &str, after: Option<Duration>) -> bool {
        if self.board.status.standing != Standing::Retrying {
            self.context.teller.warn(format!(
                "sink {}: {reason}; it is tried again until it succeeds",
                self.name
            ));
        }
        self.board.failed(Standing::Retrying, reason);
        let asked = after
            .unwrap_or_default()
            .min(self.options.longest_retry_after);
        let wait = self.retries.next().max(asked);
        self.pause(wait)
    }
}

fn is_record(item: &Item) -> bool {
    matches!(item.record.what, What::Record | What::Torn(_))
}

/// Whether a record is whole once this item is delivered.
fn completes(item: &Item) -> bool {
    is_record(item)
        && item
            .record
            .part
            .is_none_or(|Part { index, of }| index == of)
}
