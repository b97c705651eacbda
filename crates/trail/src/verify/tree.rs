//! The tree, computed from the leaves and held against the tiles that are there.

use super::report::{ProblemKind, Report};
use crate::journal::Tiles;
use pgattest_ledger::tile::{
    Edge, Rows, Tile, TileNodes, TileReader as _, TileWrite, decode_hashes,
};
use pgattest_ledger::{Hash, tree};
use std::collections::BTreeMap;

/// Takes the leaves, a bundle at a time.
pub(super) struct TreeCheck<'t> {
    tiles: &'t Tiles,
    size: u64,
    /// The tree so far; `None` once a bundle could not be read, because nothing is known of what lies above it.
    edge: Option<Edge>,
    /// Of each row, the last tile that was not full when it was last added to.
    partial: BTreeMap<Rows, TileWrite>,
}

impl<'t> TreeCheck<'t> {
    pub(super) fn new(tiles: &'t Tiles, size: u64) -> Self {
        Self {
            tiles,
            size,
            edge: Some(Edge::empty()),
            partial: BTreeMap::new(),
        }
    }

    /// The leaves of one bundle; `None`: it cannot be read.
    pub(super) fn bundle(&mut self, index: u64, leaves: Option<&[Vec<u8>]>, report: &mut Report) {
        self.check_first_row(index, leaves, report);
        let Some(edge) = &mut self.edge else { return };
        let added =
            leaves.is_some_and(|leaves| leaves.iter().all(|leaf| edge.append(leaf).is_ok()));
        if !added {
            self.edge = None;
            return;
        }
        for write in edge.take_writes() {
            match write.tile.rows {
                // Looked at above, leaf by leaf.
                Rows::Entries | Rows::Hashes(0) => {}
                _ if write.tile.is_full() => self.check_tile(write.tile, &write.bytes, report),
                rows @ Rows::Hashes(_) => {
                    self.partial.insert(rows, write);
                }
            }
        }
    }

    /// Both roots: that of the leaves, and that of the tiles alone.
    pub(super) fn finish(self, root: Hash, report: &mut Report) {
        match &self.edge {
            None => report.add(
                ProblemKind::Tree,
                "tile/entries",
                "the root cannot be computed from the leaves, because not all of them can be read",
            ),
            Some(edge) if edge.root() != root => report.add(
                ProblemKind::Tree,
                "tile/entries",
                "the leaves do not have the root in the checkpoint",
            ),
            Some(_) => {
                for write in self.partial.values() {
                    // A full tile may have come after it.
                    if Tile::of(write.tile.rows, write.tile.index, self.size) == Some(write.tile) {
                        self.check_tile(write.tile, &write.bytes, report);
                    }
                }
            }
        }
        let nodes = TileNodes::new(self.tiles, self.size);
        match tree::root(&nodes, self.size) {
            Ok(found) if found == root => {}
            Ok(_) => report.add(
                ProblemKind::Tree,
                "tile",
                "the tiles do not have the root in the checkpoint",
            ),
            Err(error) => report.add(
                ProblemKind::Tree,
                "tile",
                format!("the root cannot be computed from the tiles: {error}"),
            ),
        }
    }

    fn check_first_row(&self, index: u64, leaves: Option<&[Vec<u8>]>, report: &mut Report) {
        let Some(tile) = Tile::of(Rows::Hashes(0), index, self.size) else {
            return;
        };
        let hashes = match self.tiles.read(tile) {
            Err(error) => {
                return report.add(
                    ProblemKind::Tree,
                    tile.path(),
                    format!("it cannot be read: {error}"),
                );
            }
            Ok(bytes) => match decode_hashes(tile, &bytes) {
                Err(reason) => return report.add(ProblemKind::Tree, tile.path(), reason),
                Ok(hashes) => hashes,
            },
        };
        let Some(leaves) = leaves else { return };
        for (number, (leaf, hash)) in leaves.iter().zip(&hashes).enumerate() {
            if Hash::leaf(leaf) != *hash {
                let leaf = index * 256 + number as u64;
                report.add(
                    ProblemKind::Tree,
                    tile.path(),
                    format!("leaf {leaf} does not have the hash that the tile has for it: the leaf or the tile was changed"),
                );
            }
        }
    }

    fn check_tile(&self, tile: Tile, expected: &[u8], report: &mut Report) {
        match self.tiles.read(tile) {
            Err(error) => {
                report.add(
                    ProblemKind::Tree,
                    tile.path(),
                    format!("it cannot be read: {error}"),
                );
            }
            Ok(bytes) if bytes != expected => report.add(
                ProblemKind::Tree,
                tile.path(),
                "its hashes are not those of the leaves below it",
            ),
            Ok(_) => {}
        }
    }
}
