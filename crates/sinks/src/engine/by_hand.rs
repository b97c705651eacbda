//! What a person asks of a sink: a trial, and dead letters once more. Beside a collector that runs, without its cursor.

use super::dead::{DeadLetter, dead_letters};
use super::feed::{Feed, split};
use super::source::JournalSource;
use crate::config::{Config, Name};
use crate::record::{Batch, Item, Record, What};
use crate::sink::{Answer, Sink};
use pgattest_trail::JournalReader;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Why it was not tried.
#[derive(Debug, thiserror::Error)]
pub enum ByHandError {
    /// The sink cannot be opened.
    #[error(transparent)]
    Open(#[from] crate::sink::OpenError),
    /// A file of the journal cannot be read or written.
    #[error(transparent)]
    File(#[from] super::files::FileError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] pgattest_trail::JournalError),
    /// No runtime.
    #[error("cannot start the network: {0}")]
    Runtime(#[from] std::io::Error),
    /// It is not for this kind of sink.
    #[error("a sink of kind `{kind}` is not written to by hand: {why}")]
    Kind {
        /// The kind.
        kind: &'static str,
        /// Why.
        why: &'static str,
    },
}

/// The longest that one delivery by hand may take.
const LONGEST: Duration = Duration::from_mins(5);

/// Sends one canary with this mark in its text. What came back.
pub fn canary(config: &Config, instance: &str, mark: &str) -> Result<Answer, ByHandError> {
    refuse_file(config)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let mut sink = config.open().await?;
        if sink.limits().whole_blocks {
            return Err(ByHandError::Kind {
                kind: config.kind(),
                why: "it takes whole blocks of the journal, nothing else",
            });
        }
        let record = Record {
            number: 0,
            block: 0,
            instance: instance.into(),
            session: None,
            logged_at: None,
            sealed_at: super::status::now(),
            format: "canary",
            what: What::Canary,
            part: None,
            bytes: format!("pgattest canary {mark}").into_bytes(),
        };
        let encoded = sink.encode(&record);
        let batch = Batch {
            items: vec![Item { record, encoded }],
            block: None,
        };
        Ok(deliver(sink.as_mut(), &batch).await)
    })
}

/// What became of a dead letter.
#[derive(Clone, Debug)]
pub struct Redelivered {
    /// The file.
    pub letter: DeadLetter,
    /// What the sink said: [`Answer::Durable`], or what stood in the way.
    pub answer: Answer,
}

/// Sends the dead letters of a sink again, those that were not delivered since, file by file. A file that was taken whole is marked; it
/// stays, because a leaf names it. Goes on behind a file that is refused; ends at one that cannot be delivered now.
pub fn redeliver(
    journal: &Path,
    name: &Name,
    config: &Config,
) -> Result<Vec<Redelivered>, ByHandError> {
    refuse_file(config)?;
    let letters = dead_letters(journal, name)?;
    let runtime = runtime()?;
    let mut done = Vec::new();
    runtime.block_on(async {
        let mut sink = config.open().await?;
        for letter in letters.into_iter().filter(|letter| !letter.redelivered) {
            let answer = if sink.limits().whole_blocks {
                blocks(journal, sink.as_mut(), &letter).await?
            } else {
                records(sink.as_mut(), &letter).await
            };
            if answer == Answer::Durable {
                letter.mark()?;
            }
            let goes_on = matches!(
                answer,
                Answer::Durable
                    | Answer::Refused { .. }
                    | Answer::DurableBut(_)
                    | Answer::DurableSome { .. }
            );
            done.push(Redelivered { letter, answer });
            if !goes_on {
                break;
            }
        }
        Ok(done)
    })
}

/// The letter's records, in batches within the sink's limits. The first answer that is not [`Answer::Durable`] ends it.
async fn records(sink: &mut dyn Sink, letter: &DeadLetter) -> Answer {
    let limits = sink.limits();
    let mut waiting = Vec::new();
    for record in &letter.records {
        let mut record = record.clone();
        // A part stays the part that it was.
        let items = if record.part.is_some() {
            let encoded = sink.encode(&record);
            vec![Item { record, encoded }]
        } else {
            record.part = None;
            split(record, limits.record_bytes, &|record| sink.encode(record))
        };
        waiting.extend(items);
    }
    let mut waiting = waiting.into_iter().peekable();
    while waiting.peek().is_some() {
        let mut items = Vec::new();
        let mut bytes = 0_usize;
        while let Some(item) = waiting.next_if(|item| {
            items.len() < limits.records.max(1)
                && (items.is_empty()
                    || bytes + item.encoded.len() + limits.overhead <= limits.bytes)
        }) {
            bytes += item.encoded.len() + limits.overhead;
            items.push(item);
        }
        let answer = deliver(sink, &Batch { items, block: None }).await;
        if answer != Answer::Durable {
            return answer;
        }
    }
    Answer::Durable
}

/// The blocks that the letter's records are in.
async fn blocks(
    journal: &Path,
    sink: &mut dyn Sink,
    letter: &DeadLetter,
) -> Result<Answer, ByHandError> {
    let mut sent = None;
    for record in &letter.records {
        if sent == Some(record.block) {
            continue;
        }
        let source = Box::new(JournalSource::new(JournalReader::open(journal)?));
        let instance: Arc<str> = record.instance.clone();
        let mut feed = Feed::new(source, instance, record.number, Duration::ZERO);
        let limits = sink.limits();
        if let Some(batch) = feed.batch(sink, &limits)? {
            let answer = deliver(sink, &batch).await;
            if answer != Answer::Durable {
                return Ok(answer);
            }
        }
        sent = Some(record.block);
    }
    Ok(Answer::Durable)
}

async fn deliver(sink: &mut dyn Sink, batch: &Batch) -> Answer {
    tokio::time::timeout(LONGEST, sink.deliver(batch))
        .await
        .unwrap_or_else(|_| Answer::again(format!("no answer within {} s", LONGEST.as_secs())))
}

fn refuse_file(config: &Config) -> Result<(), ByHandError> {
    match config {
        Config::File(_) => Err(ByHandError::Kind {
            kind: config.kind(),
            why: "its cursor holds how long the file is, and what is beyond is cut off",
        }),
        _ => Ok(()),
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
