//! The right edge of a growing tree, in memory: many entries are added, each file is written once.

use std::convert::Infallible;

use super::{
    AppendError, LONGEST_ENTRY, Rows, TILE_HEIGHT, TILE_WIDTH, Tile, TileError, TileReader,
    TileWrite, decode_entries, decode_hashes,
};
use crate::hash::Hash;
use crate::tree::{complete, empty_root};

/// Rows of tiles that a tree of 2^64 entries has.
const ROWS: u8 = 8;

/// What is needed to add to a tree and to know its root: the last, unfilled tile of every row. Its size does not depend on the
/// tree's.
///
/// Adding to it changes no file. [`Self::take_writes`] gives the files that differ since it was last called, each once: of `n`
/// entries added, about `n / 256` full tiles a row and one partial tile a row.
pub struct Edge {
    size: u64,
    written: u64,
    bundle: Vec<u8>,
    rows: Vec<Vec<Hash>>,
    full: Vec<TileWrite>,
}

impl Edge {
    /// The edge of the empty tree.
    pub fn empty() -> Self {
        Self {
            size: 0,
            written: 0,
            bundle: Vec::new(),
            rows: vec![Vec::new(); usize::from(ROWS)],
            full: Vec::new(),
        }
    }

    /// Reads the edge of the tree of `size` entries: at most nine files. That the last entries have the hashes of the last tile is
    /// checked; that the edge has the checkpoint's root is for the caller to check, with [`Self::root`].
    pub fn load<R: TileReader>(reader: &R, size: u64) -> Result<Self, TileError<R::Error>> {
        let mut edge = Self {
            size,
            written: size,
            ..Self::empty()
        };
        for (row, hashes) in (0..ROWS).zip(&mut edge.rows) {
            let Some(TileWrite { tile, bytes }) = last(reader, Rows::Hashes(row), size)? else {
                continue;
            };
            *hashes = decode_hashes(tile, &bytes)
                .map_err(|reason| TileError::Damaged { tile, reason })?;
        }
        if let Some(TileWrite { tile, bytes }) = last(reader, Rows::Entries, size)? {
            let damaged = |reason| TileError::Damaged { tile, reason };
            let entries = decode_entries(tile, &bytes).map_err(damaged)?;
            let hashes = entries.into_iter().map(Hash::leaf);
            if !edge
                .rows
                .first()
                .is_some_and(|row| row.iter().copied().eq(hashes))
            {
                return Err(damaged("its entries do not have the hashes of the tile"));
            }
            edge.bundle = bytes;
        }
        Ok(edge)
    }

    /// How many entries the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree, what was added included.
    pub fn root(&self) -> Hash {
        // The complete subtrees that make up the tree, the smallest first.
        let mut root = None;
        for hashes in &self.rows {
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                let smallest = 1 << rest.len().trailing_zeros();
                let (before, subtree) = rest.split_at(rest.len() - smallest);
                let hash = complete(subtree);
                root = Some(root.map_or(hash, |right| Hash::node(hash, right)));
                rest = before;
            }
        }
        root.unwrap_or_else(empty_root)
    }

    /// Adds an entry.
    pub fn append(&mut self, entry: &[u8]) -> Result<(), AppendError<Infallible>> {
        let length = u16::try_from(entry.len()).map_err(|_| AppendError::TooLong(entry.len()))?;
        debug_assert!(entry.len() <= LONGEST_ENTRY);
        let grown = self.size.checked_add(1).ok_or(AppendError::Full)?;
        self.bundle.extend(length.to_be_bytes());
        self.bundle.extend(entry);
        if grown.is_multiple_of(TILE_WIDTH) {
            let bytes = std::mem::take(&mut self.bundle);
            self.fill(Rows::Entries, grown, bytes)?;
        }
        let mut hash = Hash::leaf(entry);
        for row in 0..ROWS {
            let Some(hashes) = self.rows.get_mut(usize::from(row)) else {
                break;
            };
            hashes.push(hash);
            if (hashes.len() as u64) < TILE_WIDTH {
                break;
            }
            let full = std::mem::take(hashes);
            hash = complete(&full);
            self.fill(Rows::Hashes(row), grown, concatenated(&full))?;
        }
        self.size = grown;
        Ok(())
    }

    /// The files that are to be written, full tiles first: what was added since this was last called. None of them has the path of
    /// a file that the tree had then.
    pub fn take_writes(&mut self) -> Vec<TileWrite> {
        let mut writes = std::mem::take(&mut self.full);
        if self.written == self.size {
            return writes;
        }
        let mut partial = |rows, place: u64, bytes: Vec<u8>| {
            let tile = Tile::of(rows, place / TILE_WIDTH, self.size);
            writes.extend(
                tile.filter(|tile| !tile.is_full())
                    .map(|tile| TileWrite { tile, bytes }),
            );
        };
        partial(Rows::Entries, self.size, self.bundle.clone());
        for (row, hashes) in (0..ROWS).zip(&self.rows) {
            let place = self.size >> (u32::from(row) * TILE_HEIGHT);
            if place != self.written >> (u32::from(row) * TILE_HEIGHT) {
                partial(Rows::Hashes(row), place, concatenated(hashes));
            }
        }
        self.written = self.size;
        writes
    }

    fn fill(
        &mut self,
        rows: Rows,
        grown: u64,
        bytes: Vec<u8>,
    ) -> Result<(), AppendError<Infallible>> {
        let level = match rows {
            Rows::Hashes(level) => u32::from(level),
            Rows::Entries => 0,
        };
        let last = (grown >> (level * TILE_HEIGHT)).saturating_sub(1);
        let tile = Tile::of(rows, last / TILE_WIDTH, grown).ok_or(AppendError::Full)?;
        self.full.push(TileWrite { tile, bytes });
        Ok(())
    }
}

/// The last tile of a row with its bytes, unless it is full or there is none.
fn last<R: TileReader>(
    reader: &R,
    rows: Rows,
    size: u64,
) -> Result<Option<TileWrite>, TileError<R::Error>> {
    let level = match rows {
        Rows::Hashes(level) => u32::from(level),
        Rows::Entries => 0,
    };
    let total = size >> (level * TILE_HEIGHT);
    let tile = Tile::of(rows, total / TILE_WIDTH, size).filter(|tile| !tile.is_full());
    let Some(tile) = tile else { return Ok(None) };
    match reader.read(tile) {
        Ok(bytes) => Ok(Some(TileWrite { tile, bytes })),
        Err(source) => Err(TileError::Read { tile, source }),
    }
}

fn concatenated(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Edge;
    use crate::hash::Hash;
    use crate::tile::{self, Tile, TileReader};
    use crate::tree::{MemoryNodes, root};

    #[derive(Default)]
    struct Files(BTreeMap<Tile, Vec<u8>>);

    impl TileReader for Files {
        type Error = ();

        fn read(&self, tile: Tile) -> Result<Vec<u8>, ()> {
            self.0.get(&tile).cloned().ok_or(())
        }
    }

    impl Files {
        fn write(&mut self, edge: &mut Edge) -> usize {
            let writes = edge.take_writes();
            let count = writes.len();
            for write in writes {
                let before = self.0.insert(write.tile, write.bytes);
                assert_eq!(before, None, "{} was written over", write.tile.path());
            }
            count
        }
    }

    #[test]
    fn batches_give_the_tiles_and_the_roots_of_single_steps() {
        let entry = |number: u64| format!("entry {number}").into_bytes();
        let (mut single, mut batched) = (Files::default(), Files::default());
        let mut edge = Edge::empty();
        let mut leaves = Vec::new();
        for (number, batch) in [1, 2, 252, 1, 1, 300, 513, 1, 65_000, 1]
            .into_iter()
            .enumerate()
        {
            let before = edge.size();
            for _ in 0..batch {
                let size = edge.size();
                edge.append(&entry(size)).unwrap();
                leaves.push(Hash::leaf(&entry(size)));
                for write in tile::append(&single, size, &entry(size)).unwrap() {
                    single.0.insert(write.tile, write.bytes);
                }
                // Of partial tiles only the last is looked at again.
                if single.0.len() > 4096 {
                    single.0.retain(|tile, _| {
                        tile.is_full() || Tile::of(tile.rows, tile.index, size + 1) == Some(*tile)
                    });
                }
            }
            let count = batched.write(&mut edge);
            let most = 5 + 2 * usize::try_from(edge.size() / 256 - before / 256).unwrap() + 1;
            assert!(
                count <= most,
                "batch {number}: {count} files, {most} are enough"
            );
            let nodes = MemoryNodes::new(leaves.clone());
            assert_eq!(edge.root(), root(&nodes, edge.size()).unwrap());
            tile::check_hashes(&batched, &leaves).unwrap();
            assert_eq!(
                tile::entries(&batched, edge.size()).unwrap(),
                tile::entries(&single, edge.size()).unwrap()
            );
            let loaded = Edge::load(&batched, edge.size()).unwrap();
            assert_eq!((loaded.size(), loaded.root()), (edge.size(), edge.root()));
        }
    }

    #[test]
    fn an_edge_whose_entries_were_changed_is_not_loaded() {
        let mut files = Files::default();
        let mut edge = Edge::empty();
        edge.append(b"one").unwrap();
        files.write(&mut edge);
        let bundle = files.0.keys().next_back().copied().unwrap();
        files.0.get_mut(&bundle).unwrap()[2] ^= 1;
        assert!(Edge::load(&files, 1).is_err());
    }

    #[test]
    fn an_entry_that_no_bundle_can_hold_is_refused_and_changes_nothing() {
        let mut edge = Edge::empty();
        assert!(edge.append(&vec![0; 65_536]).is_err());
        assert_eq!((edge.size(), edge.take_writes().len()), (0, 0));
        edge.append(&vec![0; 65_535]).unwrap();
        assert_eq!(edge.size(), 1);
    }
}
