//! What the writer knows of the leaves there are. Made from them; `state.json` only saves reading them all at each start.

use super::files::{Files, Position};
use super::segment::segment_name;
use crate::block::FileId;
use crate::leaf::{Entry, Leaf};
use pgattest_ledger::Hash;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The sums over all leaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// Leaves.
    pub(crate) size: u64,
    /// Records.
    pub(crate) records: u64,
    /// Blocks.
    pub(crate) blocks: u64,
    /// The segment of the last block, and where that block ends in it.
    pub(crate) segment: Option<(String, u64)>,
    /// Positions by file.
    pub(crate) files: Files,
    /// Legal holds that are in force.
    pub(crate) holds: BTreeSet<String>,
    /// The last pruning: its leaf, and the first record that is still there.
    pub(crate) pruned: Option<PrunedTo>,
    /// The key that the last rotation named, hexadecimal.
    pub(crate) signer: Option<String>,
}

/// What was pruned.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PrunedTo {
    pub(crate) leaf: u64,
    pub(crate) oldest_leaf: u64,
    pub(crate) oldest_record: u64,
}

impl State {
    /// The next leaf, as it will stand in the tree.
    pub(crate) fn entry(&self, leaf: Leaf) -> Entry {
        Entry {
            before: self.records,
            blocks: self.blocks,
            leaf,
        }
    }

    /// Whether everything before this record was pruned already.
    pub(crate) fn is_pruned_to(&self, oldest_record: u64) -> bool {
        self.pruned
            .is_some_and(|before| oldest_record <= before.oldest_record)
    }

    /// Counts a leaf. The error says why it cannot be the next one.
    pub(crate) fn apply(&mut self, entry: &Entry) -> Result<(), String> {
        if (entry.before, entry.blocks) != (self.records, self.blocks) {
            return Err(format!(
                "leaf {} says that {} records in {} blocks come before it, and there are {} in {}",
                self.size, entry.before, entry.blocks, self.records, self.blocks
            ));
        }
        match &entry.leaf {
            Leaf::Block(block) => {
                if (block.block, block.first_record) != (self.blocks, self.records) {
                    return Err(format!("leaf {} is numbered as another block", self.size));
                }
                self.blocks += 1;
                self.records = block.next_record();
                self.segment = Some((
                    block.segment.clone(),
                    block.position.saturating_add(block.stored),
                ));
                self.files.set(Position {
                    file: block.file.clone(),
                    end: block.end(),
                    gap: false,
                });
            }
            Leaf::Gap {
                file: Some(file),
                offset,
                length,
                ..
            } => self.declare_gap(file, *offset, *length),
            Leaf::Hold { name, active, .. } => {
                if *active {
                    self.holds.insert(name.clone());
                } else {
                    self.holds.remove(name);
                }
            }
            Leaf::Pruned {
                oldest_leaf,
                oldest_record,
                ..
            } => {
                self.pruned = Some(PrunedTo {
                    leaf: self.size,
                    oldest_leaf: *oldest_leaf,
                    oldest_record: *oldest_record,
                });
            }
            Leaf::KeyRotation { new, .. } => self.signer = Some(new.clone()),
            _ => {}
        }
        self.size += 1;
        Ok(())
    }

    /// The segment that a block is to be written to, and where in it.
    pub(crate) fn next_place(&self, segment_bytes: u64) -> (String, u64) {
        match &self.segment {
            Some((name, length)) if *length < segment_bytes => (name.clone(), *length),
            _ => (segment_name(self.blocks), 0),
        }
    }

    /// The file goes on behind the gap; when that is not known, anywhere.
    fn declare_gap(&mut self, file: &FileId, offset: Option<u64>, length: Option<u64>) {
        let known = self.files.get(file).map(|position| position.end);
        let behind = offset.map(|offset| offset.saturating_add(length.unwrap_or(0)));
        if let Some(end) = behind.or(known) {
            self.files.set(Position {
                file: file.clone(),
                end,
                gap: true,
            });
        }
    }

    /// The text of `state.json` for the tree with this root.
    pub(crate) fn to_text(&self, root: Hash) -> Result<Vec<u8>, serde_json::Error> {
        let body = serde_json::to_string(&Saved {
            size: self.size,
            root: root.to_hex(),
            records: self.records,
            blocks: self.blocks,
            segment: self.segment.clone(),
            files: self.files.iter().cloned().collect(),
            holds: self.holds.clone(),
            pruned: self.pruned,
            signer: self.signer.clone(),
        })?;
        Ok(format!("{}\n{body}\n", Hash::of(body.as_bytes()).to_hex()).into_bytes())
    }

    /// Reads `state.json`: the state and its tree's root. `None` when it is not as it was written, which costs no more than the time
    /// to read the leaves again.
    pub(crate) fn from_text(text: &[u8]) -> Option<(Self, Hash)> {
        let (digest, body) = str::from_utf8(text).ok()?.split_once('\n')?;
        let body = body.strip_suffix('\n')?;
        if Hash::of(body.as_bytes()).to_hex() != digest {
            return None;
        }
        let saved: Saved = serde_json::from_str(body).ok()?;
        let mut files = Files::default();
        for position in saved.files {
            files.set(position);
        }
        let state = Self {
            size: saved.size,
            records: saved.records,
            blocks: saved.blocks,
            segment: saved.segment,
            files,
            holds: saved.holds,
            pruned: saved.pruned,
            signer: saved.signer,
        };
        Some((state, Hash::from_hex(&saved.root)?))
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    size: u64,
    root: String,
    records: u64,
    blocks: u64,
    segment: Option<(String, u64)>,
    files: Vec<Position>,
    holds: BTreeSet<String>,
    pruned: Option<PrunedTo>,
    /// Not in caches that were written before there were rotations.
    #[serde(default)]
    signer: Option<String>,
}
