use std::io::Cursor;

use proptest::prelude::*;

use super::{BuildError, build, peek, read};

const LIMIT: u64 = 1 << 20;

fn files() -> Vec<(&'static str, &'static [u8])> {
    vec![
        ("README.txt", b"read me"),
        ("a/b.csv", b"x,y\n1,2\n"),
        ("empty", b""),
    ]
}

fn problems(bytes: &[u8]) -> Vec<String> {
    read(bytes)
        .problems
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[track_caller]
fn damaged(bytes: &[u8], words: &str) {
    let problems = problems(bytes);
    assert!(
        problems.iter().any(|problem| problem.contains(words)),
        "{words:?} is not in {problems:?}"
    );
}

#[test]
fn what_is_built_is_read() {
    let bytes = build(&files(), LIMIT).unwrap();
    let contents = read(&bytes);
    assert_eq!(problems(&bytes), Vec::<String>::new());
    let found: Vec<(&str, &[u8])> = contents
        .files
        .iter()
        .map(|(name, range)| (name.as_str(), &bytes[range.clone()]))
        .collect();
    assert_eq!(found, files());
}

#[test]
fn the_order_of_the_input_does_not_matter() {
    let mut reversed = files();
    reversed.reverse();
    assert_eq!(build(&reversed, LIMIT), build(&files(), LIMIT));
}

#[test]
fn every_changed_byte_is_seen() {
    let bytes = build(&files(), LIMIT).unwrap();
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            assert_ne!(problems(&changed), Vec::<String>::new(), "{place}.{bit}");
        }
    }
}

#[test]
fn every_way_of_cutting_or_adding_is_seen() {
    let bytes = build(&files(), LIMIT).unwrap();
    for end in 0..bytes.len() {
        assert_ne!(
            problems(&bytes[..end]),
            Vec::<String>::new(),
            "cut at {end}"
        );
    }
    damaged(&[b"MZ".as_slice(), &bytes].concat(), "does not start with");
    damaged(
        &[bytes.as_slice(), b"\0"].concat(),
        "1 bytes follow the end",
    );
    damaged(&bytes[..bytes.len() - 1], "cut short");
    damaged(b"", "does not start with");
}

#[test]
fn a_problem_names_its_file_or_its_place() {
    let bytes = build(&files(), LIMIT).unwrap();
    let flip = |at: usize| {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        changed
    };
    let at = |needle: &[u8]| {
        bytes
            .windows(needle.len())
            .position(|window| window == needle)
            .unwrap()
    };
    damaged(
        &flip(at(b"x,y")),
        "a/b.csv: its bytes do not have the CRC-32",
    );
    damaged(
        &flip(10),
        "README.txt: byte 10 of the zip file, in its header",
    );
    damaged(&flip(bytes.len() - 1), "in the end record");
    let central = at(b"PK\x01\x02");
    damaged(&flip(central + 5), "README.txt: byte");
}

/// A local header with one field changed, in an archive that is right otherwise.
fn patched(offset: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = build(&[("bomb", b"0123456789")], LIMIT).unwrap();
    bytes[offset..offset + value.len()].copy_from_slice(value);
    bytes
}

#[test]
fn compressed_and_encrypted_files_are_refused_by_name() {
    damaged(&patched(8, &[8, 0]), "bomb: it is compressed");
    damaged(&patched(8, &[93, 0]), "bomb: it is compressed");
    damaged(&patched(6, &[1, 0]), "bomb: it is encrypted");
}

#[test]
fn a_size_that_the_file_does_not_have_is_refused() {
    damaged(&patched(22, &[255; 4]), "bomb: the zip file ends at byte");
    damaged(&patched(18, &[255; 4]), "in its header");
}

/// Puts files one after the other as the format says, whatever their names are.
fn unchecked(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut records = Vec::new();
    for (name, data) in files {
        let record = super::Record {
            name,
            crc: crc32fast::hash(data),
            size: u32::try_from(data.len()).unwrap(),
            offset: u32::try_from(bytes.len()).unwrap(),
        };
        bytes.extend(record.local_header());
        bytes.extend(*data);
        records.push(record);
    }
    let directory = super::directory(&records, bytes.len()).unwrap();
    bytes.extend(directory);
    bytes
}

#[test]
fn names_that_leave_the_package_are_refused_both_ways() {
    for name in ["../etc/passwd", "/etc/passwd", "a\\b", "a/./b", "a//b", ""] {
        let files: [(&str, &[u8]); 1] = [(name, b"x")];
        assert!(
            matches!(build(&files, LIMIT), Err(BuildError::Path { .. })),
            "{name}"
        );
        damaged(&unchecked(&files), "its name is not allowed");
    }
}

#[test]
fn a_second_file_of_a_name_is_refused_both_ways() {
    for (left, right) in [("a", "a"), ("A", "a"), ("a", "a/b"), ("a/b", "A/B")] {
        let mut files: [(&str, &[u8]); 2] = [(left, b"x"), (right, b"y")];
        files.sort_unstable();
        assert!(
            matches!(build(&files, LIMIT), Err(BuildError::Twice(_))),
            "{left} {right}"
        );
        damaged(&unchecked(&files), "out of order, or there is a second");
    }
    damaged(&unchecked(&[("b", b""), ("a", b"")]), "out of order");
}

#[test]
fn a_package_has_a_largest_size() {
    assert_eq!(
        build(&[("a", &[0; 100])], 199),
        Err(BuildError::TooLarge { limit: 199 })
    );
}

#[test]
fn one_file_can_be_looked_at() {
    let bytes = build(&files(), LIMIT).unwrap();
    let look = |name| peek(&mut Cursor::new(&bytes), name, 5).unwrap();
    assert_eq!(look("a/b.csv").as_deref(), Some(b"x,y\n1".as_slice()));
    assert_eq!(look("none"), None);
    assert_eq!(peek(&mut Cursor::new(b"no zip"), "a", 5).unwrap(), None);
}

proptest! {
    #[test]
    fn any_bytes_are_answered(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(!problems(&bytes).is_empty());
        bytes.splice(..0, *b"PK\x03\x04");
        prop_assert!(!problems(&bytes).is_empty());
    }
}
