//! Readers, any number, while it is written or not. They see what the checkpoint covers.

use super::JournalError;
use crate::block::Block;
use crate::leaf::{BlockLeaf, Leaf};
use pgattest_ledger::SignedCheckpoint;
use std::path::Path;

/// A journal open for reading.
pub struct JournalReader {}

impl JournalReader {
    /// Opens a journal. The checkpoint's signature is not verified here: `verify` does that.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        let _ = dir;
        todo!("the reader")
    }

    /// Looks at the checkpoint again; the tree's size.
    pub fn refresh(&mut self) -> Result<u64, JournalError> {
        todo!("the reader")
    }

    /// The tree's size when it was last looked at.
    pub fn size(&self) -> u64 {
        todo!("the reader")
    }

    /// The checkpoint when it was last looked at.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        todo!("the reader")
    }

    /// Leaves from this one on, with their indexes, to the tree's end. Reads a bundle at a time.
    pub fn leaves(
        &self,
        from: u64,
    ) -> impl Iterator<Item = Result<(u64, Leaf), JournalError>> + '_ {
        let _ = from;
        std::iter::from_fn(|| todo!("the reader"))
    }

    /// A block's payload, checked against its manifest (digest, root, lengths).
    pub fn block(&self, leaf: &BlockLeaf) -> Result<Block, JournalError> {
        let _ = leaf;
        todo!("the reader")
    }

    /// The leaf index and manifest of the block that holds this record. Logarithmic in the size of the journal.
    pub fn find_record(&self, number: u64) -> Result<Option<(u64, BlockLeaf)>, JournalError> {
        let _ = number;
        todo!("the reader")
    }
}
