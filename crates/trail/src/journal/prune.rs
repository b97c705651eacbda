//! Removing payload that need not be kept any more.

use super::recovery::write_cache;
use super::segment::{SEGMENTS, each_segment, first_block};
use super::state::PrunedTo;
use super::writer::{Journal, now};
use super::{JournalError, JournalReader};
use crate::leaf::{BlockLeaf, Leaf};
use pgattest_evidence::disk::Disk;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file that says which leaf says what was pruned.
pub(super) const HINT: &str = "pruned";

/// What a pruning came to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pruning {
    /// The first leaf whose payload is still there.
    pub oldest_leaf: u64,
    /// The number of its first record.
    pub oldest_record: u64,
    /// How many segments were removed.
    pub segments: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

impl Journal {
    /// Removes the payload of blocks before this leaf: of whole segments only, never the last one. First a [`Leaf::Pruned`] is made
    /// durable, then files are removed; a pruning that was interrupted goes on when the journal is opened. Manifests and tree stay.
    ///
    /// Refused while a legal hold is in force. `None`: no whole segment lies before the leaf.
    pub fn prune(
        &mut self,
        before_leaf: u64,
        retention_days: u32,
    ) -> Result<Option<Pruning>, JournalError> {
        self.commit()?;
        self.refuse_held()?;
        let Some(leaf) = JournalReader::open(&self.dir)?.pruning(before_leaf, retention_days)?
        else {
            return Ok(None);
        };
        self.note(&leaf)?;
        self.commit()?;
        self.finish_pruning()
    }

    /// Removes what the last leaf about it says was pruned and is still there.
    pub(super) fn finish_pruning(&mut self) -> Result<Option<Pruning>, JournalError> {
        match self.state.pruned {
            Some(pruned) => finish(&self.disk, &self.dir, pruned),
            None => Ok(None),
        }
    }

    /// Refuses a leaf that says what was not so, or may not be.
    pub(super) fn refuse_pruning(
        &self,
        oldest_leaf: u64,
        oldest_record: u64,
    ) -> Result<(), JournalError> {
        self.refuse_held()?;
        let reader = JournalReader::open(&self.dir)?;
        let begins_a_segment = match reader.entry(oldest_leaf)?.leaf {
            Leaf::Block(block) => {
                block.first_record == oldest_record
                    && first_block(&block.segment) == Some(block.block)
            }
            _ => false,
        };
        if begins_a_segment {
            return Ok(());
        }
        Err(JournalError::Refused {
            what: "to prune",
            reason: format!("leaf {oldest_leaf} begins no segment with record {oldest_record}"),
        })
    }

    fn refuse_held(&self) -> Result<(), JournalError> {
        match self.holds().next() {
            None => Ok(()),
            Some(hold) => Err(JournalError::Refused {
                what: "to prune",
                reason: format!("the legal hold `{}` is in force", hold.escape_debug()),
            }),
        }
    }
}

impl JournalReader {
    /// The leaf that says that blocks before this leaf are pruned: of whole segments only, never the last one. `None`: no whole
    /// segment lies before it, or none that was not pruned before. To be handed to the journal's writer.
    pub fn pruning(
        &self,
        before_leaf: u64,
        retention_days: u32,
    ) -> Result<Option<Leaf>, JournalError> {
        let (oldest, _) = self.oldest()?;
        Ok(match self.first_kept(before_leaf)? {
            Some((leaf, block)) if block.block > 0 && block.first_record > oldest => {
                Some(Leaf::Pruned {
                    at: now(),
                    oldest_leaf: leaf,
                    oldest_record: block.first_record,
                    retention_days,
                })
            }
            _ => None,
        })
    }

    /// The first block of the segment that the first block at or after this leaf is in; of the last segment when there is none.
    fn first_kept(&self, before_leaf: u64) -> Result<Option<(u64, BlockLeaf)>, JournalError> {
        let Some(last_leaf) = self.size().checked_sub(1) else {
            return Ok(None);
        };
        let end = self.entry(last_leaf)?;
        let blocks = end.blocks + u64::from(matches!(end.leaf, Leaf::Block(_)));
        let Some(last) = blocks.checked_sub(1) else {
            return Ok(None);
        };
        let before = if before_leaf <= last_leaf {
            self.entry(before_leaf)?.blocks
        } else {
            blocks
        };
        let Some((_, block)) = self.find_block(before.min(last))? else {
            return Ok(None);
        };
        match first_block(&block.segment) {
            Some(first) => self.find_block(first),
            None => Ok(None),
        }
    }
}

/// Removes the files that a durable [`Leaf::Pruned`], at or after this leaf, says are not needed. For who handed it to the writer; what
/// a kill leaves is removed when the journal is opened.
pub fn remove_pruned(dir: &Path, from: u64) -> Result<Option<Pruning>, JournalError> {
    let reader = JournalReader::open(dir)?;
    let mut pruned = None;
    for leaf in reader.leaves(from) {
        if let (
            leaf,
            Leaf::Pruned {
                oldest_leaf,
                oldest_record,
                ..
            },
        ) = leaf?
        {
            pruned = Some(PrunedTo {
                leaf,
                oldest_leaf,
                oldest_record,
            });
        }
    }
    match pruned {
        Some(pruned) => finish(&Disk::default(), dir, pruned),
        None => Ok(None),
    }
}

fn finish(disk: &Disk, dir: &Path, pruned: PrunedTo) -> Result<Option<Pruning>, JournalError> {
    write_cache(disk, dir, HINT, format!("{}\n", pruned.leaf).as_bytes())?;
    let reader = JournalReader::open(dir)?;
    let Leaf::Block(oldest) = reader.entry(pruned.oldest_leaf)?.leaf else {
        return Ok(None);
    };
    let Some(kept) = first_block(&oldest.segment) else {
        return Ok(None);
    };
    let (mut segments, mut bytes) = (0, 0);
    each_segment(dir, |number, path| {
        if number < kept {
            let length = path.metadata().map_or(0, |metadata| metadata.len());
            disk.step("remove", path, || std::fs::remove_file(path))?;
            segments += 1;
            bytes += length;
        }
        Ok(())
    })?;
    if segments > 0 {
        disk.sync_folder(&dir.join(SEGMENTS))?;
    }
    Ok(Some(Pruning {
        oldest_leaf: pruned.oldest_leaf,
        oldest_record: pruned.oldest_record,
        segments,
        bytes,
    }))
}
