//! Blocks of the journal, in order.

use pgattest_ledger::Checkpoint;
use pgattest_trail::leaf::{BlockLeaf, Leaf};
use pgattest_trail::{Block, JournalError, JournalReader};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// How many manifests are read ahead: a bundle of the tree.
const AHEAD: usize = 256;

/// Where blocks come from.
pub trait Source: Send {
    /// The block that holds this record, or the first one behind it, with its leaf's index. `None`: it is not sealed yet.
    fn block(&mut self, record: u64) -> Result<Option<(u64, BlockLeaf, Block)>, JournalError>;

    /// The block's frame as it is stored.
    fn frame(&mut self, leaf: &BlockLeaf) -> Result<Vec<u8>, JournalError>;

    /// The number that the next record will have.
    fn end(&mut self) -> Result<u64, JournalError>;

    /// The newest checkpoint: the tree's size, and the signed note.
    fn checkpoint(&mut self) -> Option<(Checkpoint, String)>;

    /// The manifest of that block and its leaf's index, whether its payload can be had or not.
    fn manifest(&mut self, record: u64) -> Result<Option<(u64, BlockLeaf)>, JournalError>;
}

/// A journal on the disk.
pub struct JournalSource {
    reader: JournalReader,
    /// Manifests read ahead, in order, with their leaves' indexes.
    ahead: VecDeque<(u64, BlockLeaf)>,
    /// The leaf to read next.
    leaf: Option<u64>,
}

impl JournalSource {
    /// From a reader.
    pub fn new(reader: JournalReader) -> Self {
        Self {
            reader,
            ahead: VecDeque::new(),
            leaf: None,
        }
    }

    fn fill(&mut self, record: u64) -> Result<(), JournalError> {
        while self
            .ahead
            .front()
            .is_some_and(|(_, leaf)| behind(leaf) <= record)
        {
            self.ahead.pop_front();
        }
        if let Some((_, first)) = self.ahead.front() {
            if first.first_record <= record {
                return Ok(());
            }
            // Read ahead of what is wanted: look for it anew.
            self.ahead.clear();
            self.leaf = None;
        }
        self.reader.refresh()?;
        let from = match self.leaf {
            Some(leaf) => leaf,
            None => match self.reader.find_record(record)? {
                Some((leaf, _)) => leaf,
                None => return Ok(()),
            },
        };
        let mut next = from;
        for found in self.reader.leaves(from) {
            let (index, leaf) = found?;
            next = index + 1;
            if let Leaf::Block(leaf) = leaf
                && behind(&leaf) > record
            {
                self.ahead.push_back((index, leaf));
            }
            if self.ahead.len() >= AHEAD {
                break;
            }
        }
        self.leaf = Some(next);
        Ok(())
    }
}

impl Source for JournalSource {
    fn block(&mut self, record: u64) -> Result<Option<(u64, BlockLeaf, Block)>, JournalError> {
        let Some((index, leaf)) = self.manifest(record)? else {
            return Ok(None);
        };
        let block = self.reader.block(&leaf)?;
        Ok(Some((index, leaf, block)))
    }

    fn frame(&mut self, leaf: &BlockLeaf) -> Result<Vec<u8>, JournalError> {
        let path = self.reader.dir().join(&leaf.segment);
        let mut frame = Vec::new();
        File::open(&path)
            .and_then(|mut file| {
                file.seek(SeekFrom::Start(leaf.position))?;
                file.take(leaf.stored).read_to_end(&mut frame)
            })
            .map_err(|source| JournalError::Disk {
                action: "read",
                path: path.clone(),
                source,
            })?;
        if hex::encode(Sha256::digest(&frame)) == leaf.stored_sha256 {
            Ok(frame)
        } else {
            Err(JournalError::Damaged {
                path,
                reason: format!(
                    "the frame of block {} has another digest than its manifest says",
                    leaf.block
                ),
            })
        }
    }

    fn end(&mut self) -> Result<u64, JournalError> {
        self.reader.refresh()?;
        self.reader.next_record()
    }

    fn checkpoint(&mut self) -> Option<(Checkpoint, String)> {
        let signed = self.reader.checkpoint();
        Some((signed.unverified().clone(), signed.to_text()))
    }

    fn manifest(&mut self, record: u64) -> Result<Option<(u64, BlockLeaf)>, JournalError> {
        self.fill(record)?;
        Ok(self.ahead.front().cloned())
    }
}

/// The number behind a block's last record.
pub(super) fn behind(leaf: &BlockLeaf) -> u64 {
    leaf.first_record.saturating_add(u64::from(leaf.records))
}
