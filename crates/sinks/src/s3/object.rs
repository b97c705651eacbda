//! What an object holds, and what it is called.
//!
//! A block's object is the frame as the journal stores it, and behind it a skippable frame with the leaf: `zstd -dc` gives the log
//! back, and everything that a proof needs besides the tree is in one place. The object is a function of the block alone, so that
//! it is the same, byte for byte, whenever it is made again.

use crate::record::WholeBlock;
use pgattest_ledger::{Hash, SignedCheckpoint, canonical};
use pgattest_trail::Leaf;
use serde::{Deserialize, Serialize};

/// Skippable frames have one of sixteen magic numbers (RFC 8878, 3.1.2); this one is the leaf's: the journal uses another inside its frames.
const MAGIC: u32 = 0x184D_2A5B;
const FORMAT: &str = "pgattest-s3/1";

#[derive(Deserialize, Serialize)]
struct Trailer {
    format: String,
    leaf_index: u64,
    leaf: Leaf,
}

/// The object of a block. The error says why the block is not what its manifest says.
pub(super) fn build(block: &WholeBlock) -> Result<Vec<u8>, String> {
    if Hash::of(&block.frame).to_hex() != block.manifest.stored_sha256 {
        return Err(
            "the stored bytes do not have the digest in the manifest: run `pgattest trail verify`"
                .into(),
        );
    }
    let trailer = canonical::to_bytes(&Trailer {
        format: FORMAT.into(),
        leaf_index: block.leaf_index,
        leaf: Leaf::Block(block.manifest.clone()),
    })
    .map_err(|error| format!("the leaf cannot be written: {error}"))?;
    let length = u32::try_from(trailer.len()).map_err(|_| "the leaf is too long".to_owned())?;

    let mut object = Vec::with_capacity(block.frame.len() + 8 + trailer.len());
    object.extend_from_slice(&block.frame);
    object.extend_from_slice(&MAGIC.to_le_bytes());
    object.extend_from_slice(&length.to_le_bytes());
    object.extend_from_slice(&trailer);
    Ok(object)
}

/// The manifest of a block's object, held against the frame before it. The error says what is wrong.
pub(super) fn manifest(object: &[u8]) -> Result<pgattest_trail::leaf::BlockLeaf, String> {
    // The leaf is the last frame; its length stands before it, and the frame's own length in it.
    let json = object
        .windows(8)
        .enumerate()
        .rev()
        .filter(|(_, head)| head.starts_with(&MAGIC.to_le_bytes()))
        .find_map(|(at, head)| {
            let length = head.get(4..8)?.try_into().ok().map(u32::from_le_bytes)?;
            let body = object.get(at + 8..)?;
            (body.len() as u64 == u64::from(length)).then_some((at, body))
        });
    let (end, json) = json.ok_or("it does not end with a leaf")?;
    let trailer: Trailer = serde_json::from_slice(json)
        .map_err(|error| format!("its leaf cannot be read: {error}"))?;
    let Leaf::Block(manifest) = trailer.leaf else {
        return Err("its leaf is no block's".into());
    };
    let frame = object.get(..end).unwrap_or_default();
    if Hash::of(frame).to_hex() != manifest.stored_sha256 {
        return Err("its frame does not have the digest in its leaf".into());
    }
    Ok(manifest)
}

/// Name and content of a checkpoint's object.
pub(super) fn checkpoint(note: &str) -> Result<(String, Vec<u8>), String> {
    let size = SignedCheckpoint::parse(note.as_bytes())
        .map_err(|error| format!("the checkpoint cannot be read: {error}"))?
        .unverified()
        .size;
    Ok((format!("checkpoints/{size:020}"), note.as_bytes().to_vec()))
}

/// The name of a block's object. Numbers have as many digits as the largest: names sort as numbers do.
pub(super) fn records_key(first: u64) -> String {
    format!("records/{first:020}.zst")
}

/// An instance's name as a part of a key: what is neither a letter (a-z), a digit, `.`, `_` nor `-` becomes `%XX`.
pub(super) fn plain(instance: &str) -> String {
    use std::fmt::Write as _;
    let mut plain = String::new();
    for byte in instance.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            plain.push(char::from(byte));
        } else {
            let _ = write!(plain, "%{byte:02X}");
        }
    }
    plain
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::s3) fn block(first: u64, frame: &[u8]) -> WholeBlock {
        let manifest = serde_json::json!({
            "block": 3, "first_record": first, "records": 2, "torn": 0, "redacted": 0, "redaction": "pgattest-redact/1",
            "file": {"name": "a.csv", "device": "1", "inode": "2", "fingerprint": "00", "fingerprint_length": 1},
            "offset": 0, "source_length": 9, "format": "csvlog", "prefix": null, "columns": 26,
            "segment": "segments/000000000000.zst", "position": 0, "stored": frame.len(),
            "stored_sha256": Hash::of(frame).to_hex(), "length": 9, "records_root": "00",
            "first_time": 5, "last_time": 6, "sealed_at": 7
        });
        WholeBlock {
            leaf_index: 11,
            manifest: serde_json::from_value(manifest).unwrap(),
            frame: frame.to_vec(),
            checkpoint: String::new(),
        }
    }

    #[test]
    fn an_object_gives_its_manifest_back_and_is_the_same_each_time() {
        // A frame that holds the magic number itself.
        let mut frame = b"frame".to_vec();
        frame.extend_from_slice(&MAGIC.to_le_bytes());
        frame.extend_from_slice(&[9, 0, 0, 0, 1]);
        let block = block(42, &frame);
        let object = build(&block).unwrap();
        assert_eq!(build(&block).unwrap(), object);
        assert_eq!(manifest(&object).unwrap(), block.manifest);

        let mut damaged = object.clone();
        damaged[0] ^= 1;
        assert!(manifest(&damaged).unwrap_err().contains("digest"));
        assert!(manifest(&object[..object.len() - 1]).is_err());
        assert!(manifest(b"").is_err());
    }

    #[test]
    fn a_block_that_is_not_what_its_manifest_says_is_not_shipped() {
        let mut block = block(42, b"frame");
        block.frame.push(0);
        assert!(build(&block).unwrap_err().contains("digest"));
    }

    #[test]
    fn no_name_leaves_its_folder() {
        assert_eq!(plain("prod-1.eu"), "prod-1.eu");
        assert_eq!(plain("../\u{e9} x"), "..%2F%C3%A9%20x");
    }

    #[test]
    fn names_sort_as_numbers_do() {
        assert!(records_key(9) < records_key(10));
        assert!(records_key(10) < records_key(u64::MAX));
    }
}
