use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{
    AppendError, LONGEST_ENTRY, Rows, Tile, TileError, TileNodes, TileReader, append, check_hashes,
    entries,
};
use crate::hash::Hash;
use crate::tree::{MemoryNodes, prove_consistency, prove_inclusion, root};

/// A ledger's directory in memory, as a map from path to bytes.
#[derive(Default)]
struct Files(RefCell<BTreeMap<String, Vec<u8>>>);

#[derive(Debug, PartialEq)]
struct NotFound;

impl TileReader for Files {
    type Error = NotFound;

    fn read(&self, tile: Tile) -> Result<Vec<u8>, NotFound> {
        self.0.borrow().get(&tile.path()).cloned().ok_or(NotFound)
    }
}

fn entry(number: u64) -> Vec<u8> {
    format!("entry {number}").into_bytes()
}

fn grow(files: &Files, from: u64, to: u64) {
    for size in from..to {
        for write in append(files, size, &entry(size)).unwrap() {
            let old = files.0.borrow_mut().insert(write.tile.path(), write.bytes);
            assert_eq!(old, None, "{} was written twice", write.tile.path());
        }
    }
}

#[test]
fn paths_are_those_of_the_specification() {
    let path = |rows, index, width| Tile { rows, index, width }.path();
    assert_eq!(path(Rows::Hashes(0), 0, 256), "tile/0/000");
    assert_eq!(path(Rows::Hashes(1), 5, 12), "tile/1/005.p/12");
    assert_eq!(
        path(Rows::Entries, 1_234_067, 256),
        "tile/entries/x001/x234/067"
    );
    assert_eq!(
        path(Rows::Entries, 1_000_000, 1),
        "tile/entries/x001/x000/000.p/1"
    );
}

#[test]
fn a_tile_has_the_width_that_the_tree_gives_it() {
    let width = |row, index, size| Tile::of(Rows::Hashes(row), index, size).map(|t| t.width);
    // The specification's example: a tree of 70,000.
    assert_eq!(width(0, 272, 70_000), Some(256));
    assert_eq!(width(0, 273, 70_000), Some(112));
    assert_eq!(width(0, 274, 70_000), None);
    assert_eq!(width(1, 0, 70_000), Some(256));
    assert_eq!(width(1, 1, 70_000), Some(17));
    assert_eq!(width(2, 0, 70_000), Some(1));
    assert_eq!(width(3, 0, 70_000), None);
    assert_eq!(width(7, u64::MAX, u64::MAX), None);
    assert_eq!(width(255, 0, u64::MAX), None);
}

#[test]
fn a_tree_read_from_tiles_is_the_tree_in_memory() {
    let files = Files::default();
    let mut size = 0;
    for next in [1, 2, 3, 255, 256, 257, 511, 512, 700] {
        grow(&files, size, next);
        size = next;
        let leaves: Vec<Hash> = (0..size).map(|n| Hash::leaf(&entry(n))).collect();
        check_hashes(&files, &leaves).unwrap();
        let memory = MemoryNodes::new(leaves);
        let tiles = TileNodes::new(&files, size);
        assert_eq!(root(&tiles, size).unwrap(), root(&memory, size).unwrap());
        for index in (0..size).step_by(37) {
            assert_eq!(
                prove_inclusion(&tiles, index, size).unwrap(),
                prove_inclusion(&memory, index, size).unwrap()
            );
            assert_eq!(
                prove_consistency(&tiles, index + 1, size).unwrap(),
                prove_consistency(&memory, index + 1, size).unwrap()
            );
        }
        let expected: Vec<Vec<u8>> = (0..size).map(entry).collect();
        assert_eq!(entries(&files, size).unwrap(), expected);
    }
}

#[test]
fn a_third_row_of_tiles_appears_after_65536_entries() {
    // The rows below are made directly; appending 65,536 times adds nothing.
    let files = Files::default();
    let leaves: Vec<Hash> = (0..65_535).map(|n| Hash::leaf(&entry(n))).collect();
    let last: Vec<u8> = leaves[65_280..]
        .iter()
        .flat_map(|h| *h.as_bytes())
        .collect();
    let row: Vec<u8> = leaves
        .chunks_exact(256)
        .flat_map(|chunk| *crate::tree::complete(chunk).as_bytes())
        .collect();
    let mut bundle = Vec::new();
    for number in 65_280..65_535 {
        bundle.extend(u16::try_from(entry(number).len()).unwrap().to_be_bytes());
        bundle.extend(entry(number));
    }
    files.0.borrow_mut().extend([
        ("tile/0/255.p/255".to_owned(), last),
        ("tile/1/000.p/255".to_owned(), row),
        ("tile/entries/255.p/255".to_owned(), bundle),
    ]);
    let writes = append(&files, 65_535, &entry(65_535)).unwrap();
    let paths: Vec<String> = writes.iter().map(|write| write.tile.path()).collect();
    assert_eq!(
        paths,
        [
            "tile/entries/255",
            "tile/0/255",
            "tile/1/000",
            "tile/2/000.p/1"
        ]
    );
    let mut leaves = leaves;
    leaves.push(Hash::leaf(&entry(65_535)));
    assert_eq!(writes[3].bytes, crate::tree::complete(&leaves).as_bytes());
}

#[test]
fn a_damaged_or_missing_tile_is_named() {
    let files = Files::default();
    grow(&files, 0, 5);
    let set = |path: &str, bytes: Option<Vec<u8>>| {
        let mut map = files.0.borrow_mut();
        match bytes {
            Some(bytes) => map.insert(path.to_owned(), bytes),
            None => map.remove(path),
        };
    };
    let good = files.0.borrow()["tile/0/000.p/5"].clone();

    set("tile/0/000.p/5", Some(good[1..].to_vec()));
    let error = root(&TileNodes::new(&files, 5), 5).unwrap_err();
    assert!(
        error.to_string().starts_with("tile/0/000.p/5 is damaged"),
        "{error}"
    );
    assert!(append(&files, 5, b"x").is_err());

    set("tile/0/000.p/5", None);
    let error = root(&TileNodes::new(&files, 5), 5).unwrap_err();
    assert!(matches!(
        error,
        TileError::Read {
            source: NotFound,
            ..
        }
    ));

    let mut changed = good;
    changed[0] ^= 1;
    set("tile/0/000.p/5", Some(changed));
    let leaves: Vec<Hash> = (0..5).map(|n| Hash::leaf(&entry(n))).collect();
    assert!(matches!(
        check_hashes(&files, &leaves),
        Err(TileError::Damaged { .. })
    ));

    for bundle in [
        vec![],
        vec![0],
        vec![0, 9, 1],
        [0, 1, b'x'].repeat(4),
        [0, 1, b'x'].repeat(6),
    ] {
        set("tile/entries/000.p/5", Some(bundle));
        assert!(matches!(entries(&files, 5), Err(TileError::Damaged { .. })));
        assert!(append(&files, 5, b"x").is_err());
    }
}

#[test]
fn an_entry_has_a_longest_length() {
    let files = Files::default();
    assert!(append(&files, 0, &vec![b'x'; LONGEST_ENTRY]).is_ok());
    assert!(matches!(
        append(&files, 0, &vec![b'x'; LONGEST_ENTRY + 1]),
        Err(AppendError::TooLong(65_536))
    ));
}

#[test]
fn a_subtree_outside_of_the_tree_is_refused() {
    let files = Files::default();
    grow(&files, 0, 5);
    let nodes = TileNodes::new(&files, 5);
    for (level, index) in [
        (0, 5),
        (1, 2),
        (3, 0),
        (8, 0),
        (63, 0),
        (64, 1),
        (u32::MAX, 1),
    ] {
        assert!(
            matches!(
                crate::tree::Nodes::node(&nodes, level, index),
                Err(TileError::OutOfRange { .. })
            ),
            "{level} {index}"
        );
    }
}
