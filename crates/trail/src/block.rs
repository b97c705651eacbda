//! A block: a run of pieces of one log file, as they stood there.

pub mod sidecar;

use pgattest_ledger::Hash;
use pgattest_parse::audit_log::TornReason;
use serde::{Deserialize, Serialize};

/// A log file, as the operating system knows it.
///
/// Device, inode and fingerprint make it the same file for the journal; its name may change while it is followed. Numbers are
/// written as decimal strings, because JSON's numbers do not hold 64 bits.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct FileId {
    /// The path, as it was when the file was opened; `-` for standard input. Lossy where it is no UTF-8.
    pub name: String,
    /// Device number.
    #[serde(with = "decimal")]
    pub device: u64,
    /// Inode number.
    #[serde(with = "decimal")]
    pub inode: u64,
    /// Tells two files of the same inode apart: SHA-256 of the file's first bytes (as many as `fingerprint_length`), hexadecimal.
    pub fingerprint: String,
    /// How many bytes the fingerprint covers.
    pub fingerprint_length: u32,
}

/// What a piece is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PieceKind {
    /// A record.
    Record,
    /// Bytes that are no record.
    Torn(TornReason),
}

/// A piece of a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Piece {
    /// Bytes, after redaction.
    pub length: u32,
    /// What it is.
    pub kind: PieceKind,
    /// HMAC-SHA-256 of the piece as it was before secrets were taken out, under the journal's redaction key; `None` when nothing
    /// was taken out.
    pub original: Option<[u8; 32]>,
}

/// A run of pieces: what the source holds in `offset .. offset + source_length`, after redaction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block {
    /// Which file.
    pub file: FileId,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// How many bytes of the file it covers. Differs from `bytes.len()` when something was redacted.
    pub source_length: u64,
    /// The form: [`pgattest_parse::audit_log::Format`].
    pub format: pgattest_parse::audit_log::Format,
    /// The pieces' bytes, one after the other.
    pub bytes: Vec<u8>,
    /// The pieces, in order. Their lengths add up to `bytes.len()`.
    pub pieces: Vec<Piece>,
    /// When the earliest and the latest record were logged, in milliseconds since 1970; `None` when no record says.
    pub times: Option<(i64, i64)>,
}

impl Block {
    /// Each piece with its bytes.
    pub fn iter(&self) -> impl Iterator<Item = (Piece, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.pieces.iter().map(move |piece| {
            let at = usize::try_from(piece.length)
                .unwrap_or(usize::MAX)
                .min(rest.len());
            let (bytes, after) = rest.split_at(at);
            rest = after;
            (*piece, bytes)
        })
    }

    /// The root of the tree over the pieces, torn ones included: what a record's proof leads to.
    pub fn records_root(&self) -> Hash {
        let nodes = pgattest_ledger::tree::MemoryNodes::new(
            self.iter().map(|(_, bytes)| Hash::leaf(bytes)).collect(),
        );
        pgattest_ledger::tree::root(&nodes, nodes.size())
            .unwrap_or_else(|_| pgattest_ledger::tree::empty_root())
    }
}

/// A number of 64 bits as a string of decimal digits.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref)] // serde calls it so
    pub(super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number: u64 = text.parse().map_err(serde::de::Error::custom)?;
        if number.to_string() == text {
            Ok(number)
        } else {
            Err(serde::de::Error::custom("a number with a second spelling"))
        }
    }
}
