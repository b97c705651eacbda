//! Readers, any number, while it is written or not. They see what the checkpoint covers.

use super::recovery::read_checkpoint;
use super::segment::{read_stored, unpack};
use super::{JournalError, Tiles};
use crate::block::Block;
use crate::leaf::{BlockLeaf, Entry, Leaf};
use pgattest_ledger::tile::{Rows, Tile, TileNodes};
use pgattest_ledger::{Hash, SignedCheckpoint, tree};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A journal open for reading.
pub struct JournalReader {
    dir: PathBuf,
    tiles: Tiles,
    checkpoint: SignedCheckpoint,
    last: Mutex<Option<Bundle>>,
}

/// The bundle that was read last.
struct Bundle {
    index: u64,
    /// The tree's size when it was read.
    size: u64,
    leaves: Arc<Vec<Vec<u8>>>,
}

impl JournalReader {
    /// Opens a journal. The checkpoint's signature is not verified here: `verify` does that.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        Ok(Self {
            dir: dir.to_owned(),
            tiles: Tiles::new(dir),
            checkpoint: read_checkpoint(dir)?
                .ok_or_else(|| JournalError::Absent(dir.to_owned()))?,
            last: Mutex::default(),
        })
    }

    /// Looks at the checkpoint again; the tree's size.
    pub fn refresh(&mut self) -> Result<u64, JournalError> {
        self.checkpoint =
            read_checkpoint(&self.dir)?.ok_or_else(|| JournalError::Absent(self.dir.clone()))?;
        Ok(self.size())
    }

    /// The tree's size when it was last looked at.
    pub fn size(&self) -> u64 {
        self.checkpoint.unverified().size
    }

    /// The checkpoint when it was last looked at.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// The journal's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Records so far: what the checkpoint covers.
    pub fn next_record(&self) -> Result<u64, JournalError> {
        let Some(last) = self.size().checked_sub(1) else {
            return Ok(0);
        };
        let entry = self.entry(last)?;
        Ok(match entry.leaf {
            Leaf::Block(block) => block.next_record(),
            _ => entry.before,
        })
    }

    /// Leaves from this one on, with their indexes, to the tree's end. Reads a bundle at a time. After an error it ends.
    pub fn leaves(&self, from: u64) -> Leaves<'_> {
        Leaves {
            reader: self,
            next: from,
            failed: false,
        }
    }

    /// A leaf with what it says of the records and blocks before it.
    pub fn entry(&self, index: u64) -> Result<Entry, JournalError> {
        let bytes = self.leaf_bytes(index)?;
        Entry::from_bytes(&bytes).map_err(|error| self.bad_leaf(index, &error.to_string()))
    }

    /// The exact bytes of a leaf, as the tree holds them.
    pub fn leaf_bytes(&self, index: u64) -> Result<Vec<u8>, JournalError> {
        let (bundle, place) = Tiles::place(index);
        self.bundle(bundle)?
            .get(place)
            .cloned()
            .ok_or_else(|| self.bad_leaf(index, "the tree has no such leaf"))
    }

    /// Proves that the tree continues the one of its first `old` leaves: the hashes in RFC 6962's order.
    pub fn prove_consistency(&self, old: u64) -> Result<Vec<Hash>, JournalError> {
        let nodes = TileNodes::new(&self.tiles, self.size());
        tree::prove_consistency(&nodes, old, self.size()).map_err(|error| self.tiles.bad(error))
    }

    /// A block's payload, checked against its manifest (digest, root, lengths).
    pub fn block(&self, leaf: &BlockLeaf) -> Result<Block, JournalError> {
        let stored = match read_stored(&self.dir, leaf) {
            Err(JournalError::Disk { source, path, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                return Err(self.missing(leaf, path)?);
            }
            other => other?,
        };
        unpack(&stored, leaf).map_err(|reason| JournalError::Damaged {
            path: self.dir.join(&leaf.segment),
            reason: format!("block {} at byte {}: {reason}", leaf.block, leaf.position),
        })
    }

    /// The leaf index and manifest of the block that holds this record. Logarithmic in the size of the journal.
    pub fn find_record(&self, number: u64) -> Result<Option<(u64, BlockLeaf)>, JournalError> {
        let found = self.last_where(|entry| entry.before <= number)?;
        Ok(found.filter(|(_, block)| (block.first_record..block.next_record()).contains(&number)))
    }

    /// The leaf index and manifest of the block with this number. Logarithmic.
    pub fn find_block(&self, number: u64) -> Result<Option<(u64, BlockLeaf)>, JournalError> {
        let found = self.last_where(|entry| entry.blocks <= number)?;
        Ok(found.filter(|(_, block)| block.block == number))
    }

    /// The oldest record whose payload was not pruned, and its leaf; (0, 0) when nothing was pruned.
    pub fn oldest(&self) -> Result<(u64, u64), JournalError> {
        Ok(self
            .pruned_to()?
            .map_or((0, 0), |(leaf, record)| (record, leaf)))
    }

    /// The last leaf for which `holds` is true, when that is a block. `holds` is true up to some leaf, and false from then on.
    fn last_where(
        &self,
        holds: impl Fn(&Entry) -> bool,
    ) -> Result<Option<(u64, BlockLeaf)>, JournalError> {
        let (mut low, mut high) = (0, self.size());
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(&self.entry(middle)?) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let Some(index) = low.checked_sub(1) else {
            return Ok(None);
        };
        Ok(match self.entry(index)?.leaf {
            Leaf::Block(block) => Some((index, block)),
            _ => None,
        })
    }

    fn bundle(&self, index: u64) -> Result<Arc<Vec<Vec<u8>>>, JournalError> {
        let size = self.size();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &*last
            && (last.index, last.size) == (index, size)
        {
            return Ok(Arc::clone(&last.leaves));
        }
        let leaves = Arc::new(self.tiles.bundle(index, size)?);
        *last = Some(Bundle {
            index,
            size,
            leaves: Arc::clone(&leaves),
        });
        Ok(leaves)
    }

    /// What it means that a segment is not there.
    fn missing(&self, leaf: &BlockLeaf, path: PathBuf) -> Result<JournalError, JournalError> {
        let pruned = self.pruned_to()?;
        Ok(match pruned {
            Some((_, oldest)) if leaf.next_record() <= oldest => JournalError::Pruned(leaf.block),
            _ => JournalError::Damaged {
                path,
                reason: format!(
                    "it is missing, and block {} is in it; no leaf says that it was pruned",
                    leaf.block
                ),
            },
        })
    }

    /// The leaf and the record before which everything was pruned, as the last leaf about it says.
    fn pruned_to(&self) -> Result<Option<(u64, u64)>, JournalError> {
        let hint = std::fs::read_to_string(self.dir.join(super::prune::HINT))
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok())
            .filter(|index| *index < self.size());
        if let Some(index) = hint
            && let Leaf::Pruned {
                oldest_leaf,
                oldest_record,
                ..
            } = self.entry(index)?.leaf
        {
            return Ok(Some((oldest_leaf, oldest_record)));
        }
        let mut found = None;
        for leaf in self.leaves(0) {
            if let (
                _,
                Leaf::Pruned {
                    oldest_leaf,
                    oldest_record,
                    ..
                },
            ) = leaf?
            {
                found = Some((oldest_leaf, oldest_record));
            }
        }
        Ok(found)
    }

    fn bad_leaf(&self, index: u64, reason: &str) -> JournalError {
        let (bundle, _) = Tiles::place(index);
        JournalError::Damaged {
            path: Tile::of(Rows::Entries, bundle, self.size())
                .map_or_else(|| self.dir.join("tile"), |tile| self.tiles.path(tile)),
            reason: format!("leaf {index}: {reason}"),
        }
    }
}

/// The leaves of a journal, in order.
pub struct Leaves<'r> {
    reader: &'r JournalReader,
    next: u64,
    failed: bool,
}

impl Iterator for Leaves<'_> {
    type Item = Result<(u64, Leaf), JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.next >= self.reader.size() {
            return None;
        }
        let index = self.next;
        self.next += 1;
        let entry = self.reader.entry(index);
        self.failed = entry.is_err();
        Some(entry.map(|entry| (index, entry.leaf)))
    }
}
