//! What a second key says of checkpoints: kept beside the journal, and told by a leaf.

use super::{AnchorError, Anchors};
use crate::journal::{JournalError, JournalReader};
use crate::leaf::Leaf;
use pgattest_ledger::SignedCheckpoint;
use pgattest_ledger::ecdsa::EcPublicKey;

/// Why a second signature is not kept, or not found.
#[derive(Debug, thiserror::Error)]
pub enum SecondError {
    /// It is none.
    #[error("what came back is no signature of the key {0} over the checkpoint")]
    NotASignature(String),
    /// It cannot be kept or read.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Checks a signature over a checkpoint's text and keeps it in the journal's folder: the leaf that tells of it, for the journal's writer.
/// `at`: milliseconds since 1970.
pub fn keep(
    reader: &JournalReader,
    key: &EcPublicKey,
    signature: Vec<u8>,
    at: i64,
) -> Result<Leaf, SecondError> {
    let signed = reader.checkpoint();
    let checkpoint = signed.unverified();
    if !key.verify(checkpoint.body().as_bytes(), &signature) {
        return Err(SecondError::NotASignature(key.fingerprint()));
    }
    let leaf = leaf(signed, key, &signature, at);
    let line = key.note_line(checkpoint, signature);
    Anchors::of(reader.dir()).add_second(signed, line)?;
    Ok(leaf)
}

/// The leaf of the last signature of this key, when there is none of it: a collector that was killed between the two.
pub fn untold(
    reader: &JournalReader,
    key: &EcPublicKey,
    at: i64,
) -> Result<Option<Leaf>, SecondError> {
    let anchors = Anchors::of(reader.dir());
    for size in anchors.second_sizes()?.into_iter().rev() {
        let Some(note) = anchors.read_second(size)? else {
            continue;
        };
        if size > reader.size() || !matches!(key.has_signed(&note), Ok(true)) {
            continue;
        }
        let fingerprint = key.fingerprint();
        for entry in reader.leaves(size) {
            if let (
                _,
                Leaf::SecondSignature {
                    size: told, key, ..
                },
            ) = entry?
                && told == size
                && key == fingerprint
            {
                return Ok(None);
            }
        }
        let line = note
            .others
            .iter()
            .find(|line| line.key_id == key.note_key_id());
        return Ok(line.map(|line| leaf(&note.signed, key, &line.signature, at)));
    }
    Ok(None)
}

fn leaf(signed: &SignedCheckpoint, key: &EcPublicKey, signature: &[u8], at: i64) -> Leaf {
    Leaf::SecondSignature {
        at,
        size: signed.unverified().size,
        key: key.fingerprint(),
        signature: hex::encode(signature),
    }
}
