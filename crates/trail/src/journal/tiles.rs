//! The tree's files.

use super::JournalError;
use pgattest_ledger::tile::{Rows, TILE_WIDTH, Tile, TileError, TileReader, decode_entries};
use std::io;
use std::path::{Path, PathBuf};

/// The tiles in a folder.
#[derive(Clone, Debug)]
pub(crate) struct Tiles {
    dir: PathBuf,
}

impl Tiles {
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    pub(crate) fn path(&self, tile: Tile) -> PathBuf {
        self.dir.join(tile.path())
    }

    /// The leaves of one bundle of the tree of `size` leaves; none when the bundle lies beyond it.
    pub(crate) fn bundle(&self, index: u64, size: u64) -> Result<Vec<Vec<u8>>, JournalError> {
        let Some(tile) = Tile::of(Rows::Entries, index, size) else {
            return Ok(Vec::new());
        };
        let bytes = self
            .read(tile)
            .map_err(|source| self.bad(TileError::Read { tile, source }))?;
        let entries = decode_entries(tile, &bytes)
            .map_err(|reason| self.bad(TileError::Damaged { tile, reason }))?;
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }

    /// What a tile that cannot be had means for the journal.
    pub(crate) fn bad(&self, error: TileError<io::Error>) -> JournalError {
        match error {
            TileError::Read { tile, source } if source.kind() != io::ErrorKind::NotFound => {
                JournalError::Disk {
                    action: "read",
                    path: self.path(tile),
                    source,
                }
            }
            TileError::Read { tile, .. } => JournalError::Damaged {
                path: self.path(tile),
                reason: "it is missing, and the checkpoint covers it".to_owned(),
            },
            TileError::Damaged { tile, reason } => JournalError::Damaged {
                path: self.path(tile),
                reason: reason.to_owned(),
            },
            TileError::OutOfRange { .. } => JournalError::Damaged {
                path: self.dir.join("tile"),
                reason: error.to_string(),
            },
        }
    }

    /// The place of a leaf: its bundle and its number within it.
    pub(crate) fn place(index: u64) -> (u64, usize) {
        let within = usize::try_from(index % TILE_WIDTH).unwrap_or(0);
        (index / TILE_WIDTH, within)
    }
}

impl TileReader for Tiles {
    type Error = io::Error;

    fn read(&self, tile: Tile) -> io::Result<Vec<u8>> {
        match std::fs::read(self.path(tile)) {
            // It has become full since the checkpoint was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !tile.is_full() => {
                let full = Tile { width: 256, ..tile };
                let bytes = std::fs::read(self.path(full)).map_err(|_| error)?;
                Ok(tile.cut(bytes))
            }
            other => other,
        }
    }
}
