//! The one writer.

use super::JournalError;
use crate::block::{Block, FileId};
use crate::leaf::Leaf;
use pgattest_ledger::{Checkpoint, SigningKey};
use std::path::Path;

/// How the journal is written.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// The name in checkpoints. `None`: made from the key.
    pub origin: Option<String>,
    /// zstd's level.
    pub level: i32,
    /// A segment is closed at this many bytes.
    pub segment_bytes: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            origin: None,
            level: 1,
            segment_bytes: 64 << 20,
        }
    }
}

/// A journal open for writing.
pub struct Journal {}

impl Journal {
    /// Opens a journal, making it when it is not there, and cuts off what no checkpoint covers.
    pub fn open(
        dir: &Path,
        key: SigningKey,
        options: JournalOptions,
    ) -> Result<Self, JournalError> {
        let _ = (dir, key, options);
        todo!("the journal")
    }

    /// Adds a block: compressed and written, durable only after [`Self::commit`].
    pub fn append(&mut self, block: &Block) -> Result<(), JournalError> {
        let _ = block;
        todo!("the journal")
    }

    /// Adds another leaf.
    pub fn note(&mut self, leaf: &Leaf) -> Result<(), JournalError> {
        let _ = leaf;
        todo!("the journal")
    }

    /// Makes everything added so far durable, in one step: afterwards the checkpoint covers it.
    pub fn commit(&mut self) -> Result<Checkpoint, JournalError> {
        todo!("the journal")
    }

    /// How far a file has been sealed: the offset behind its last block. `None`: nothing of it.
    pub fn sealed(&self, file: &FileId) -> Option<u64> {
        let _ = file;
        todo!("the journal")
    }

    /// Files that have blocks, with the offset behind the last one, the most recent last.
    pub fn files(&self) -> Vec<(FileId, u64)> {
        todo!("the journal")
    }

    /// Records so far: the number that the next piece will have.
    pub fn next_record(&self) -> u64 {
        todo!("the journal")
    }

    /// Where others of this process (sinks, detect, archive) hand in leaves. They are added at the next commit.
    pub fn leaf_sender(&self) -> LeafSender {
        todo!("the journal")
    }
}

/// Hands leaves to the journal's writer, from any thread.
#[derive(Clone)]
pub struct LeafSender {}

impl LeafSender {
    /// Hands in a leaf; it becomes durable with the writer's next commit. With `wait` only returns once it is.
    pub fn send(&self, leaf: Leaf, wait: bool) -> Result<(), JournalError> {
        let _ = (leaf, wait);
        todo!("the journal")
    }
}
