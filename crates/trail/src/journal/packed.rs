//! A block packed for the journal: what of sealing needs neither the journal nor its thread.

use super::JournalError;
use crate::block::{Block, FileId, Piece, PieceKind, sidecar};
use crate::leaf::BlockLeaf;
use pgattest_ledger::Hash;
use pgattest_parse::audit_log::{Format, redact};

/// A block, checked, hashed and compressed. Holds the frames, not the pieces: it is as small as what is stored.
///
/// Packing is nearly all that sealing costs, and may be done by any number of threads; [`super::Journal::append_packed`] adds it.
#[derive(Clone, Debug)]
pub struct PackedBlock {
    file: FileId,
    offset: u64,
    source_length: u64,
    length: u64,
    format: Format,
    times: Option<(i64, i64)>,
    records: u32,
    torn: u32,
    redacted: u32,
    records_root: Hash,
    frames: Vec<u8>,
    stored_sha256: Hash,
}

/// Where a block stands in its journal.
pub(super) struct Place {
    pub(super) block: u64,
    pub(super) first_record: u64,
    pub(super) segment: String,
    pub(super) position: u64,
}

impl PackedBlock {
    /// Packs a block. `level`: zstd's, see [`super::JournalOptions`].
    ///
    /// Refused: a block without pieces, and one whose pieces' lengths do not add up.
    pub fn new(block: &Block, level: i32) -> Result<Self, JournalError> {
        let total: u64 = block.pieces.iter().map(|it| u64::from(it.length)).sum();
        if block.pieces.is_empty() {
            return Err(refused("it has no pieces"));
        }
        if total != block.bytes.len() as u64 {
            return Err(refused(&format!(
                "its pieces have {total} bytes and it has {}",
                block.bytes.len()
            )));
        }
        let count = |matches: &dyn Fn(&Piece) -> bool| {
            u32::try_from(block.pieces.iter().filter(|it| matches(it)).count())
                .map_err(|_| refused("it has too many pieces"))
        };
        let frames = sidecar::encode(&block.bytes, &block.pieces, level)
            .map_err(|error| refused(&error.to_string()))?;
        Ok(Self {
            file: block.file.clone(),
            offset: block.offset,
            source_length: block.source_length,
            length: total,
            format: block.format.clone(),
            times: block.times,
            records: count(&|_| true)?,
            torn: count(&|piece| piece.kind != PieceKind::Record)?,
            redacted: count(&|piece| piece.original.is_some())?,
            records_root: block.records_root(),
            stored_sha256: Hash::of(&frames),
            frames,
        })
    }

    /// Which file it is of.
    pub fn file(&self) -> &FileId {
        &self.file
    }

    /// Where in the file it begins, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes of the file it covers.
    pub fn source_length(&self) -> u64 {
        self.source_length
    }

    /// Pieces, torn ones included.
    pub fn records(&self) -> u32 {
        self.records
    }

    /// Torn pieces.
    pub fn torn(&self) -> u32 {
        self.torn
    }

    /// Pieces that secrets were taken out of.
    pub fn redacted(&self) -> u32 {
        self.redacted
    }

    /// What is stored of it.
    pub(super) fn frames(&self) -> &[u8] {
        &self.frames
    }

    /// Its leaf.
    pub(super) fn manifest(&self, place: Place, sealed_at: i64) -> BlockLeaf {
        let (prefix, columns) = match &self.format {
            Format::Csvlog { columns } => (None, Some(*columns)),
            Format::Stderr { prefix } => (Some(prefix.clone()), None),
            _ => (None, None),
        };
        BlockLeaf {
            block: place.block,
            first_record: place.first_record,
            records: self.records,
            torn: self.torn,
            redacted: self.redacted,
            redaction: redact::POLICY.to_owned(),
            file: self.file.clone(),
            offset: self.offset,
            source_length: self.source_length,
            format: self.format.name().to_owned(),
            prefix,
            columns,
            segment: place.segment,
            position: place.position,
            stored: self.frames.len() as u64,
            stored_sha256: self.stored_sha256.to_hex(),
            length: self.length,
            records_root: self.records_root.to_hex(),
            first_time: self.times.map(|(first, _)| exact(first)),
            last_time: self.times.map(|(_, last)| exact(last)),
            sealed_at,
        }
    }
}

fn refused(reason: &str) -> JournalError {
    JournalError::Refused {
        what: "the block",
        reason: reason.to_owned(),
    }
}

/// A time that JSON holds exactly: logs may say any.
fn exact(milliseconds: i64) -> i64 {
    const LARGEST: i64 = (1 << 53) - 1;
    milliseconds.clamp(-LARGEST, LARGEST)
}
