//! The proof of one record: a file of a few kilobytes that an auditor can carry.
//!
//! It is a C2SP tlog-proof@v1: anybody's tool can check that the leaf is in the tree. Its `extra` is canonical JSON with the rest: the
//! leaf, the record, and the way from the record to the `records_root` in the leaf. What `extra` says is believed only as far as it
//! leads to the signed root; so is everything in [`ProvenRecord`]. Where the journal's key was rotated, it has the rotations too, so that
//! whoever has an earlier key is led to the one that signed.

mod rotations;

pub use rotations::Rotations;

use self::rotations::Link;
use crate::journal::{JournalError, JournalReader, Tiles};
use crate::leaf::{BlockLeaf, Entry, Leaf};
use crate::seal::Anchors;
use crate::verify::{error_text, signing_key};
use pgattest_ledger::cosigned::{CosignedCheckpoint, TlogProof, WitnessKey};
use pgattest_ledger::tile::TileNodes;
use pgattest_ledger::tree::{MemoryNodes, prove_inclusion, verify_inclusion};
use pgattest_ledger::{Hash, PublicKey, canonical};
use serde::{Deserialize, Serialize};

/// Of a journal whose key was never rotated.
const SCHEMA: &str = "pgattest.record-proof/1";

/// With rotations.
const SCHEMA_ROTATED: &str = "pgattest.record-proof/2";

/// The longest file that is read, in bytes: a record may have a gigabyte, and is in it twice encoded.
pub const LONGEST: u64 = 4 << 30;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Extra {
    schema: String,
    /// The record's number.
    number: u64,
    /// The record's bytes, hexadecimal: logs are in any encoding.
    record: String,
    /// The way from the record to the block's root, hexadecimal, from the record's sibling up.
    path: Vec<String>,
    /// The leaf's exact text.
    leaf: String,
    /// Every rotation of the journal's key before the checkpoint, the first first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rotations: Vec<Link>,
}

/// What a proof proves.
#[derive(Clone, Debug, Serialize)]
pub struct ProvenRecord {
    /// The journal's name.
    pub origin: String,
    /// Leaves of the tree that it is proven in.
    pub size: u64,
    /// The fingerprint of the key that signed the tree's root.
    pub signed_by: String,
    /// The fingerprints of the keys that the journal had, one after the other; empty when it has always had one.
    pub keys: Vec<String>,
    /// The record's number in the journal.
    pub number: u64,
    /// The leaf's place in the tree.
    pub leaf_index: u64,
    /// The manifest of the record's block: the file, the offset, when it was sealed.
    pub block: BlockLeaf,
    /// The record's bytes.
    #[serde(skip)]
    pub record: Vec<u8>,
    /// The witnesses of those asked about that signed the checkpoint, with the time in seconds since 1970.
    pub witnessed: Vec<(String, u64)>,
}

/// Why a proof proves nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the proof does not hold: {0}")]
pub struct ProofError(String);

/// The proof of a record, as text. `None`: the journal has no such record. Looks at every leaf for rotations: whoever makes several
/// proofs takes [`prove_with`].
pub fn prove(reader: &JournalReader, number: u64) -> Result<Option<String>, JournalError> {
    prove_with(reader, number, &mut Rotations::default())
}

/// The same, with the rotations of this journal that are known from earlier proofs.
pub fn prove_with(
    reader: &JournalReader,
    number: u64,
    rotations: &mut Rotations,
) -> Result<Option<String>, JournalError> {
    let Some((index, manifest)) = reader.find_record(number)? else {
        return Ok(None);
    };
    let block = reader.block(&manifest)?;
    let place = number.saturating_sub(manifest.first_record);
    let nodes = MemoryNodes::new(block.iter().map(|(_, bytes)| Hash::leaf(bytes)).collect());
    let damaged = |reason: String| JournalError::Damaged {
        path: reader.dir().join(&manifest.segment),
        reason,
    };
    let path =
        prove_inclusion(&nodes, place, nodes.size()).map_err(|error| damaged(error.to_string()))?;
    let record = usize::try_from(place)
        .ok()
        .and_then(|place| block.iter().nth(place))
        .map(|(_, bytes)| hex::encode(bytes))
        .ok_or_else(|| damaged(format!("record {number} is not in its block")))?;
    let leaf =
        String::from_utf8(reader.leaf_bytes(index)?).map_err(|error| damaged(error.to_string()))?;
    let rotations = rotations::links(reader, rotations.of(reader)?)?;
    let schema = if rotations.is_empty() {
        SCHEMA
    } else {
        SCHEMA_ROTATED
    };
    let extra = Extra {
        schema: schema.to_owned(),
        number,
        record,
        path: path.into_iter().map(Hash::to_hex).collect(),
        leaf,
        rotations,
    };
    let extra = canonical::to_bytes(&extra).map_err(|error| damaged(error.to_string()))?;
    let tiles = Tiles::new(reader.dir());
    let size = reader.size();
    let proof = TlogProof {
        extra: Some(extra),
        index,
        hashes: prove_inclusion(&TileNodes::new(&tiles, size), index, size)
            .map_err(|error| tiles.bad(error))?,
        checkpoint: with_witnesses(reader),
    };
    Ok(Some(proof.to_text()))
}

/// The checkpoint with the signatures that witnesses have given it.
fn with_witnesses(reader: &JournalReader) -> CosignedCheckpoint {
    let signed = reader.checkpoint();
    Anchors::of(reader.dir())
        .read_cosigned(reader.size())
        .ok()
        .flatten()
        .filter(|note| note.signed == *signed)
        .unwrap_or_else(|| CosignedCheckpoint {
            signed: signed.clone(),
            others: Vec::new(),
        })
}

/// Checks a proof with nothing but the keys of those who are believed.
pub fn check(
    text: &[u8],
    keys: &[PublicKey],
    witnesses: &[WitnessKey],
) -> Result<ProvenRecord, ProofError> {
    let fails = |reason: &str| ProofError(reason.to_owned());
    let proof = TlogProof::parse(text).map_err(|error| ProofError(error.to_string()))?;
    let signed = &proof.checkpoint.signed;
    let head = signed.unverified();
    let extra: Extra = proof
        .extra
        .as_deref()
        .ok_or_else(|| fails("it has no record with it"))
        .and_then(|extra| {
            canonical::from_bytes(extra).map_err(|error| ProofError(error.to_string()))
        })?;
    let (signed_by, journal_keys) = match (extra.schema.as_str(), extra.rotations.as_slice()) {
        (SCHEMA, []) => (*signing_key(signed, keys).map_err(ProofError)?, Vec::new()),
        (SCHEMA_ROTATED, rotations @ [_, ..]) => rotations::signer(signed, rotations, keys)?,
        _ => return Err(fails("it is of a kind that is not known")),
    };
    verify_inclusion(
        Hash::leaf(extra.leaf.as_bytes()),
        proof.index,
        head.size,
        &proof.hashes,
        head.root,
    )
    .map_err(|error| ProofError(format!("its leaf is not in the tree: {error}")))?;
    let entry =
        Entry::from_bytes(extra.leaf.as_bytes()).map_err(|error| ProofError(error_text(&error)))?;
    let Leaf::Block(block) = entry.leaf else {
        return Err(fails("its leaf is not a block's"));
    };
    let record = record_in(&extra, &block)?;
    let mut witnessed = Vec::new();
    for witness in witnesses {
        match proof.checkpoint.witnessed(witness) {
            Ok(Some(time)) => witnessed.push((witness.name.clone(), time)),
            Ok(None) => {
                return Err(ProofError(format!(
                    "{} has not signed its checkpoint",
                    witness.name.escape_debug()
                )));
            }
            Err(error) => return Err(ProofError(error.to_string())),
        }
    }
    Ok(ProvenRecord {
        origin: head.origin.clone(),
        size: head.size,
        signed_by: signed_by.fingerprint(),
        keys: journal_keys.iter().map(PublicKey::fingerprint).collect(),
        number: extra.number,
        leaf_index: proof.index,
        block,
        record,
        witnessed,
    })
}

/// The record's bytes, once they lead to the root in the manifest.
fn record_in(extra: &Extra, block: &BlockLeaf) -> Result<Vec<u8>, ProofError> {
    let fails = |reason: &str| ProofError(reason.to_owned());
    let record = hex::decode(&extra.record).map_err(|_| fails("its record is not hexadecimal"))?;
    let hashes = hashes_of(&extra.path)?;
    let root = Hash::from_hex(&block.records_root)
        .ok_or_else(|| fails("its leaf has no root of records"))?;
    let place = extra
        .number
        .checked_sub(block.first_record)
        .ok_or_else(|| fails("its record is not in its block"))?;
    verify_inclusion(
        Hash::leaf(&record),
        place,
        u64::from(block.records),
        &hashes,
        root,
    )
    .map_err(|error| ProofError(format!("its record is not in its block: {error}")))?;
    Ok(record)
}

/// Hashes in hexadecimal, as `extra` has them.
fn hashes_of(texts: &[String]) -> Result<Vec<Hash>, ProofError> {
    let hash = |text: &String| {
        Hash::from_hex(text)
            .ok_or_else(|| ProofError("one of its hashes is not hexadecimal".to_owned()))
    };
    texts.iter().map(hash).collect()
}
