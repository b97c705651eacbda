//! The journal from now on, and what sinks have confirmed of it.

use super::watch::Piece;
use pgattest_trail::{JournalError, JournalReader, Leaf};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) struct Journal {
    dir: PathBuf,
    reader: Option<JournalReader>,
    /// The next leaf to look at.
    next: u64,
    /// For each sink, the first record that it has not confirmed.
    confirmed: BTreeMap<String, u64>,
}

impl Journal {
    /// Remembers where the journal ends now. There need be none yet.
    pub(super) fn open(dir: &Path) -> Self {
        let reader = JournalReader::open(dir).ok();
        Self {
            dir: dir.to_owned(),
            next: reader.as_ref().map_or(0, JournalReader::size),
            reader,
            confirmed: BTreeMap::new(),
        }
    }

    /// The journal, once it is there.
    pub(super) fn reader(&self) -> Option<&JournalReader> {
        self.reader.as_ref()
    }

    /// Whether this sink has confirmed this record, as far as watermarks among the leaves that were looked at say.
    pub(super) fn is_confirmed(&self, sink: &str, record: u64) -> bool {
        self.confirmed.get(sink).is_some_and(|next| record < *next)
    }

    /// The records of the blocks that were added since the last look.
    pub(super) fn arrived(&mut self) -> Result<Vec<Piece>, String> {
        self.look().map_err(|error| error.to_string())
    }

    fn look(&mut self) -> Result<Vec<Piece>, JournalError> {
        if self.reader.is_none() {
            match JournalReader::open(&self.dir) {
                Ok(reader) => self.reader = Some(reader),
                Err(JournalError::Absent(_)) => return Ok(Vec::new()),
                Err(error) => return Err(error),
            }
        }
        let Some(reader) = &mut self.reader else {
            return Ok(Vec::new());
        };
        reader.refresh()?;
        let mut pieces = Vec::new();
        for leaf in reader.leaves(self.next) {
            let (index, leaf) = leaf?;
            self.next = index + 1;
            match leaf {
                Leaf::Block(manifest) => {
                    let block = reader.block(&manifest)?;
                    let first = manifest.first_record;
                    for (number, (_, bytes)) in (first..).zip(block.iter()) {
                        pieces.push(Piece {
                            number: Some(number),
                            format: block.format.clone(),
                            bytes: bytes.to_vec(),
                        });
                    }
                }
                Leaf::Watermark { sink, next, .. } => {
                    self.confirmed.insert(sink, next);
                }
                _ => {}
            }
        }
        Ok(pieces)
    }
}
