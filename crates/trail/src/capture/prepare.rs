//! What is done to a block before it is sealed, on any thread: secrets out, times read.

use crate::block::{Block, FileId, Piece, PieceKind, times};
use hmac::{Hmac, KeyInit as _, Mac as _};
use pgattest_parse::audit_log::{Format, redact};
use sha2::Sha256;
use std::borrow::Cow;
use std::ops::Range;

/// Bytes of a piece's neighbours that are looked at when secrets are searched in a torn piece: one may lie on the cut.
pub(crate) const AROUND: usize = 64 << 10;

/// A block as it was read.
#[derive(Clone, Debug)]
pub(crate) struct RawBlock {
    pub(crate) file: FileId,
    /// Where in the file it begins.
    pub(crate) offset: u64,
    pub(crate) format: Format,
    pub(crate) bytes: Vec<u8>,
    pub(crate) pieces: Vec<RawPiece>,
}

/// A piece of it.
#[derive(Clone, Debug)]
pub(crate) struct RawPiece {
    pub(crate) length: u32,
    pub(crate) kind: PieceKind,
    /// What stands around a torn piece.
    pub(crate) around: Option<Box<Around>>,
}

/// The neighbourhood of a torn piece.
#[derive(Clone, Debug)]
pub(crate) struct Around {
    pub(crate) before: Vec<u8>,
    pub(crate) after: Vec<u8>,
    pub(crate) rule: Rule,
}

/// What is done with a torn piece.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rule {
    /// Nothing is known of what stood before it: what may be a secret goes.
    Torn,
    /// So many bytes at its beginning are a part of a long record in which no word means a secret; the rest is torn.
    Keep(usize),
    /// A part of a long record that may be one secret from its first byte to its last.
    TakeOut,
}

/// The key that proves what a record was before its secrets were taken out.
#[derive(Clone)]
pub struct OriginalKey([u8; 32]);

impl OriginalKey {
    /// From its bytes.
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// HMAC-SHA-256 of a piece.
    pub fn digest(&self, piece: &[u8]) -> [u8; 32] {
        // HMAC takes a key of any length.
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return [0; 32];
        };
        hmac.update(piece);
        hmac.finalize().into_bytes().into()
    }
}

/// Takes the secrets out and reads the times.
pub(crate) fn prepare(raw: RawBlock, key: &OriginalKey) -> Block {
    let source_length = raw.bytes.len() as u64;
    let mut rest = raw.bytes.as_slice();
    let records = raw.pieces.iter().filter_map(move |piece| {
        let (bytes, after) = rest.split_at_checked(length(piece))?;
        rest = after;
        (piece.kind == PieceKind::Record).then_some(bytes)
    });
    let times = times::of(&raw.format, records);
    let mut pieces = Vec::with_capacity(raw.pieces.len());
    // Only made when something is taken out: most blocks are taken over as they are.
    let mut redacted: Option<Vec<u8>> = None;
    let mut at = 0_usize;
    for piece in &raw.pieces {
        let end = at.saturating_add(length(piece)).min(raw.bytes.len());
        let bytes = raw.bytes.get(at..end).unwrap_or_default();
        let clean = match &piece.around {
            None => redact::redact(&raw.format, bytes).0,
            Some(around) => match around.rule {
                Rule::Torn => without_secrets(&raw.format, bytes, &around.after, &around.before),
                Rule::Keep(most) => behind(&raw.format, bytes, most, around),
                Rule::TakeOut => Cow::Owned(redact::MARK.to_vec()),
            },
        };
        let original = match &clean {
            Cow::Borrowed(_) => None,
            Cow::Owned(_) => Some(key.digest(bytes)),
        };
        if original.is_some() && redacted.is_none() {
            redacted = Some(raw.bytes.get(..at).unwrap_or_default().to_vec());
        }
        if let Some(redacted) = &mut redacted {
            redacted.extend_from_slice(&clean);
        }
        pieces.push(Piece {
            length: u32::try_from(clean.len()).unwrap_or(u32::MAX),
            kind: piece.kind,
            original,
        });
        at = end;
    }
    Block {
        file: raw.file,
        offset: raw.offset,
        source_length,
        format: raw.format,
        bytes: redacted.unwrap_or(raw.bytes),
        pieces,
        times,
    }
}

/// A piece of which only what stands behind its first `kept` bytes is torn.
fn behind<'a>(format: &Format, piece: &'a [u8], kept: usize, around: &Around) -> Cow<'a, [u8]> {
    let (kept, rest) = piece.split_at_checked(kept).unwrap_or((piece, &[]));
    match without_secrets(format, rest, &around.after, &[]) {
        Cow::Borrowed(_) => Cow::Borrowed(piece),
        Cow::Owned(clean) => Cow::Owned([kept, &clean].concat()),
    }
}

/// A torn piece with its secrets taken out, those that its neighbours reveal included.
fn without_secrets<'a>(
    format: &Format,
    piece: &'a [u8],
    after: &[u8],
    before: &[u8],
) -> Cow<'a, [u8]> {
    if piece.is_empty() {
        return Cow::Borrowed(piece);
    }
    let whole = [before, piece, after].concat();
    let begin = before.len();
    let (_, found) = redact::redact(format, &whole);
    let mut clean = Vec::new();
    let mut kept_to = 0;
    for Range { start, end } in found {
        let start = start.saturating_sub(begin).max(kept_to);
        let end = end.saturating_sub(begin).min(piece.len());
        if start >= end {
            continue;
        }
        clean.extend_from_slice(piece.get(kept_to..start).unwrap_or_default());
        clean.extend_from_slice(redact::MARK);
        kept_to = end;
    }
    if kept_to == 0 {
        return Cow::Borrowed(piece);
    }
    clean.extend_from_slice(piece.get(kept_to..).unwrap_or_default());
    Cow::Owned(clean)
}

fn length(piece: &RawPiece) -> usize {
    usize::try_from(piece.length).unwrap_or(usize::MAX)
}
