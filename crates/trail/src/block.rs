//! A block: a run of pieces of one log file, as they stood there.

pub mod sidecar;
pub(crate) mod times;

use pgattest_ledger::Hash;
use pgattest_parse::audit_log::TornReason;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

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

impl FileId {
    /// The file of this name and these numbers, told from others by its first bytes.
    pub fn new(name: impl Into<String>, device: u64, inode: u64, head: &[u8]) -> Self {
        Self {
            name: name.into(),
            device,
            inode,
            fingerprint: Self::fingerprint(head),
            fingerprint_length: u32::try_from(head.len()).unwrap_or(u32::MAX),
        }
    }

    /// The fingerprint of a file's first bytes, hexadecimal.
    pub(crate) fn fingerprint(head: &[u8]) -> String {
        hex::encode(Sha256::digest(head))
    }
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
    /// Whole records as they stand in a file from this place on, with nothing taken out. For whoever has records and no collector; when
    /// they were logged is read from them.
    pub fn of_records<R: AsRef<[u8]>>(
        file: FileId,
        offset: u64,
        format: pgattest_parse::audit_log::Format,
        records: impl IntoIterator<Item = R>,
    ) -> Self {
        let records = records.into_iter();
        Self::of_pieces(
            file,
            offset,
            format,
            records.map(|it| (PieceKind::Record, it)),
        )
    }

    /// [`Self::of_records`] of pieces some of which may be torn.
    pub fn of_pieces<R: AsRef<[u8]>>(
        file: FileId,
        offset: u64,
        format: pgattest_parse::audit_log::Format,
        pieces: impl IntoIterator<Item = (PieceKind, R)>,
    ) -> Self {
        let mut bytes = Vec::new();
        let pieces = pieces
            .into_iter()
            .map(|(kind, piece)| {
                let piece = piece.as_ref();
                bytes.extend_from_slice(piece);
                Piece {
                    length: u32::try_from(piece.len()).unwrap_or(u32::MAX),
                    kind,
                    original: None,
                }
            })
            .collect();
        let mut block = Self {
            file,
            offset,
            source_length: bytes.len() as u64,
            format,
            bytes,
            pieces,
            times: None,
        };
        let records = block
            .iter()
            .filter(|(piece, _)| piece.kind == PieceKind::Record)
            .map(|(_, bytes)| bytes);
        block.times = times::of(&block.format, records);
        block
    }

    /// Each piece with its bytes.
    pub fn iter(&self) -> impl Iterator<Item = (Piece, &[u8])> + Clone {
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

#[cfg(test)]
mod tests {
    use super::{Block, FileId, PieceKind};
    use pgattest_parse::audit_log::{Format, TornReason};

    #[test]
    fn a_block_of_pieces_is_their_bytes_and_knows_the_times_of_its_records() {
        let record = |second: u32| {
            format!(
                "2026-11-23 06:43:{second:02}.000 UTC,\"app\",\"shop\",7,\"10.0.0.1:5000\",6b03e095.7,1,\"SELECT\",2026-11-23 06:43:00 UTC,3/4,0,LOG,00000,\"x\",,,,,,,,,\"psql\",\"client backend\",,7\n"
            )
            .into_bytes()
        };
        let torn = b"2026-11-23 06:43:59.000 UTC,half".to_vec();
        let file = FileId::new("a.csv", 1, 2, b"2026");
        assert_eq!(file.fingerprint_length, 4);
        let pieces = [
            (PieceKind::Record, record(30)),
            (PieceKind::Torn(TornReason::Glued), torn.clone()),
            (PieceKind::Record, record(20)),
        ];
        let block = Block::of_pieces(file, 7, Format::Csvlog { columns: 26 }, pieces);
        assert_eq!(block.source_length, block.bytes.len() as u64);
        let again: Vec<_> = block.iter().map(|(piece, it)| (piece.kind, it)).collect();
        assert_eq!(again[1], (PieceKind::Torn(TornReason::Glued), &torn[..]));
        assert_eq!(again[2].1, record(20));
        // What is torn has no time.
        assert_eq!(block.times, Some((1_795_416_200_000, 1_795_416_210_000)));
    }
}
