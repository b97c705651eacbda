//! Journals to test with.

use pgattest_evidence::SigningKey;
use pgattest_parse::audit_log::{Format, TornReason};
use pgattest_trail::block::FileId;
use pgattest_trail::verify::{Report, Request, verify};
use pgattest_trail::{Block, Journal, JournalOptions, JournalReader, Leaf, PieceKind};
use std::path::{Path, PathBuf};

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

/// Segments so small that every test has several.
pub(crate) fn options() -> JournalOptions {
    JournalOptions {
        segment_bytes: 600,
        ..JournalOptions::default()
    }
}

/// A folder for a journal.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("journal")
    }

    pub(crate) fn open(&self) -> Journal {
        Journal::open(&self.dir(), key(), options()).unwrap()
    }

    pub(crate) fn reader(&self) -> JournalReader {
        JournalReader::open(&self.dir()).unwrap()
    }

    /// A journal of so many leaves, every third a heartbeat, in commits of three, from two files.
    pub(crate) fn filled(leaves: u64) -> Self {
        let place = Self::new();
        let mut journal = place.open();
        fill(&mut journal, leaves);
        place
    }
}

/// Adds leaves and commits every third; of many, every thirtieth.
pub(crate) fn fill(journal: &mut Journal, leaves: u64) {
    for number in 0..leaves {
        if number % 3 == 2 {
            journal.note(&Leaf::Heartbeat { at: 0 }).unwrap();
            if leaves < 100 || number % 30 == 29 {
                journal.commit().unwrap();
            }
        } else {
            let block = next_block(journal, number % 2, 3);
            journal.append(&block).unwrap();
        }
    }
    journal.commit().unwrap();
}

pub(crate) fn file(number: u64) -> FileId {
    FileId {
        name: format!("postgresql-{number}.csv"),
        device: 1,
        inode: u64::MAX - number,
        fingerprint: format!("{number:064x}"),
        fingerprint_length: 64,
    }
}

/// The block that follows the last one of this file, with records that say which they are; the second piece is torn, and of the
/// third something was taken out.
pub(crate) fn next_block(journal: &Journal, number: u64, records: u64) -> Block {
    let file = file(number);
    let offset = journal.sealed(&file).unwrap_or(0);
    block_at(file, offset, journal.next_record(), records)
}

pub(crate) fn block_at(file: FileId, offset: u64, first: u64, records: u64) -> Block {
    let pieces = (first..first + records).map(|record| {
        let kind = match record - first {
            1 => PieceKind::Torn(TornReason::Glued),
            _ => PieceKind::Record,
        };
        (kind, record_text(&file, record))
    });
    let pieces: Vec<_> = pieces.collect();
    let mut block = Block::of_pieces(file, offset, Format::Csvlog { columns: 26 }, pieces);
    if let Some(third) = block.pieces.get_mut(2) {
        third.original = Some([9; 32]);
        block.source_length += 1;
    }
    block.times = Some((1_700_000_000_000, 1_700_000_000_001));
    block
}

pub(crate) fn record_text(file: &FileId, record: u64) -> Vec<u8> {
    let mut text = format!("{} record {record}, \"\u{1b}[1m", file.name).into_bytes();
    // What no UTF-8 is, and a line end within a record.
    text.extend(b"\xff\n\"\n");
    text
}

/// All records, in order.
pub(crate) fn records(reader: &JournalReader) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for leaf in reader.leaves(0) {
        if let (_, Leaf::Block(leaf)) = leaf.unwrap() {
            let block = reader.block(&leaf).unwrap();
            all.extend(block.iter().map(|(_, bytes)| bytes.to_vec()));
        }
    }
    all
}

/// The journal's log as `zstd -dc` gives it.
pub(crate) fn decompressed(dir: &Path) -> Vec<u8> {
    let mut segments: Vec<_> = std::fs::read_dir(dir.join("segments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    segments.sort();
    let output = std::process::Command::new("zstd")
        .arg("-dc")
        .args(&segments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

impl Place {
    /// Another place with the same journal.
    pub(crate) fn copy(&self) -> Self {
        let place = Self::new();
        copy_folder(&self.dir(), &place.dir());
        place
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).into_iter().flatten() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        std::fs::create_dir_all(to).unwrap();
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(path, target).unwrap();
        }
    }
}

/// Checks everything, against the right key.
pub(crate) fn report(dir: &Path) -> Report {
    report_with(dir, &[])
}

/// The same, with checkpoints that were kept elsewhere.
pub(crate) fn report_with(dir: &Path, earlier: &[Vec<u8>]) -> Report {
    verify(
        dir,
        &Request {
            keys: &[key().public_key()],
            earlier,
            witnesses: &[],
            second_keys: &[],
            records: None,
            heartbeat_ms: 60_000,
        },
    )
    .unwrap()
}

/// The report, or its problems as text.
pub(crate) fn verify_all(place: &Place) -> Result<Report, String> {
    let report = report(&place.dir());
    if report.verified {
        Ok(report)
    } else {
        Err(format!("{:#?}", report.problems))
    }
}
