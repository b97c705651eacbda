//! Alerts that are not delivered everywhere yet. Saved before the first attempt: a crash loses none.

use super::alert::Alert;
use super::deliver::Place;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The first pause before another attempt; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(2);

/// The longest pause.
const LONGEST: Duration = Duration::from_mins(5);

/// An alert with the places that have not taken it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Pending {
    /// The alert.
    pub alert: Alert,
    /// Places that have taken it, with what they said.
    pub done: BTreeMap<String, String>,
    /// Attempts so far.
    pub attempts: u32,
}

/// All of them, in order.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Outbox {
    pending: Vec<Pending>,
}

/// What came of an attempt, for one alert: to be sealed as a leaf.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The alert.
    pub alert: Alert,
    /// What each place said that was tried now: `NAME: ok: ..` or `NAME: failed: ..`.
    pub answers: Vec<String>,
    /// Whether a place refused it.
    pub failed: bool,
    /// Whether this was the first attempt, or brought it somewhere: only then is it worth a leaf.
    pub is_news: bool,
}

impl Outbox {
    /// Adds alerts.
    pub fn add(&mut self, alerts: impl IntoIterator<Item = Alert>) {
        self.pending.extend(alerts.into_iter().map(|alert| Pending {
            alert,
            done: BTreeMap::new(),
            attempts: 0,
        }));
    }

    /// Whether there is nothing to deliver.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// How many alerts are not everywhere yet.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether one was never tried.
    pub fn has_new(&self) -> bool {
        self.pending.iter().any(|pending| pending.attempts == 0)
    }

    /// Tries every place that lacks an alert, in order. A place that fails gets no further one in this round: the others wait behind it.
    ///
    /// With no place at all an alert stays: it was told to nobody.
    pub fn deliver(&mut self, places: &mut [Box<dyn Place>]) -> Vec<Attempt> {
        let mut broken: BTreeMap<String, String> = BTreeMap::new();
        let mut attempts = Vec::new();
        for pending in &mut self.pending {
            let mut attempt = Attempt {
                alert: pending.alert.clone(),
                answers: Vec::new(),
                failed: places.is_empty(),
                is_news: pending.attempts == 0,
            };
            for place in places.iter_mut() {
                let name = place.name();
                if pending.done.contains_key(&name) {
                    continue;
                }
                let answer = match broken.get(&name) {
                    Some(reason) => Err(reason.clone()),
                    None => place.deliver(&pending.alert),
                };
                match answer {
                    Ok(said) => {
                        attempt.answers.push(format!("{name}: ok: {said}"));
                        attempt.is_news = true;
                        pending.done.insert(name, said);
                    }
                    Err(reason) => {
                        attempt.answers.push(format!("{name}: failed: {reason}"));
                        attempt.failed = true;
                        broken.insert(name, reason);
                    }
                }
            }
            pending.attempts = pending.attempts.saturating_add(1);
            attempts.push(attempt);
        }
        let names: BTreeSet<String> = places.iter().map(|place| place.name()).collect();
        self.pending.retain(|pending| {
            names.is_empty() || names.iter().any(|name| !pending.done.contains_key(name))
        });
        attempts
    }

    /// How long to wait before the next attempt.
    pub fn pause(&self) -> Duration {
        let fewest = self
            .pending
            .iter()
            .map(|pending| pending.attempts)
            .min()
            .unwrap_or(0);
        FIRST
            .saturating_mul(1 << fewest.saturating_sub(1).min(10))
            .min(LONGEST)
    }
}
