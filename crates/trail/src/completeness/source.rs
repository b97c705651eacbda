//! Feeding the engine: from a journal, or from log files as they are.

use super::tracker::Tracker;
use crate::journal::{JournalError, JournalReader};
use crate::leaf::Leaf;
use pgattest_parse::audit_log::{Cut, Decoder, Format, Splitter, TornReason};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// Why the records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A log file could not be read.
    #[error("cannot read `{}`", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The part of a trail to look at: blocks with a record in it. Milliseconds since 1970, by the records' time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Period {
    /// From then on.
    pub from: Option<i64>,
    /// Before then.
    pub until: Option<i64>,
}

impl Period {
    /// Whether a block may hold a record of it. One whose records have no time may.
    pub fn touches(&self, times: Option<(i64, i64)>) -> bool {
        times.is_none_or(|(first, last)| {
            self.from.is_none_or(|from| last >= from)
                && self.until.is_none_or(|until| first < until)
        })
    }

    /// Whether a moment is in it.
    pub fn holds(&self, at: i64) -> bool {
        self.from.is_none_or(|from| at >= from) && self.until.is_none_or(|until| at < until)
    }
}

/// Blocks whose payload is gone.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Gone {
    /// Records whose payload was pruned: nothing is shown of them.
    pub pruned: u64,
}

/// Feeds a journal, from the leaf that the engine comes to next. `also` sees every leaf of the period.
///
/// Sessions that go on from before the period are taken as ones that began before the trail.
pub fn journal(
    tracker: &mut Tracker,
    reader: &JournalReader,
    period: Period,
    also: impl FnMut(u64, &Leaf),
) -> Result<Gone, SourceError> {
    journal_all(tracker, reader, period, also, |_, _| {})
}

/// The same; `every` sees every leaf, whatever the period, so that one pass serves who wants more than the period.
pub(super) fn journal_all(
    tracker: &mut Tracker,
    reader: &JournalReader,
    period: Period,
    mut also: impl FnMut(u64, &Leaf),
    mut every: impl FnMut(u64, &Leaf),
) -> Result<Gone, SourceError> {
    let mut gone = Gone::default();
    let from = tracker.state().next_leaf;
    for leaf in reader.leaves(from) {
        let (index, leaf) = leaf?;
        every(index, &leaf);
        let times = match &leaf {
            Leaf::Block(block) => block.first_time.zip(block.last_time),
            other => {
                let at = other.at();
                Some((at, at))
            }
        };
        if !period.touches(times) {
            continue;
        }
        tracker.leaf(index, &leaf);
        also(index, &leaf);
        if let Leaf::Block(block) = &leaf {
            match reader.block(block) {
                Ok(payload) => tracker.block(block.first_record, &payload),
                Err(JournalError::Pruned(_)) => gone.pruned += u64::from(block.records),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(gone)
}

/// Feeds log files, in this order, all of one form. Records are numbered on from where the engine is.
pub fn log_files(
    tracker: &mut Tracker,
    files: &[PathBuf],
    format: &Format,
) -> Result<(), SourceError> {
    let decoder = Decoder::new(format.clone());
    for path in files {
        each_piece(path, format, |bytes, torn| {
            let number = tracker.state().next_record;
            match torn {
                None => tracker.record(number, format, &decoder, bytes),
                Some(reason) => tracker.torn(number, format, reason, bytes.len()),
            }
        })?;
    }
    Ok(())
}

/// Every piece of a log file, in order: a record, or bytes that are none. Holds one piece, or a mebibyte, whichever is larger.
pub fn each_piece(
    path: &Path,
    format: &Format,
    mut take: impl FnMut(&[u8], Option<TornReason>),
) -> Result<(), SourceError> {
    let fail = |source| SourceError::File {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(fail)?;
    let mut splitter = Splitter::new(format.clone());
    let mut buffer: Vec<u8> = Vec::with_capacity(2 * CHUNK);
    let mut end = false;
    loop {
        let mut at = 0;
        while at < buffer.len() {
            let rest = buffer.get(at..).unwrap_or_default();
            let (length, torn) = match splitter.next(rest, end) {
                Cut::Record(length) => (length, None),
                Cut::Torn(length, reason) => (length, Some(reason)),
                Cut::More => break,
            };
            // A splitter that takes nothing would never come to an end.
            let length = length.clamp(1, rest.len());
            take(rest.get(..length).unwrap_or_default(), torn);
            at += length;
        }
        if end {
            // What is left is never nothing for a splitter that was told of the end; it is not lost if it is.
            if let Some(rest) = buffer.get(at..).filter(|rest| !rest.is_empty()) {
                take(rest, Some(TornReason::CutShort));
            }
            return Ok(());
        }
        buffer.drain(..at);
        let read = (&mut file)
            .take(CHUNK as u64)
            .read_to_end(&mut buffer)
            .map_err(fail)?;
        end = read == 0;
    }
}
