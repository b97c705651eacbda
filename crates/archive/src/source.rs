//! Where records come from: the journal, or whatever a test puts in its place.

use pgattest_trail::leaf::BlockLeaf;
use pgattest_trail::{Block, JournalError, JournalReader, Leaf};

/// A block with its place in the tree.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The index of its leaf.
    pub leaf_index: u64,
    /// Its manifest.
    pub manifest: BlockLeaf,
    /// Its payload.
    pub block: Block,
}

impl Sealed {
    /// The number behind its last record.
    pub fn end(&self) -> u64 {
        self.manifest
            .first_record
            .saturating_add(u64::from(self.manifest.records))
    }
}

/// Blocks in the order of their records, without a gap.
pub trait Source {
    /// The first record whose payload is still there, and the number behind the last one.
    fn range(&self) -> Result<(u64, u64), JournalError>;

    /// Blocks from the one that holds this record, to the end.
    fn sealed<'a>(
        &'a self,
        from: u64,
    ) -> Result<Box<dyn Iterator<Item = Result<Sealed, JournalError>> + 'a>, JournalError>;
}

impl Source for JournalReader {
    fn range(&self) -> Result<(u64, u64), JournalError> {
        let (oldest, _) = self.oldest()?;
        Ok((oldest, self.next_record()?))
    }

    fn sealed<'a>(
        &'a self,
        from: u64,
    ) -> Result<Box<dyn Iterator<Item = Result<Sealed, JournalError>> + 'a>, JournalError> {
        let Some((first, _)) = self.find_record(from)? else {
            return Ok(Box::new(std::iter::empty()));
        };
        Ok(Box::new(self.leaves(first).filter_map(move |entry| {
            let (leaf_index, leaf) = match entry {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error)),
            };
            let Leaf::Block(manifest) = leaf else {
                return None;
            };
            Some(self.block(&manifest).map(|block| Sealed {
                leaf_index,
                manifest,
                block,
            }))
        })))
    }
}
