//! Journals made from logs, archives made from journals, rows read back.

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pgattest_archive::make::{Made, MakeOptions, catch_up};
use pgattest_archive::query::render::{Format as Form, Renderer};
use pgattest_archive::query::{Filter, Population, Question, answer};
use pgattest_archive::record_list::Register;
use pgattest_archive::{Archive, ArchiveError};
use pgattest_ledger::SigningKey;
use pgattest_parse::audit_log::{Cut, Format, Splitter, decode};
use pgattest_trail::block::FileId;
use pgattest_trail::{Block, Journal, JournalOptions, JournalReader, Leaf, Piece, PieceKind};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// When the archive is made, in these tests.
pub(crate) const NOW: i64 = 1_800_000_000_000;

/// A folder with a journal and an archive.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.folder.path().join("journal")
    }

    pub(crate) fn archive(&self) -> Archive {
        Archive::new(&self.root(), "main").unwrap()
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    pub(crate) fn reader(&self) -> JournalReader {
        JournalReader::open(&self.journal()).unwrap()
    }

    pub(crate) fn make(&self, options: MakeOptions) -> Made {
        make(&self.archive(), &self.reader(), options).unwrap()
    }
}

/// Makes what is missing of an archive.
pub(crate) fn make(
    archive: &Archive,
    reader: &JournalReader,
    options: MakeOptions,
) -> Result<Made, ArchiveError> {
    catch_up(
        archive,
        reader,
        &Kept::default(),
        options,
        NOW,
        &mut |_, _| {},
    )
}

/// A register in memory, in the journal's place.
#[derive(Default)]
pub(crate) struct Kept(pub(crate) RefCell<Vec<Leaf>>);

impl Register for Kept {
    fn recorded(&self) -> Result<BTreeMap<String, String>, ArchiveError> {
        let leaves = self.0.borrow();
        Ok(leaves
            .iter()
            .filter_map(|leaf| match leaf {
                Leaf::Archived { file, sha256, .. } => Some((file.clone(), sha256.clone())),
                _ => None,
            })
            .collect())
    }

    fn record(&self, leaf: Leaf) -> Result<(), ArchiveError> {
        self.0.borrow_mut().push(leaf);
        Ok(())
    }
}

/// Seals a log in blocks of so many pieces.
pub(crate) fn seal(dir: &Path, name: &str, log: &[u8], format: &Format, per_block: usize) {
    let key = SigningKey::from_seed(&[7; 32]);
    let mut journal = Journal::open(dir, key, JournalOptions::default()).unwrap();
    let file = FileId {
        name: name.to_owned(),
        device: 1,
        inode: u64::try_from(log.len()).unwrap(),
        fingerprint: "00".repeat(32),
        fingerprint_length: 32,
    };
    let mut splitter = Splitter::new(format.clone());
    let mut at = 0;
    let mut block = empty(&file, 0, format);
    while at < log.len() {
        let (length, kind) = match splitter.next(&log[at..], true) {
            Cut::Record(length) => (length, PieceKind::Record),
            Cut::Torn(length, reason) => (length, PieceKind::Torn(reason)),
            Cut::More => panic!("the end of the log is known"),
        };
        let bytes = &log[at..at + length];
        at += length;
        add(&mut block, bytes, kind);
        if block.pieces.len() >= per_block {
            let next = empty(&file, u64::try_from(at).unwrap(), format);
            journal
                .append(&std::mem::replace(&mut block, next))
                .unwrap();
        }
    }
    if !block.pieces.is_empty() {
        journal.append(&block).unwrap();
    }
    journal.commit().unwrap();
}

fn empty(file: &FileId, offset: u64, format: &Format) -> Block {
    Block {
        file: file.clone(),
        offset,
        source_length: 0,
        format: format.clone(),
        bytes: Vec::new(),
        pieces: Vec::new(),
        times: None,
    }
}

fn add(block: &mut Block, bytes: &[u8], kind: PieceKind) {
    block.bytes.extend_from_slice(bytes);
    block.source_length += u64::try_from(bytes.len()).unwrap();
    block.pieces.push(Piece {
        length: u32::try_from(bytes.len()).unwrap(),
        kind,
        original: None,
    });
    if let Some(time) = decode(&block.format, bytes).and_then(|record| record.time_ms) {
        let (from, to) = block.times.unwrap_or((time, time));
        block.times = Some((from.min(time), to.max(time)));
    }
}

/// One of the recorded logs of real servers.
pub(crate) fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../parse/tests/samples")
        .join(format!("{name}.zst"));
    zstd::decode_all(std::fs::File::open(&path).unwrap()).unwrap()
}

pub(crate) const CSVLOG: Format = Format::Csvlog { columns: 26 };

/// A csvlog record of PostgreSQL 15.
pub(crate) struct Line<'a> {
    pub(crate) time: &'a str,
    pub(crate) user: &'a str,
    pub(crate) session: &'a str,
    pub(crate) number: u64,
    pub(crate) tag: &'a str,
    pub(crate) state: &'a str,
    pub(crate) message: &'a str,
    pub(crate) statement: Option<&'a str>,
}

impl Default for Line<'_> {
    fn default() -> Self {
        Self {
            time: "2026-01-01 12:00:00.000 UTC",
            user: "app",
            session: "6b03e095.1",
            number: 1,
            tag: "SELECT",
            state: "00000",
            message: "hello",
            statement: None,
        }
    }
}

impl Line<'_> {
    pub(crate) fn text(&self) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let severity = if self.state == "00000" {
            "LOG"
        } else {
            "ERROR"
        };
        format!(
            "{},{},\"shop\",1,\"10.0.0.1:5000\",{},{},{},2026-01-01 11:00:00 UTC,3/4,0,{severity},{},{},,,,,,{},,,\"psql\",\"client backend\",,7\n",
            self.time,
            quoted(self.user),
            self.session,
            self.number,
            quoted(self.tag),
            self.state,
            quoted(self.message),
            self.statement.map(quoted).unwrap_or_default(),
        )
    }
}

/// So many audited statements, one a second, beginning at a time of `2026-01-01`.
pub(crate) fn statements(count: u64, first_second: u64) -> String {
    let mut log = String::new();
    for at in 0..count {
        let second = first_second + at;
        let time = format!(
            "2026-01-{:02} {:02}:{:02}:{:02}.{:03} UTC",
            1 + second / 86_400,
            second / 3_600 % 24,
            second / 60 % 60,
            second % 60,
            at % 1_000
        );
        let table = ["orders", "people", "stock"][usize::try_from(at % 3).unwrap()];
        let message = format!(
            "AUDIT: SESSION,{},1,READ,SELECT,TABLE,public.{table},\"select {at}, * from {table}\",<none>",
            at + 1
        );
        log += &Line {
            time: &time,
            user: ["app", "admin"][usize::try_from(at / 7 % 2).unwrap()],
            session: &format!("6b03e095.{:x}", at / 50),
            number: at % 50 + 1,
            message: &message,
            ..Line::default()
        }
        .text();
    }
    log
}

/// Every row of an archive, as text, in the order of record numbers.
pub(crate) fn rows(archive: &Archive) -> Vec<String> {
    let mut rows: Vec<(i64, String)> = Vec::new();
    for batch in archive.layout().unwrap().batches {
        for (name, _) in batch.parts {
            for (number, row) in rows_of(archive, &name.path()) {
                rows.push((number, format!("{} {row}", name.day)));
            }
        }
    }
    rows.sort();
    rows.into_iter().map(|(_, row)| row).collect()
}

fn rows_of(archive: &Archive, path: &str) -> Vec<(i64, String)> {
    let file = archive.store().open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .unwrap()
        .build()
        .unwrap();
    let mut rows = Vec::new();
    for batch in reader {
        let batch: RecordBatch = batch.unwrap();
        let numbers: Vec<i64> = batch
            .column(0)
            .as_any()
            .downcast_ref::<arrow::array::Int64Array>()
            .unwrap()
            .values()
            .to_vec();
        let options = arrow::util::display::FormatOptions::default().with_null("NULL");
        // Without tables of time zones arrow shows no time of one.
        let plain: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| match column.data_type() {
                DataType::Timestamp(..) => arrow::compute::cast(column, &DataType::Int64).unwrap(),
                _ => column.clone(),
            })
            .collect();
        let columns: Vec<_> = plain
            .iter()
            .map(|column| arrow::util::display::ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        for (row, number) in numbers.into_iter().enumerate() {
            let mut text = String::new();
            for column in &columns {
                write!(text, "{}|", column.value(row)).unwrap();
            }
            rows.push((number, text));
        }
    }
    rows
}

/// The numbers of the records in an archive, in order; twice when it is there twice.
pub(crate) fn numbers(archive: &Archive) -> Vec<i64> {
    let mut numbers = Vec::new();
    for batch in archive.layout().unwrap().batches {
        for (name, _) in batch.parts {
            numbers.extend(rows_of(archive, &name.path()).into_iter().map(|row| row.0));
        }
    }
    numbers.sort_unstable();
    numbers
}

/// An answer as JSON, with what it rests on.
pub(crate) fn ask(
    archive: &Archive,
    question: &Question,
    filter: &Filter,
) -> (serde_json::Value, Population) {
    let text = told(archive, question, filter, Form::Json);
    (serde_json::from_str(&text.0).unwrap(), text.1)
}

/// An answer in a form.
pub(crate) fn told(
    archive: &Archive,
    question: &Question,
    filter: &Filter,
    form: Form,
) -> (String, Population) {
    let mut out = Vec::new();
    let columns = question.columns().unwrap();
    let mut renderer = Renderer::begin(&mut out, form, question.name(), filter, &columns).unwrap();
    let population = answer(archive, question, filter, &mut |rows| {
        renderer.rows(rows, None).unwrap();
        Ok(())
    })
    .unwrap();
    renderer.end(question, &population).unwrap();
    (String::from_utf8(out).unwrap(), population)
}
