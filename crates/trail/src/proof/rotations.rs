//! The rotations of a journal's key in the proof of a record: the way from a key that an auditor has to the one that signed.

use super::{ProofError, hashes_of};
use crate::journal::{JournalError, JournalReader, Tiles};
use crate::leaf::{Entry, Leaf};
use crate::seal::rotation;
use crate::verify::error_text;
use pgattest_ledger::tile::TileNodes;
use pgattest_ledger::tree::{
    prove_consistency, prove_inclusion, root, verify_consistency, verify_inclusion,
};
use pgattest_ledger::{Checkpoint, Hash, PublicKey, SignedCheckpoint};
use serde::{Deserialize, Serialize};

/// What every leaf of a rotation has in its text, and hardly any other.
const MARK: &[u8] = b"\"key-rotation\"";

/// The places of a journal's rotations, as far as its leaves were looked at. To be kept by whoever makes many proofs: each leaf is
/// then looked at once.
#[derive(Clone, Debug, Default)]
pub struct Rotations {
    leaves: Vec<u64>,
    next: u64,
}

impl Rotations {
    /// Looks at the leaves that were added since.
    pub(super) fn of(&mut self, reader: &JournalReader) -> Result<&[u64], JournalError> {
        if self.next > reader.size() {
            // Another journal, or one that was set back.
            *self = Self::default();
        }
        while self.next < reader.size() {
            let bytes = reader.leaf_bytes(self.next)?;
            // Most leaves are blocks and heartbeats: reading each of them as JSON would take long.
            if memchr::memmem::find(&bytes, MARK).is_some()
                && matches!(reader.entry(self.next)?.leaf, Leaf::KeyRotation { .. })
            {
                self.leaves.push(self.next);
            }
            self.next += 1;
        }
        Ok(&self.leaves)
    }
}

/// One rotation: its leaf, and that it stands at its place in the tree of the proof's checkpoint.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    /// The leaf's exact text.
    leaf: String,
    /// Its place: so many leaves come before it.
    index: u64,
    /// The root of the tree of those, hexadecimal: what the old key signed with both keys.
    before: String,
    /// The way from the leaf to the checkpoint's root, hexadecimal, from the leaf's sibling up.
    inclusion: Vec<String>,
    /// That the checkpoint's tree continues the one before the leaf: RFC 6962's consistency proof, hexadecimal.
    consistency: Vec<String>,
}

/// A link for each rotation before the checkpoint.
pub(super) fn links(reader: &JournalReader, rotations: &[u64]) -> Result<Vec<Link>, JournalError> {
    let tiles = Tiles::new(reader.dir());
    let size = reader.size();
    let nodes = TileNodes::new(&tiles, size);
    let mut links = Vec::new();
    for index in rotations.iter().copied() {
        let bad = |error| tiles.bad(error);
        let hex = |hashes: Vec<Hash>| hashes.into_iter().map(Hash::to_hex).collect();
        links.push(Link {
            leaf: String::from_utf8(reader.leaf_bytes(index)?).map_err(|error| {
                JournalError::Damaged {
                    path: reader.dir().to_owned(),
                    reason: format!("leaf {index}: {error}"),
                }
            })?,
            index,
            before: root(&nodes, index).map_err(bad)?.to_hex(),
            inclusion: hex(prove_inclusion(&nodes, index, size).map_err(bad)?),
            consistency: hex(prove_consistency(&nodes, index, size).map_err(bad)?),
        });
    }
    Ok(links)
}

/// Who signed the checkpoint: a key that is given, or one that such a key leads to; and all keys in order, where there are several.
pub(super) fn signer(
    signed: &SignedCheckpoint,
    links: &[Link],
    given: &[PublicKey],
) -> Result<(PublicKey, Vec<PublicKey>), ProofError> {
    let mut keys: Vec<PublicKey> = Vec::new();
    let mut since = vec![0];
    for link in links {
        let (old, new) = link.check(signed.unverified())?;
        match keys.last() {
            None => keys.push(old),
            Some(last) if *last == old => {}
            Some(last) => {
                return Err(ProofError(format!(
                    "the rotation from the key {} follows one to {}",
                    old.fingerprint(),
                    last.fingerprint()
                )));
            }
        }
        let begins = link.index.saturating_add(1);
        if since.last().is_some_and(|last| begins <= *last) {
            return Err(ProofError("its rotations are not in order".to_owned()));
        }
        keys.push(new);
        since.push(begins);
    }
    let trusted = keys.iter().position(|key| given.contains(key));
    let trusted = trusted.ok_or_else(|| {
        ProofError(
            "none of the keys given is one that the journal had: its key was rotated".to_owned(),
        )
    })?;
    let size = signed.unverified().size;
    for (place, key) in keys.iter().enumerate().skip(trusted) {
        // A key signs up to the checkpoint that names the next, and from that one on.
        let from = since.get(place).copied().unwrap_or(0);
        let until = since
            .get(place.saturating_add(1))
            .copied()
            .unwrap_or(u64::MAX);
        if (from..=until).contains(&size) && signed.verify(key).is_ok() {
            return Ok((*key, keys));
        }
    }
    Err(ProofError(
        "its checkpoint was not signed by the key that the journal had then".to_owned(),
    ))
}

impl Link {
    /// Both keys, once the leaf is at its place in the checkpoint's tree and the old key has signed it there.
    fn check(&self, head: &Checkpoint) -> Result<(PublicKey, PublicKey), ProofError> {
        let fails = |what: &str| ProofError(format!("its rotation at leaf {}: {what}", self.index));
        let before = Hash::from_hex(&self.before).ok_or_else(|| fails("its root is none"))?;
        verify_inclusion(
            Hash::leaf(self.leaf.as_bytes()),
            self.index,
            head.size,
            &hashes_of(&self.inclusion)?,
            head.root,
        )
        .map_err(|error| fails(&format!("it is not in the tree: {error}")))?;
        verify_consistency(
            self.index,
            before,
            head.size,
            head.root,
            &hashes_of(&self.consistency)?,
        )
        .map_err(|error| fails(&format!("another tree was before it: {error}")))?;
        let entry =
            Entry::from_bytes(self.leaf.as_bytes()).map_err(|error| fails(&error_text(&error)))?;
        let Leaf::KeyRotation {
            old,
            new,
            signature,
            ..
        } = entry.leaf
        else {
            return Err(fails("it is none"));
        };
        let tree = Checkpoint {
            origin: head.origin.clone(),
            size: self.index,
            root: before,
        };
        rotation::check(&tree, &old, &new, &signature).map_err(|error| fails(&error))
    }
}
