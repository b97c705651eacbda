//! Records to items, items to batches within the sink's limits.

use super::source::{Source, behind};
use crate::record::{Batch, Item, Part, Record, What, WholeBlock};
use crate::sink::{Limits, Sink};
use pgattest_parse::audit_log::{self, TornReason};
use pgattest_trail::leaf::BlockLeaf;
use pgattest_trail::{Block, JournalError, PieceKind};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is to be delivered, in order.
pub(super) struct Feed {
    source: Box<dyn Source>,
    instance: Arc<str>,
    /// The record to read next.
    next: u64,
    open: Option<Open>,
    /// Items that did not fit into the last batch.
    spare: VecDeque<Item>,
    checkpoint_every: Duration,
    checkpoint: Option<Instant>,
    /// Records have been delivered since the last checkpoint.
    news: bool,
}

/// A block that is being read.
struct Open {
    index: u64,
    leaf: BlockLeaf,
    block: Block,
    piece: usize,
    at: usize,
}

impl Feed {
    /// From this record on.
    pub(super) fn new(
        source: Box<dyn Source>,
        instance: Arc<str>,
        next: u64,
        checkpoint_every: Duration,
    ) -> Self {
        Self {
            source,
            instance,
            next,
            open: None,
            spare: VecDeque::new(),
            checkpoint_every,
            checkpoint: None,
            news: false,
        }
    }

    /// The number that the journal's next record will have.
    pub(super) fn end(&mut self) -> Result<u64, JournalError> {
        self.source.end()
    }

    /// Leaves out the block that the next record is in, because its payload cannot be had. Its manifest; `None` when nothing was left
    /// out.
    pub(super) fn leave_out(&mut self) -> Result<Option<BlockLeaf>, JournalError> {
        let leaf = self.source.manifest(self.next)?.map(|(_, leaf)| leaf);
        if let Some(leaf) = &leaf {
            self.next = behind(leaf);
            self.open = None;
        }
        Ok(leaf)
    }

    /// When the block of the next record was sealed; `None` when everything has been read.
    pub(super) fn sealed_at(&mut self, record: u64) -> Option<i64> {
        match &self.open {
            Some(open) if open.leaf.first_record <= record => Some(open.leaf.sealed_at),
            _ => self
                .source
                .manifest(record)
                .ok()
                .flatten()
                .map(|(_, leaf)| leaf.sealed_at),
        }
    }

    /// The next batch: whatever is there, as much as fits. `None`: nothing is there.
    pub(super) fn batch(
        &mut self,
        sink: &dyn Sink,
        limits: &Limits,
    ) -> Result<Option<Batch>, JournalError> {
        if limits.whole_blocks {
            return self.whole_block(sink);
        }
        let mut items = Vec::new();
        let mut bytes = 0_usize;
        loop {
            let item = match self.item(sink, limits) {
                Ok(Some(item)) => item,
                Ok(None) => break,
                // What is there goes first; the error is met again by the next call.
                Err(_) if !items.is_empty() => break,
                Err(error) => return Err(error),
            };
            let size = item.encoded.len().saturating_add(limits.overhead);
            let full =
                items.len() >= limits.records.max(1) || bytes.saturating_add(size) > limits.bytes;
            if full && !items.is_empty() {
                self.spare.push_front(item);
                break;
            }
            bytes = bytes.saturating_add(size);
            items.push(item);
        }
        Ok((!items.is_empty()).then_some(Batch { items, block: None }))
    }

    fn item(&mut self, sink: &dyn Sink, limits: &Limits) -> Result<Option<Item>, JournalError> {
        if let Some(item) = self.spare.pop_front() {
            return Ok(Some(item));
        }
        let Some(record) = self.record()? else {
            return Ok(self.checkpoint().map(|record| {
                let encoded = sink.encode(&record);
                Item { record, encoded }
            }));
        };
        self.spare
            .extend(split(record, limits.record_bytes, &|record| {
                sink.encode(record)
            }));
        Ok(self.spare.pop_front())
    }

    fn whole_block(&mut self, sink: &dyn Sink) -> Result<Option<Batch>, JournalError> {
        let Some((index, leaf, block)) = self.source.block(self.next)? else {
            return Ok(None);
        };
        // Read first: a frame that cannot be read leaves everything where it was.
        let frame = self.source.frame(&leaf)?;
        let mut items = Vec::new();
        self.next = leaf.first_record;
        self.open = Some(Open {
            index,
            leaf: leaf.clone(),
            block,
            piece: 0,
            at: 0,
        });
        let mut whole = None;
        while let Some(record) = self.record()? {
            let encoded = sink.encode(&record);
            items.push(Item { record, encoded });
            if self.open.as_ref().is_none_or(Open::is_over) {
                whole = self.open.take();
                break;
            }
        }
        self.next = behind(&leaf);
        let Some(open) = whole else {
            return Ok(None);
        };
        let checkpoint = self
            .source
            .checkpoint()
            .map_or_else(String::new, |(_, note)| note);
        let block = WholeBlock {
            leaf_index: open.index,
            manifest: open.leaf,
            frame,
            checkpoint,
        };
        Ok(Some(Batch {
            items,
            block: Some(Arc::new(block)),
        }))
    }

    /// The next record. `None`: nothing is there.
    fn record(&mut self) -> Result<Option<Record>, JournalError> {
        loop {
            if let Some(open) = &mut self.open {
                if let Some(record) = open.next(&self.instance) {
                    if record.number < self.next {
                        continue;
                    }
                    self.next = record.number.saturating_add(1);
                    self.news = true;
                    return Ok(Some(record));
                }
                self.next = self.next.max(behind(&open.leaf));
                self.open = None;
            }
            let Some((index, leaf, block)) = self.source.block(self.next)? else {
                return Ok(None);
            };
            self.open = Some(Open {
                index,
                leaf,
                block,
                piece: 0,
                at: 0,
            });
        }
    }

    /// The newest checkpoint, when one is due and there has been something to cover.
    fn checkpoint(&mut self) -> Option<Record> {
        let due = !self.checkpoint_every.is_zero()
            && self.news
            && self
                .checkpoint
                .is_none_or(|last| last.elapsed() >= self.checkpoint_every);
        if !due {
            return None;
        }
        let (checkpoint, note) = self.source.checkpoint()?;
        self.checkpoint = Some(Instant::now());
        self.news = false;
        Some(Record {
            number: checkpoint.size,
            block: 0,
            instance: self.instance.clone(),
            session: None,
            logged_at: None,
            sealed_at: super::status::now(),
            format: "checkpoint",
            what: What::Checkpoint,
            part: None,
            bytes: note.into_bytes(),
        })
    }
}

impl Open {
    fn is_over(&self) -> bool {
        self.piece >= self.block.pieces.len()
    }

    fn next(&mut self, instance: &Arc<str>) -> Option<Record> {
        let piece = *self.block.pieces.get(self.piece)?;
        let rest = self.block.bytes.get(self.at..).unwrap_or_default();
        let length = usize::try_from(piece.length)
            .unwrap_or(usize::MAX)
            .min(rest.len());
        let bytes = rest.get(..length).unwrap_or_default();
        let number = self.leaf.first_record.saturating_add(self.piece as u64);
        self.piece += 1;
        self.at += length;
        let (session, logged_at) = match piece.kind {
            PieceKind::Record => described(&self.block.format, bytes),
            PieceKind::Torn(_) => (None, None),
        };
        Some(Record {
            number,
            block: self.leaf.block,
            instance: instance.clone(),
            session,
            logged_at,
            sealed_at: self.leaf.sealed_at,
            format: self.block.format.name(),
            what: match piece.kind {
                PieceKind::Record => What::Record,
                PieceKind::Torn(reason) => What::Torn(torn_name(reason)),
            },
            part: None,
            bytes: bytes.to_vec(),
        })
    }
}

/// Session and time of a record.
fn described(format: &audit_log::Format, bytes: &[u8]) -> (Option<String>, Option<i64>) {
    let Some(record) = audit_log::decode(format, bytes) else {
        return (None, None);
    };
    let session = record
        .session
        .map(|session| String::from_utf8_lossy(&session).into_owned());
    (session, record.time_ms)
}

pub(super) fn torn_name(reason: TornReason) -> &'static str {
    match reason {
        TornReason::CutShort => "cut-short",
        TornReason::Glued => "glued",
        TornReason::Fields => "fields",
        TornReason::Foreign => "foreign",
    }
}

/// A record as items: one, or as many parts as it takes to be within `limit` encoded bytes each. Parts are cut between characters,
/// have the record's number, and their bytes one after the other are the record's. A part that no cutting makes short enough is left
/// too long: the sink says what it thinks of it.
pub fn split(record: Record, limit: usize, encode: &dyn Fn(&Record) -> Vec<u8>) -> Vec<Item> {
    // The fields take room, too, so a text that is longer need not be tried.
    if record.bytes.len() <= limit {
        let encoded = encode(&record);
        if encoded.len() <= limit {
            return vec![Item { record, encoded }];
        }
    }
    // Measured with the longest numbers that a part can have.
    let mut trial = record.clone();
    trial.part = Some(Part {
        index: u32::MAX - 1,
        of: u32::MAX,
    });
    let mut cuts = Vec::new();
    let mut rest = record.bytes.as_slice();
    while !rest.is_empty() {
        let mut length = boundary(rest, rest.len().min(limit));
        loop {
            trial.bytes.clear();
            trial
                .bytes
                .extend_from_slice(rest.get(..length).unwrap_or_default());
            let encoded = encode(&trial).len();
            if encoded <= limit || length <= 4 {
                break;
            }
            // What is over, and a little: characters of the text take one to six bytes.
            let shorter = length.saturating_sub((encoded - limit).div_ceil(6).max(length / 64));
            length = boundary(rest, shorter.clamp(1, length - 1));
        }
        let (cut, after) = rest.split_at(length.clamp(1, rest.len()));
        cuts.push(cut);
        rest = after;
    }
    let of = u32::try_from(cuts.len()).unwrap_or(u32::MAX);
    (1..)
        .zip(cuts)
        .map(|(index, cut)| {
            let mut record = Record {
                bytes: Vec::new(),
                ..trial.clone()
            };
            record.part = (of > 1).then_some(Part { index, of });
            record.bytes = cut.to_vec();
            let encoded = encode(&record);
            Item { record, encoded }
        })
        .collect()
}

/// The last boundary between characters at or before `at`, but never 0. Bytes that are no UTF-8 have boundaries everywhere.
fn boundary(bytes: &[u8], at: usize) -> usize {
    let is_continuation = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    (0..4)
        .map(|back| at.saturating_sub(back))
        .find(|at| !is_continuation(*at))
        .filter(|at| *at > 0)
        .unwrap_or(at.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;

    fn json(record: &Record) -> Vec<u8> {
        record.json().to_string().into_bytes()
    }

    fn check(text: &[u8], limit: usize) -> Vec<Item> {
        let mut record = sample(9, "");
        record.bytes = text.to_vec();
        let items = split(record, limit, &json);
        let of = items.len();
        let mut together = Vec::new();
        let mut shown = String::new();
        for (index, item) in items.iter().enumerate() {
            assert!(item.encoded.len() <= limit, "part {index} is too long");
            assert_eq!(item.record.number, 9);
            if of > 1 {
                let part = item.record.part.unwrap();
                assert_eq!((part.index as usize, part.of as usize), (index + 1, of));
            }
            together.extend_from_slice(&item.record.bytes);
            let value: serde_json::Value = serde_json::from_slice(&item.encoded).unwrap();
            shown.push_str(value["message"].as_str().unwrap());
        }
        assert_eq!(together, text);
        let whole = String::from_utf8_lossy(text);
        assert_eq!(shown, whole.strip_suffix('\n').unwrap_or(&whole));
        items
    }

    #[test]
    fn parts_fit_and_are_the_record_again() {
        assert_eq!(check(b"short\n", 1_000).len(), 1);
        assert!(check("ä\u{1}€😀\"\\\n".repeat(500).as_bytes(), 400).len() > 10);
        // A line end where two parts meet is text, the one at the end is none.
        check(b"\n".repeat(2_000).as_slice(), 300);
        let parts = check(&vec![b'x'; 100_000], 8_192);
        assert!(
            parts.len() <= 13,
            "{} parts are more than needed",
            parts.len()
        );
    }

    #[test]
    fn bytes_of_no_encoding_are_cut_without_losing_one() {
        let mut record = sample(9, "");
        record.bytes = (0..=255_u8).cycle().take(5_000).collect();
        let bytes = record.bytes.clone();
        let items = split(record, 700, &json);
        assert!(items.iter().all(|item| item.encoded.len() <= 700));
        assert_eq!(
            items
                .iter()
                .flat_map(|item| item.record.bytes.clone())
                .collect::<Vec<_>>(),
            bytes
        );
    }

    #[test]
    fn a_limit_without_room_for_anything_ends_all_the_same() {
        let items = split(sample(9, "some text"), 10, &json);
        assert!(items.len() > 1);
    }
}
