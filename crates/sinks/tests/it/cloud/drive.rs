//! What the delivery engine does with a sink, without its files and its clock: batches within the limits, tries again, halves what is
//! refused, and keeps what cannot be delivered.

use crate::support::config;
use anyhow::{Result, bail};
use pgattest_sinks::{Answer, Batch, Item, Part, Record, Sink, What};
use std::collections::BTreeSet;
use std::time::Duration;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Numbers of refused records, with the reasons.
    pub(crate) dead: Vec<(u64, String)>,
    /// Records of batches of which somebody refused some and nobody said which.
    pub(crate) unclear: BTreeSet<u64>,
    /// Answers that asked to try again.
    pub(crate) again: Vec<String>,
    /// Answers that asked to halve.
    pub(crate) halved: usize,
}

/// A record of the journal.
pub(crate) fn record(number: u64, at: i64, bytes: impl Into<Vec<u8>>) -> Record {
    let mut bytes = bytes.into();
    bytes.push(b'\n');
    Record {
        number,
        block: number / 100,
        instance: "prod/1".into(),
        session: Some(format!("6907c5a2.{:x}", number % 7)),
        logged_at: Some(at),
        sealed_at: at + 1000,
        // A form whose fields only its prefix tells: the text alone goes out.
        format: "stderr",
        what: What::Record,
        part: None,
        bytes,
    }
}

pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Delivers everything. Fails when the sink says that a person is needed, or after many tries in vain.
pub(crate) async fn deliver(sink: &mut dyn Sink, records: Vec<Record>) -> Result<Outcome> {
    let limits = sink.limits();
    let mut outcome = Outcome::default();
    let mut batch: Vec<Item> = Vec::new();
    let mut bytes = 0;
    let items: Vec<Item> = records
        .into_iter()
        .flat_map(|record| cut(&*sink, record, limits.record_bytes))
        .collect();
    for item in items {
        let size = item.encoded.len() + limits.overhead;
        if !batch.is_empty() && (batch.len() >= limits.records || bytes + size > limits.bytes) {
            settle(sink, std::mem::take(&mut batch), &mut outcome).await?;
            bytes = 0;
        }
        bytes += size;
        batch.push(item);
    }
    if !batch.is_empty() {
        settle(sink, batch, &mut outcome).await?;
    }
    Ok(outcome)
}

/// Delivers one whole block.
pub(crate) async fn deliver_batch(sink: &mut dyn Sink, batch: &Batch) -> Result<Vec<String>> {
    let mut again = Vec::new();
    loop {
        match sink.deliver(batch).await {
            Answer::Durable => return Ok(again),
            Answer::Again { reason, .. } if again.len() < 50 => again.push(reason),
            other => bail!("{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn settle(sink: &mut dyn Sink, items: Vec<Item>, outcome: &mut Outcome) -> Result<()> {
    let mut stack = vec![items];
    let mut tries = 0;
    while let Some(items) = stack.pop() {
        let batch = Batch { items, block: None };
        let mut answer = sink.deliver(&batch).await;
        let mut items = batch.items;
        if let Answer::First { durable, rest } = answer {
            items.drain(..durable);
            answer = *rest;
        }
        match answer {
            Answer::Durable => {}
            Answer::DurableBut(refusals) => outcome.dead.extend(
                refusals
                    .into_iter()
                    .map(|refusal| (items[refusal.index].record.number, refusal.reason)),
            ),
            Answer::DurableSome { refused, .. } => {
                assert!(refused > 0);
                outcome
                    .unclear
                    .extend(items.iter().map(|item| item.record.number));
            }
            Answer::Again { reason, .. } => {
                tries += 1;
                if tries > 100 {
                    bail!("in vain: {reason}");
                }
                outcome.again.push(reason);
                stack.push(items);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Answer::Refused { reason } if items.len() == 1 => {
                outcome.dead.push((items[0].record.number, reason));
            }
            Answer::Refused { .. } => {
                outcome.halved += 1;
                let rest = items.split_off(items.len() / 2);
                stack.push(rest);
                stack.push(items);
            }
            other => bail!("{other:?}"),
        }
    }
    Ok(())
}

/// A record in parts that fit, cut between characters.
fn cut(sink: &dyn Sink, record: Record, limit: usize) -> Vec<Item> {
    let encoded = sink.encode(&record);
    if encoded.len() <= limit {
        return vec![Item { record, encoded }];
    }
    let text = String::from_utf8(record.bytes.clone()).unwrap();
    // What JSON makes of a byte is six bytes at most.
    let share = limit / 8;
    let mut pieces: Vec<String> = vec![String::new()];
    for character in text.chars() {
        if pieces.last().unwrap().len() + character.len_utf8() > share {
            pieces.push(String::new());
        }
        pieces.last_mut().unwrap().push(character);
    }
    let of = u32::try_from(pieces.len()).unwrap();
    (1..)
        .zip(pieces)
        .map(|(index, piece)| {
            let mut part = record.clone();
            part.part = Some(Part { index, of });
            part.bytes = piece.into_bytes();
            let encoded = sink.encode(&part);
            assert!(encoded.len() <= limit);
            Item {
                record: part,
                encoded,
            }
        })
        .collect()
}

/// Opens a sink from the text that stands in the configuration.
pub(crate) async fn open(text: &str) -> Result<Box<dyn Sink>> {
    Ok(config(text).open().await?)
}

/// Numbers as a set.
pub(crate) fn set(numbers: impl IntoIterator<Item = u64>) -> BTreeSet<u64> {
    numbers.into_iter().collect()
}
