//! The keys of a journal, one after the other, from the one that the caller trusts.

use crate::journal::{JournalReader, Tiles};
use crate::leaf::Leaf;
use crate::seal::rotation;
use pgattest_ledger::tile::TileNodes;
use pgattest_ledger::{Checkpoint, PublicKey, SignedCheckpoint, tree};
use std::cell::OnceCell;

/// A rotation as its leaf says it, and where it is.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) leaf: u64,
    pub(super) old: String,
    pub(super) new: String,
    pub(super) signature: String,
}

impl Said {
    pub(super) fn of(index: u64, leaf: &Leaf) -> Option<Self> {
        match leaf {
            Leaf::KeyRotation {
                old,
                new,
                signature,
                ..
            } => Some(Self {
                leaf: index,
                old: old.clone(),
                new: new.clone(),
                signature: signature.clone(),
            }),
            _ => None,
        }
    }
}

/// A rotation that the old key signed.
#[derive(Clone, Copy, Debug)]
struct Rotation {
    leaf: u64,
    old: PublicKey,
    new: PublicKey,
}

/// Who may have signed what of a journal.
pub(super) struct Chain<'r> {
    reader: &'r JournalReader,
    given: &'r [PublicKey],
    rotations: OnceCell<Vec<Rotation>>,
}

impl<'r> Chain<'r> {
    /// Of the keys that are given. Rotations are read when they are needed, or told by [`Self::told`].
    pub(super) fn new(reader: &'r JournalReader, given: &'r [PublicKey]) -> Self {
        Self {
            reader,
            given,
            rotations: OnceCell::new(),
        }
    }

    /// The rotations that the leaves tell of, in order. What is wrong with them, with its leaf.
    pub(super) fn told(&self, said: &[Said]) -> Vec<(u64, String)> {
        let (rotations, problems) = follow(self.reader, said);
        let _ = self.rotations.set(rotations);
        problems
    }

    /// The key that signed the journal's head: one that is given, or one that such a key leads to.
    pub(super) fn head(&self) -> Result<PublicKey, String> {
        self.signer(self.reader.checkpoint(), true)
    }

    /// The key that signed an earlier checkpoint. Those before the first that is given count, too: the head's signer says that they
    /// were the journal's.
    pub(super) fn earlier(&self, signed: &SignedCheckpoint) -> Result<PublicKey, String> {
        self.signer(signed, false)
    }

    /// Keys that the journal had, the first first; empty when it has always had one.
    pub(super) fn keys(&self) -> Vec<PublicKey> {
        let rotations = self.rotations.get().map_or(&[][..], Vec::as_slice);
        let first = rotations.first().map(|rotation| rotation.old);
        first
            .into_iter()
            .chain(rotations.iter().map(|rotation| rotation.new))
            .collect()
    }

    fn signer(&self, signed: &SignedCheckpoint, forward: bool) -> Result<PublicKey, String> {
        let direct = super::signing_key(signed, self.given).copied();
        if direct.is_ok() && self.rotations.get().is_none() {
            return direct;
        }
        let rotations = self.rotations.get_or_init(|| self.read());
        if rotations.is_empty() {
            return direct;
        }
        let keys = self.keys();
        let Some(trusted) = keys.iter().position(|key| self.given.contains(key)) else {
            return Err(
                "none of the keys given is one that the journal had: its key was rotated"
                    .to_owned(),
            );
        };
        let size = signed.unverified().size;
        let from = if forward { trusted } else { 0 };
        let mut reason = "it was signed by none of the journal's keys".to_owned();
        for (place, key) in keys.iter().enumerate().skip(from) {
            if signed.verify(key).is_err() {
                continue;
            }
            // A key signs up to the checkpoint that names the next, and from that one on.
            let since = place
                .checked_sub(1)
                .and_then(|before| rotations.get(before))
                .map_or(0, |rotation| rotation.leaf.saturating_add(1));
            let until = rotations
                .get(place)
                .map_or(u64::MAX, |rotation| rotation.leaf.saturating_add(1));
            if (since..=until).contains(&size) {
                return Ok(*key);
            }
            reason = format!(
                "the key {} signed a checkpoint of {size} leaves, and was the journal's only from {since} to {until}",
                key.fingerprint()
            );
        }
        Err(reason)
    }

    /// From the leaves, all of them. What is wrong with a rotation ends the chain there.
    fn read(&self) -> Vec<Rotation> {
        let said: Vec<Said> = self
            .reader
            .leaves(0)
            .map_while(Result::ok)
            .filter_map(|(index, leaf)| Said::of(index, &leaf))
            .collect();
        follow(self.reader, &said).0
    }
}

fn follow(reader: &JournalReader, said: &[Said]) -> (Vec<Rotation>, Vec<(u64, String)>) {
    let tiles = Tiles::new(reader.dir());
    let nodes = TileNodes::new(&tiles, reader.size());
    let (mut rotations, mut problems) = (Vec::<Rotation>::new(), Vec::new());
    for one in said {
        let checked = tree::root(&nodes, one.leaf)
            .map_err(|_| "the tree before it cannot be read".to_owned())
            .and_then(|root| {
                let before = Checkpoint {
                    origin: reader.checkpoint().unverified().origin.clone(),
                    size: one.leaf,
                    root,
                };
                rotation::check(&before, &one.old, &one.new, &one.signature)
            })
            .and_then(|(old, new)| match rotations.last() {
                Some(last) if last.new != old => Err(format!(
                    "the rotation from the key {} follows one to {}",
                    old.fingerprint(),
                    last.new.fingerprint()
                )),
                _ => Ok(Rotation {
                    leaf: one.leaf,
                    old,
                    new,
                }),
            });
        match checked {
            Ok(rotation) => rotations.push(rotation),
            Err(reason) => problems.push((one.leaf, reason)),
        }
    }
    (rotations, problems)
}
