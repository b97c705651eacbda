//! What a trail says of itself, as observations of an audit: its journal is read and verified on the machine that audits.

mod changes;
mod leaves;
mod told;

pub(crate) use changes::Changes;

use crate::failure::{Doing, Failure, OrHint};
use jiff::Timestamp;
use leaves::Leaves;
use pgattest_catalog::trail::{self, Account};
use pgattest_evidence::PublicKey;
use pgattest_model::{Observation, Policy};
use pgattest_trail::completeness::{Options, Period, Summary};
use pgattest_trail::journal::{JournalError, JournalReader};
use pgattest_trail::leaf::Leaf;
use pgattest_trail::operate::{Phase, Stop};
use pgattest_trail::verify::{self, Request};
use std::path::Path;
use std::time::{Duration, Instant};
use told::Told;

/// A day in milliseconds.
const DAY: i64 = 86_400_000;

/// A collector shows that it lives this often, in milliseconds, unless it has something else to say.
const HEARTBEAT: i64 = 60_000;

/// How long the collector is given to have what the server logged last.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(100);

/// Which trail, and how much of it.
pub(crate) struct Wanted<'a> {
    pub(crate) journal: &'a Path,
    /// Whose signature on its checkpoint is believed.
    pub(crate) keys: &'a [PublicKey],
    /// How many days are read record by record, up to now.
    pub(crate) days: u32,
    /// Rows that changed since an earlier audit; the trail is then read from there on, if that is more.
    pub(crate) changes: Option<&'a Changes>,
}

/// Reads the trail. An error only when there is none, or it cannot be read at all: what is wrong with it is in the observations.
pub(crate) fn observations(
    wanted: &Wanted<'_>,
    policy: &Policy,
) -> Result<Vec<Observation>, Failure> {
    let started = Timestamp::now();
    let journal = wanted.journal;
    let unreadable = || format!("the trail at {} could not be read", journal.display());
    let mut reader = JournalReader::open(journal)
        .doing(unreadable)
        .or_hint("--trail takes the collector's journal: the directory with `checkpoint` in it")?;
    let mut from = started.as_millisecond() - i64::from(wanted.days) * DAY;
    if let Some(changes) = wanted.changes {
        // A record from before is what shows that the trail reaches back.
        from = from.min(changes.begin() - DAY);
        reach(&mut reader, changes.end()).doing(unreadable)?;
    }
    let period = Period {
        from: Some(from),
        until: None,
    };
    let mut leaves = Leaves::begin(&reader, from).doing(unreadable)?;
    let every = |index, leaf: &Leaf| leaves.take(index, leaf);
    let summary = Summary::of_journal_and(&reader, period, options(policy, wanted.changes), every)
        .doing(unreadable)?;
    let report = verify::verify(
        journal,
        &Request {
            keys: wanted.keys,
            earlier: &[],
            witnesses: &[],
            second_keys: &[],
            records: Some(leaves.first_record..leaves.next_record),
            heartbeat_ms: HEARTBEAT,
        },
    )
    .doing(|| format!("the trail at {} could not be verified", journal.display()))?;
    let finished = Timestamp::now();
    let account = Account {
        place: journal.display().to_string(),
        started_at: started.to_string(),
        finished_at: finished.to_string(),
    };
    let told = Told {
        journal,
        reader: &reader,
        leaves: &leaves,
        report: &report,
        summary: &summary,
        statuses: leaves.statuses(journal),
        seen_at: finished.as_millisecond(),
    };
    let mut observations = vec![
        account.observation(trail::STATE, trail::STATE_COLUMNS, &[told.state()]),
        account.observation(trail::COVERAGE, trail::COVERAGE_COLUMNS, &told.coverage()),
        account.observation(trail::CANARIES, trail::CANARY_COLUMNS, &leaves.canaries()),
        account.observation(trail::DEFECTS, trail::DEFECT_COLUMNS, &told.defects()),
        account.observation(trail::SINKS, trail::SINK_COLUMNS, &told.sinks()),
        account.observation(trail::RULES, trail::RULE_COLUMNS, &leaves.rules()),
    ];
    if let Some(changes) = wanted.changes {
        let rows = changes.rows(&summary);
        observations.push(account.observation(trail::CHANGES, trail::CHANGE_COLUMNS, &rows));
    }
    Ok(observations)
}

/// What a kind is called in public: in JSON.
fn public_name(kind: impl serde::Serialize) -> String {
    let value = serde_json::to_value(kind).ok();
    value
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// Waits until the trail has a record of that moment or later. That it has none in the end is for whoever compares to say.
fn reach(reader: &mut JournalReader, until: i64) -> Result<(), JournalError> {
    let begun = Instant::now();
    let clock = Stop::default();
    loop {
        let newest = match reader.next_record()?.checked_sub(1) {
            Some(last) => reader.find_record(last)?,
            None => None,
        };
        let time = newest.and_then(|(_, block)| block.last_time);
        if time.is_some_and(|time| time > until) || begun.elapsed() >= PATIENCE {
            return Ok(());
        }
        clock.wait(Phase::Running, PAUSE);
        reader.refresh()?;
    }
}

/// What completeness is told of the policy.
fn options(policy: &Policy, changes: Option<&Changes>) -> Options {
    let mut options = Options {
        changes: changes.map_or_else(Vec::new, |changes| changes.pairs.clone()),
        ..Options::default()
    };
    if let Some(classes) = &policy.logging.classes {
        options.required_classes.clone_from(classes);
    }
    options
}
