//! What a sink refuses for good: `JOURNAL/dead-letters/NAME-FIRST-TIME.jsonl`.
//!
//! The first line says which sink and why; each other line is a record with all its bytes, so that it can be delivered again. The file
//! is flushed, and a [`Leaf::DeadLetter`](pgattest_trail::Leaf::DeadLetter) with its SHA-256 is in the tree, before delivery goes on.

use super::files::{self, FileError};
use crate::config::Name;
use crate::record::{Item, Part, Record, What};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The first line.
#[derive(Debug, Deserialize, Serialize)]
struct Head {
    schema: String,
    sink: String,
    kind: String,
    at: i64,
    reason: String,
}

const SCHEMA: &str = "pgattest.dead-letter/1";

/// A record as it lies there.
#[derive(Debug, Deserialize, Serialize)]
struct Line {
    seq: u64,
    block: u64,
    instance: String,
    session: Option<String>,
    logged_at: Option<i64>,
    sealed_at: i64,
    format: String,
    kind: String,
    torn: Option<String>,
    part: Option<u32>,
    parts: Option<u32>,
    /// What the sink said of this record.
    reason: String,
    /// The bytes, in base64.
    bytes: String,
}

/// A dead-letter file.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Where it is.
    pub path: PathBuf,
    /// Its records.
    pub records: Vec<Record>,
    /// Why the sink refused them.
    pub reason: String,
    /// Whether it has been delivered since.
    pub redelivered: bool,
}

impl DeadLetter {
    /// Notes that it has been delivered. The file itself stays: a leaf names it.
    pub fn mark(&self) -> Result<(), FileError> {
        let at = crate::record::rfc3339(super::status::now());
        files::replace(&mark(&self.path), format!("{at}\n").as_bytes(), true)
    }
}

fn mark(path: &Path) -> PathBuf {
    path.with_extension("redelivered")
}

/// Writes refused items. The file's name, its SHA-256 in hexadecimal, and the numbers of the records in it.
pub(super) fn write(
    journal: &Path,
    name: &Name,
    kind: &str,
    items: &[(Item, String)],
) -> Result<(String, String, Vec<u64>), FileError> {
    let folder = journal.join("dead-letters");
    files::directory(&folder)?;
    let at = super::status::now();
    let reason = items.first().map_or("", |(_, reason)| reason);
    let head = Head {
        schema: SCHEMA.into(),
        sink: name.to_string(),
        kind: kind.into(),
        at,
        reason: reason.into(),
    };
    let mut bytes = serde_json::to_vec(&head).unwrap_or_default();
    bytes.push(b'\n');
    let mut numbers = Vec::new();
    for (Item { record, .. }, reason) in items {
        let line = line(record, reason);
        bytes.extend(serde_json::to_vec(&line).unwrap_or_default());
        bytes.push(b'\n');
        if matches!(record.what, What::Record | What::Torn(_))
            && numbers.last() != Some(&record.number)
        {
            numbers.push(record.number);
        }
    }
    let first = items.first().map_or(0, |(item, _)| item.record.number);
    let mut path = folder.join(format!("{name}-{first:020}-{at}.jsonl"));
    let mut again = 1;
    while path.exists() {
        path.set_file_name(format!("{name}-{first:020}-{at}.{again}.jsonl"));
        again += 1;
    }
    files::replace(&path, &bytes, true)?;
    let file = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok((file, hex::encode(Sha256::digest(&bytes)), numbers))
}

/// The dead letters of a sink, the oldest records first.
pub fn dead_letters(journal: &Path, name: &Name) -> Result<Vec<DeadLetter>, FileError> {
    let folder = journal.join("dead-letters");
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(files::failed("list", &folder)(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(files::failed("list", &folder))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "jsonl")
        {
            paths.push(path);
        }
    }
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        if let Some(letter) = load(path, name)? {
            found.push(letter);
        }
    }
    Ok(found)
}

/// Reads a file. `None`: it is another sink's.
fn load(path: PathBuf, name: &Name) -> Result<Option<DeadLetter>, FileError> {
    let bytes = files::read(&path)?.unwrap_or_default();
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let damaged = |error: &dyn std::fmt::Display| {
        files::failed("understand", &path)(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            error.to_string(),
        ))
    };
    let head: Head = serde_json::from_slice(lines.next().unwrap_or_default())
        .map_err(|error| damaged(&error))?;
    if head.schema != SCHEMA {
        return Err(damaged(&format!("its schema is `{}`", head.schema)));
    }
    if head.sink != name.as_str() {
        return Ok(None);
    }
    let mut records = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let line: Line = serde_json::from_slice(line).map_err(|error| damaged(&error))?;
        records.push(record(line).map_err(|error| damaged(&error))?);
    }
    let redelivered = mark(&path).exists();
    Ok(Some(DeadLetter {
        path,
        records,
        reason: head.reason,
        redelivered,
    }))
}

fn line(record: &Record, reason: &str) -> Line {
    Line {
        seq: record.number,
        block: record.block,
        instance: record.instance.to_string(),
        session: record.session.clone(),
        logged_at: record.logged_at,
        sealed_at: record.sealed_at,
        format: record.format.into(),
        kind: record.what.name().into(),
        torn: match record.what {
            What::Torn(reason) => Some(reason.into()),
            _ => None,
        },
        part: record.part.map(|part| part.index),
        parts: record.part.map(|part| part.of),
        reason: reason.into(),
        bytes: STANDARD.encode(&record.bytes),
    }
}

fn record(line: Line) -> Result<Record, base64::DecodeError> {
    Ok(Record {
        number: line.seq,
        block: line.block,
        instance: line.instance.into(),
        session: line.session,
        logged_at: line.logged_at,
        sealed_at: line.sealed_at,
        format: known(&line.format, &FORMATS),
        what: match (line.kind.as_str(), line.torn) {
            ("checkpoint", _) => What::Checkpoint,
            ("canary", _) => What::Canary,
            (_, Some(reason)) => What::Torn(known(&reason, &TORN)),
            (_, None) => What::Record,
        },
        part: line
            .part
            .zip(line.parts)
            .map(|(index, of)| Part { index, of }),
        bytes: STANDARD.decode(line.bytes)?,
    })
}

const FORMATS: [&str; 8] = [
    "csvlog",
    "jsonlog",
    "stderr",
    "rds-stderr",
    "pgauditlogtofile-csv",
    "pgauditlogtofile-json",
    "cloud-sql",
    "checkpoint",
];
const TORN: [&str; 4] = ["cut-short", "glued", "fields", "foreign"];

fn known(name: &str, names: &[&'static str]) -> &'static str {
    names
        .iter()
        .find(|known| **known == name)
        .copied()
        .unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;

    #[test]
    fn what_was_refused_is_there_to_the_byte() {
        let journal = tempfile::tempdir().unwrap();
        let name = Name::try_from("siem".to_owned()).unwrap();
        let mut torn = sample(6, "");
        torn.bytes = vec![0xff, 0, b'\n', b'"'];
        torn.what = What::Torn("glued");
        torn.part = Some(Part { index: 2, of: 3 });
        let items: Vec<_> = [sample(5, "poison"), torn]
            .into_iter()
            .map(|record| {
                let item = Item {
                    record,
                    encoded: Vec::new(),
                };
                (item, "code 6".to_owned())
            })
            .collect();
        let (file, sha256, numbers) = write(journal.path(), &name, "splunk-hec", &items).unwrap();
        assert_eq!(numbers, [5, 6]);
        let bytes = std::fs::read(journal.path().join("dead-letters").join(file)).unwrap();
        assert_eq!(sha256, hex::encode(Sha256::digest(bytes)));

        let other = Name::try_from("other".to_owned()).unwrap();
        assert!(dead_letters(journal.path(), &other).unwrap().is_empty());
        let [letter] = &dead_letters(journal.path(), &name).unwrap()[..] else {
            panic!("one file")
        };
        let were: Vec<_> = items.iter().map(|(item, _)| item.record.clone()).collect();
        assert_eq!(letter.records, were);
        assert!(!letter.redelivered);
        letter.mark().unwrap();
        assert!(dead_letters(journal.path(), &name).unwrap()[0].redelivered);
    }
}
