//! What journal and archive hold, held against the log files by this test, by Python and by `DuckDB`.

use super::scene::log_dir;
use crate::support::{Desk, archive_python, python};
use pgattest_testkit::Cluster;
use pgattest_trail::{Block, JournalReader, Leaf, PieceKind};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// What a journal holds.
#[derive(Default)]
pub(super) struct Sealed {
    pub(super) files: BTreeMap<PathBuf, Held>,
    /// The gaps' reasons.
    pub(super) gaps: Vec<String>,
    /// Pieces of all files.
    pub(super) pieces: u64,
}

/// What it holds of a file.
#[derive(Default)]
pub(super) struct Held {
    /// Bytes that its blocks cover, from its beginning on.
    pub(super) length: u64,
    /// Records that are whole.
    pub(super) records: u64,
    pub(super) torn: u64,
}

/// Reads the journal, and asserts that numbers have no holes, and that blocks neither overlap nor leave anything out. `look` gets each
/// block, with its file's name.
#[track_caller]
pub(super) fn sealed(desk: &Desk, mut look: impl FnMut(&Path, &Block)) -> Sealed {
    let reader = JournalReader::open(&desk.path("journal")).unwrap();
    let (mut sealed, mut next_record, mut next_block) = (Sealed::default(), 0, 0);
    for leaf in reader.leaves(0) {
        match leaf.unwrap().1 {
            Leaf::Block(leaf) => {
                assert_eq!((leaf.block, leaf.first_record), (next_block, next_record));
                next_block += 1;
                next_record = leaf.next_record();
                let block = reader.block(&leaf).unwrap();
                let path = PathBuf::from(&leaf.file.name);
                look(&path, &block);
                let held = sealed.files.entry(path.clone()).or_default();
                assert_eq!(leaf.offset, held.length, "{}", path.display());
                held.length += block.source_length;
                held.records += u64::from(leaf.records - leaf.torn);
                held.torn += u64::from(leaf.torn);
            }
            Leaf::Gap { file, reason, .. } => {
                // What comes under this name from here on is another file, or does not follow on what was read.
                let path = file.map(|file| PathBuf::from(file.name));
                if let Some((path, held)) = path.and_then(|path| sealed.files.remove_entry(&path)) {
                    sealed
                        .files
                        .insert(PathBuf::from(format!("{}.gone", path.display())), held);
                }
                sealed.gaps.push(reason);
            }
            _ => {}
        }
    }
    assert_eq!(reader.next_record().unwrap(), next_record);
    sealed.pieces = next_record;
    sealed
}

/// The journal's blocks are the log files, byte for byte, and there is no gap. Gives what is sealed, and the files that were logged.
#[track_caller]
pub(super) fn assert_bytes_are_the_log(desk: &Desk, cluster: &Cluster) -> (Sealed, Vec<PathBuf>) {
    let mut open: Option<(PathBuf, File)> = None;
    let mut cut = 0;
    let sealed = sealed(desk, |path, block| {
        let file = match &open {
            Some((of, file)) if of == path => file,
            _ => &open.insert((path.to_owned(), File::open(path).unwrap())).1,
        };
        let mut logged = vec![0; usize::try_from(block.source_length).unwrap()];
        file.read_exact_at(&mut logged, block.offset)
            .unwrap_or_else(|error| panic!("{} at {}: {error}", path.display(), block.offset));
        cut += compared(block, &logged)
            .unwrap_or_else(|error| panic!("{} at {}: {error}", path.display(), block.offset));
    });
    assert_eq!(sealed.gaps, Vec::<String>::new());
    let (mut files, mut total) = (Vec::new(), 0);
    for entry in fs::read_dir(log_dir(cluster)).unwrap() {
        let path = entry.unwrap().path();
        let length = fs::metadata(&path).unwrap().len();
        if path.extension().is_none_or(|ending| ending != "csv") || length == 0 {
            continue;
        }
        let held = sealed.files.get(&path).map(|held| held.length);
        assert_eq!(held, Some(length), "{}: bytes sealed", path.display());
        files.push(path);
        total += length;
    }
    println!(
        "{} files, {total} bytes; of {cut} the redactor kept not all: torn, and quoted",
        files.len()
    );
    assert!(total > 0, "nothing was logged");
    files.sort();
    (sealed, files)
}

/// Holds a block against the bytes that were logged. The load has no secrets: only of pieces that are no records may something be
/// taken out. Gives how many bytes of the log lie between the first and the last such piece.
fn compared(block: &Block, logged: &[u8]) -> Result<usize, String> {
    let (mut front, mut at, mut back) = (None, 0, 0);
    for (piece, bytes) in block.iter() {
        if piece.original.is_some() {
            if piece.kind == PieceKind::Record {
                return Err(format!(
                    "redacted: {}",
                    String::from_utf8_lossy(&bytes[..bytes.len().min(300)])
                ));
            }
            front.get_or_insert(at);
            back = at + bytes.len();
        }
        at += bytes.len();
    }
    let (bytes, front) = (&block.bytes, front.unwrap_or(at));
    let behind = if front == at { 0 } else { at - back };
    if front + behind > logged.len() {
        return Err("more than was logged".to_owned());
    }
    let same = bytes[..front] == logged[..front]
        && bytes[at - behind..] == logged[logged.len() - behind..]
        && (front < at || at == logged.len());
    if !same {
        let alike = bytes.iter().zip(logged).take_while(|(a, b)| a == b);
        return Err(format!("differs at byte {} of the block", alike.count()));
    }
    Ok(logged.len() - front - behind)
}

/// The journal's pieces are the log files, byte for byte, and its records are as many as Python's `csv` finds in each.
#[track_caller]
pub(super) fn assert_journal_is_the_log(desk: &Desk, cluster: &Cluster) -> Vec<PathBuf> {
    let (sealed, files) = assert_bytes_are_the_log(desk, cluster);
    let mut records = 0;
    for path in &files {
        let counted = count_with_python(path);
        assert_eq!(sealed.files[path].records, counted, "{}", path.display());
        records += counted;
    }
    println!("{records} records");
    files
}

/// Records of a csvlog, each of them with PostgreSQL 15's 26 columns.
#[track_caller]
fn count_with_python(path: &Path) -> u64 {
    let script = "import csv, sys
csv.field_size_limit(1 << 30)
rows = 0
for row in csv.reader(open(sys.argv[1], encoding='latin-1', newline='')):
    assert len(row) == 26, row
    rows += 1
print(rows)";
    let output = python().args(["-c", script]).arg(path).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

/// The archive's Parquet files hold the records of these log files, each once, as `DuckDB` reads both; each of them is the file that
/// the tree names; and it has a row for every piece of the journal.
#[track_caller]
pub(super) fn assert_archive_is_the_log(desk: &Desk, files: &[PathBuf]) {
    let sealed = sealed(desk, |_, _| {});
    let output = archive_python()
        .arg("-c")
        .arg(include_str!("archive.py"))
        .arg(desk.path("archive"))
        .arg(sealed.pieces.to_string())
        .args(files)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{said}");
    let check = ["trail", "archive", "--journal", "journal", "--archive"];
    let answer = desk.run(&[&check[..], &["archive", "--check"]].concat());
    answer.assert_code(0);
    answer.assert_says(", 0 only by the archive's own list; 0 faults");
    print!("{}", answer.text());
}

/// The tree is whole, from the first leaf to the last, and every block has its digest.
#[track_caller]
pub(super) fn assert_verified(desk: &Desk) {
    let key = desk.key_file("openssh").display().to_string();
    let answer = desk.run(&["trail", "verify", "--journal", "journal", "--key", &key]);
    answer.assert_code(0);
}

/// Whether the journal has these words; false while there is none.
pub(super) fn holds(desk: &Desk, words: &str) -> bool {
    let mut found = false;
    if desk.path("journal/checkpoint").exists() {
        sealed(desk, |_, block| {
            found |= memchr::memmem::find(&block.bytes, words.as_bytes()).is_some();
        });
    }
    found
}
