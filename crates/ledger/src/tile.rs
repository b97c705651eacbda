//! The tree as files: C2SP's tlog-tiles.
//!
//! A tile holds up to 256 consecutive hashes of one level of the tree, where the
//! levels kept are 0, 8, 16 and so on. An entry bundle holds up to 256 entries,
//! each after its length. While a tile is not full its file is named after how
//! many hashes it has (`.p/W`), so no file is ever written over once a checkpoint
//! covers it.

mod edge;

pub use edge::Edge;

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::hash::Hash;
use crate::tree::{Nodes, complete};

/// How many hashes, or entries, fill a tile.
pub const TILE_WIDTH: u64 = 256;

/// The longest entry that a bundle can hold, in bytes.
pub const LONGEST_ENTRY: usize = 65_535;

/// How many levels of the tree lie between two levels of tiles.
const TILE_HEIGHT: u32 = 8;

/// What a file of the ledger holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rows {
    /// Hashes of the tree's level `8 * n`.
    Hashes(u8),
    /// The entries themselves.
    Entries,
}

/// The address of a tile or an entry bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// What it holds.
    pub rows: Rows,
    /// Its place in the row of tiles, from 0.
    pub index: u64,
    /// How many hashes or entries it has: 1 to 256.
    pub width: u16,
}

impl Tile {
    /// The tile `index` as a tree of `size` leaves has it; `None` when that tree
    /// has no such tile.
    pub fn of(rows: Rows, index: u64, size: u64) -> Option<Self> {
        let level = match rows {
            Rows::Hashes(level) => u32::from(level),
            Rows::Entries => 0,
        };
        let total = size.checked_shr(level * TILE_HEIGHT).unwrap_or(0);
        let before = index.checked_mul(TILE_WIDTH)?;
        let width = total.checked_sub(before)?.min(TILE_WIDTH);
        let width = u16::try_from(width).ok().filter(|width| *width > 0)?;
        Some(Self { rows, index, width })
    }

    /// Whether nothing can be added to it.
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// The path within the ledger's directory, with `/` between its parts.
    pub fn path(&self) -> String {
        let path = self.full_path();
        if self.is_full() {
            path
        } else {
            format!("{path}.p/{}", self.width)
        }
    }

    /// What of the full tile's bytes belongs to this one, which it began as.
    pub fn cut(&self, mut full: Vec<u8>) -> Vec<u8> {
        let length = match self.rows {
            Rows::Hashes(_) => usize::from(self.width) * Hash::LEN,
            Rows::Entries => (0..self.width).fold(0, |end, _| {
                let length = full.get(end..).and_then(<[u8]>::first_chunk::<2>);
                end + length.map_or(0, |length| 2 + usize::from(u16::from_be_bytes(*length)))
            }),
        };
        full.truncate(length);
        full
    }

    /// The directory of the partial tiles that come before the full one.
    pub fn partial_directory(&self) -> String {
        format!("{}.p", self.full_path())
    }

    fn full_path(&self) -> String {
        let mut number = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        match self.rows {
            Rows::Hashes(level) => format!("tile/{level}/{number}"),
            Rows::Entries => format!("tile/entries/{number}"),
        }
    }
}

/// Reads the bytes of tiles.
pub trait TileReader {
    /// Why a tile could not be read.
    type Error;

    /// The bytes of the file at [`Tile::path`].
    fn read(&self, tile: Tile) -> Result<Vec<u8>, Self::Error>;
}

/// Why a hash could not be had from the tiles.
#[derive(Debug, thiserror::Error)]
pub enum TileError<E> {
    /// The tile could not be read.
    #[error("{}", .tile.path())]
    Read {
        /// The tile.
        tile: Tile,
        /// Why.
        source: E,
    },
    /// The file is there, but is not what its name says.
    #[error("{} is damaged: {reason}", .tile.path())]
    Damaged {
        /// The tile.
        tile: Tile,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The tree has no such subtree.
    #[error("a tree of {size} entries has no complete subtree {index} at level {level}")]
    OutOfRange {
        /// The tree's size.
        size: u64,
        /// The level asked for.
        level: u32,
        /// The place asked for.
        index: u64,
    },
}

/// The nodes of a tree whose tiles are read when needed, each once.
pub struct TileNodes<'r, R> {
    reader: &'r R,
    size: u64,
    read: RefCell<BTreeMap<Tile, Vec<Hash>>>,
}

impl<'r, R: TileReader> TileNodes<'r, R> {
    /// The tree of `size` leaves.
    pub fn new(reader: &'r R, size: u64) -> Self {
        Self {
            reader,
            size,
            read: RefCell::default(),
        }
    }

    fn hashes<T>(
        &self,
        tile: Tile,
        look: impl FnOnce(&[Hash]) -> T,
    ) -> Result<T, TileError<R::Error>> {
        if let Some(hashes) = self.read.borrow().get(&tile) {
            return Ok(look(hashes));
        }
        let bytes = self
            .reader
            .read(tile)
            .map_err(|source| TileError::Read { tile, source })?;
        let hashes =
            decode_hashes(tile, &bytes).map_err(|reason| TileError::Damaged { tile, reason })?;
        let seen = look(&hashes);
        self.read.borrow_mut().insert(tile, hashes);
        Ok(seen)
    }
}

impl<R: TileReader> Nodes for TileNodes<'_, R> {
    type Error = TileError<R::Error>;

    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        let missing = TileError::OutOfRange {
            size: self.size,
            level,
            index,
        };
        // The subtree is a run of hashes of the tile level at or below it.
        let run = 1_u64 << (level % TILE_HEIGHT);
        let place = index.checked_mul(run).and_then(|first| {
            let row = u8::try_from(level / TILE_HEIGHT).ok()?;
            let tile = Tile::of(Rows::Hashes(row), first / TILE_WIDTH, self.size)?;
            let start = usize::try_from(first % TILE_WIDTH).ok()?;
            Some((tile, start, start + usize::try_from(run).ok()?))
        });
        let Some((tile, start, end)) = place else {
            return Err(missing);
        };
        self.hashes(tile, |hashes| hashes.get(start..end).map(complete))?
            .ok_or(missing)
    }
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileWrite {
    /// Where.
    pub tile: Tile,
    /// What.
    pub bytes: Vec<u8>,
}

/// The files that change when `entry` is added to a ledger of `size` entries:
/// its bundle, and a tile for each level that grows. None of them has the path of
/// a file that the ledger of `size` entries needs.
pub fn append<R: TileReader>(
    reader: &R,
    size: u64,
    entry: &[u8],
) -> Result<Vec<TileWrite>, AppendError<R::Error>> {
    let length = u16::try_from(entry.len()).map_err(|_| AppendError::TooLong(entry.len()))?;
    let grown = size.checked_add(1).ok_or(AppendError::Full)?;
    let mut writes = Vec::new();

    let mut bundle = previous(reader, Rows::Entries, size, size)?;
    bundle.extend(length.to_be_bytes());
    bundle.extend(entry);
    let last = Tile::of(Rows::Entries, size / TILE_WIDTH, grown).ok_or(AppendError::Full)?;
    writes.push(TileWrite {
        tile: last,
        bytes: bundle,
    });

    let mut hash = Hash::leaf(entry);
    for row in 0..8_u8 {
        let place = size >> (u32::from(row) * TILE_HEIGHT);
        let mut bytes = previous(reader, Rows::Hashes(row), place, size)?;
        bytes.extend(hash.as_bytes());
        let tile =
            Tile::of(Rows::Hashes(row), place / TILE_WIDTH, grown).ok_or(AppendError::Full)?;
        let hashes =
            decode_hashes(tile, &bytes).map_err(|reason| TileError::Damaged { tile, reason })?;
        writes.push(TileWrite { tile, bytes });
        // A tile that has become full is one hash of the row above.
        if !tile.is_full() {
            break;
        }
        hash = complete(&hashes);
    }
    Ok(writes)
}

/// What the tile that will take the hash at `place` of its row holds so far.
fn previous<R: TileReader>(
    reader: &R,
    rows: Rows,
    place: u64,
    size: u64,
) -> Result<Vec<u8>, TileError<R::Error>> {
    if place.is_multiple_of(TILE_WIDTH) {
        return Ok(Vec::new());
    }
    let Some(tile) = Tile::of(rows, place / TILE_WIDTH, size) else {
        return Ok(Vec::new());
    };
    let bytes = reader
        .read(tile)
        .map_err(|source| TileError::Read { tile, source })?;
    match rows {
        Rows::Hashes(_) => decode_hashes(tile, &bytes).map(|_| ()),
        Rows::Entries => decode_entries(tile, &bytes).map(|_| ()),
    }
    .map_err(|reason| TileError::Damaged { tile, reason })?;
    Ok(bytes)
}

/// Why an entry could not be added.
#[derive(Debug, thiserror::Error)]
pub enum AppendError<E> {
    /// The entry is longer than a bundle can say.
    #[error("an entry of {0} bytes is too long: {LONGEST_ENTRY} is the most")]
    TooLong(usize),
    /// The tree cannot grow.
    #[error("the ledger is full")]
    Full,
    /// A tile that is needed could not be had.
    #[error(transparent)]
    Tile(#[from] TileError<E>),
}

/// Every entry of the ledger of `size` entries, in order.
pub fn entries<R: TileReader>(reader: &R, size: u64) -> Result<Vec<Vec<u8>>, TileError<R::Error>> {
    let mut all = Vec::new();
    let mut index = 0;
    while let Some(tile) = Tile::of(Rows::Entries, index, size) {
        let bytes = reader
            .read(tile)
            .map_err(|source| TileError::Read { tile, source })?;
        let bundle =
            decode_entries(tile, &bytes).map_err(|reason| TileError::Damaged { tile, reason })?;
        all.extend(bundle.into_iter().map(<[u8]>::to_vec));
        index += 1;
    }
    Ok(all)
}

/// Checks that the tiles of the ledger of `size` entries hold exactly the hashes
/// that `leaves` call for.
pub fn check_hashes<R: TileReader>(reader: &R, leaves: &[Hash]) -> Result<(), TileError<R::Error>> {
    let size = leaves.len() as u64;
    let mut row_hashes = leaves.to_vec();
    for row in 0..8_u8 {
        for (index, expected) in (0..).zip(row_hashes.chunks(256)) {
            let Some(tile) = Tile::of(Rows::Hashes(row), index, size) else {
                continue;
            };
            let bytes = reader
                .read(tile)
                .map_err(|source| TileError::Read { tile, source })?;
            let found = decode_hashes(tile, &bytes)
                .map_err(|reason| TileError::Damaged { tile, reason })?;
            if found != expected {
                return Err(TileError::Damaged {
                    tile,
                    reason: "its hashes are not those of the entries",
                });
            }
        }
        row_hashes = row_hashes.chunks_exact(256).map(complete).collect();
    }
    Ok(())
}

/// The hashes of a tile. The error says why the bytes are not the tile's.
pub fn decode_hashes(tile: Tile, bytes: &[u8]) -> Result<Vec<Hash>, &'static str> {
    if bytes.len() != usize::from(tile.width) * Hash::LEN {
        return Err("its length is not that of its hashes");
    }
    Ok(bytes
        .chunks_exact(Hash::LEN)
        .filter_map(Hash::from_slice)
        .collect())
}

/// The entries of a bundle. The error says why the bytes are not the bundle's.
pub fn decode_entries(tile: Tile, bytes: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    let mut entries = Vec::with_capacity(usize::from(tile.width));
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after
            .split_at_checked(length)
            .ok_or("its last entry is cut short")?;
        entries.push(entry);
        rest = after;
    }
    if !rest.is_empty() || entries.len() != usize::from(tile.width) {
        return Err("it does not have as many entries as its name says");
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
