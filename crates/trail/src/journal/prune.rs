//! Removing payload that need not be kept any more.

use super::recovery::write_cache;
use super::segment::{SEGMENTS, each_segment, first_block};
use super::writer::{Journal, now};
use super::{JournalError, JournalReader};
use crate::leaf::{BlockLeaf, Leaf};

/// The file that says which leaf says what was pruned.
pub(super) const HINT: &str = "pruned";

/// What a pruning came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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
        if let Some(hold) = self.holds().next() {
            return Err(JournalError::Refused {
                what: "to prune",
                reason: format!("the legal hold `{}` is in force", hold.escape_debug()),
            });
        }
        let Some((leaf, block)) = self.first_kept(before_leaf)? else {
            return Ok(None);
        };
        if self
            .state
            .pruned
            .is_some_and(|before| block.first_record <= before.oldest_record)
            || block.block == 0
        {
            return Ok(None);
        }
        self.note_any(&Leaf::Pruned {
            at: now(),
            oldest_leaf: leaf,
            oldest_record: block.first_record,
            retention_days,
        })?;
        self.commit()?;
        let (segments, bytes) = self.finish_pruning()?;
        Ok(Some(Pruning {
            oldest_leaf: leaf,
            oldest_record: block.first_record,
            segments,
            bytes,
        }))
    }

    /// Removes what the last leaf about it says was pruned and is still there: how many segments, and their bytes.
    pub(super) fn finish_pruning(&mut self) -> Result<(u64, u64), JournalError> {
        let Some(pruned) = self.state.pruned else {
            return Ok((0, 0));
        };
        write_cache(
            &self.disk,
            &self.dir,
            HINT,
            format!("{}\n", pruned.leaf).as_bytes(),
        )?;
        let reader = JournalReader::open(&self.dir)?;
        let Leaf::Block(oldest) = reader.entry(pruned.oldest_leaf)?.leaf else {
            return Ok((0, 0));
        };
        let Some(kept) = first_block(&oldest.segment) else {
            return Ok((0, 0));
        };
        let (mut segments, mut bytes) = (0, 0);
        each_segment(&self.dir, |number, path| {
            if number < kept {
                let length = path.metadata().map_or(0, |metadata| metadata.len());
                self.disk
                    .step("remove", path, || std::fs::remove_file(path))?;
                segments += 1;
                bytes += length;
            }
            Ok(())
        })?;
        if segments > 0 {
            self.disk.sync_folder(&self.dir.join(SEGMENTS))?;
        }
        Ok((segments, bytes))
    }

    /// The first block of the segment that the first block at or after this leaf is in; of the last segment when there is none.
    fn first_kept(&self, before_leaf: u64) -> Result<Option<(u64, BlockLeaf)>, JournalError> {
        let reader = JournalReader::open(&self.dir)?;
        let blocks_before = if before_leaf < reader.size() {
            reader.entry(before_leaf)?.blocks
        } else {
            self.state.blocks
        };
        let Some(last) = self.state.blocks.checked_sub(1) else {
            return Ok(None);
        };
        let Some((_, block)) = reader.find_block(blocks_before.min(last))? else {
            return Ok(None);
        };
        match first_block(&block.segment) {
            Some(first) => reader.find_block(first),
            None => Ok(None),
        }
    }
}
