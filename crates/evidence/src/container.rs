//! The zip file, as one function of its contents.
//!
//! Every byte is determined: files are stored, not compressed, in the order of
//! their names, with fixed times and attributes, one after the other with nothing
//! before, between or behind. So a reader can compute the whole container again
//! and compare it, and no byte of it can be changed unseen. Compression would end
//! that: the bytes would depend on the compressor's version.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use crate::names::check_path;
use crate::report::Problem;

const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const LOCAL_LEN: usize = 30;

/// The most files that a zip file can count without its 64-bit extension.
const MOST_FILES: usize = 65_534;

/// Why a container cannot be built.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("`{}` cannot be a file of a package: {reason}", .path.escape_debug())]
    Path { path: String, reason: &'static str },
    #[error("two files of a package would both be `{0}` on some system")]
    Twice(String),
    #[error("{0} files are more than a package can hold ({MOST_FILES})")]
    TooMany(usize),
    #[error("the package would be larger than the {limit} bytes that a verifier reads")]
    TooLarge { limit: u64 },
}

/// Builds the container of these files, in whatever order they come.
pub(crate) fn build(files: &[(&str, &[u8])], limit: u64) -> Result<Vec<u8>, BuildError> {
    if files.len() > MOST_FILES {
        return Err(BuildError::TooMany(files.len()));
    }
    let mut files = files.to_vec();
    files.sort_unstable_by_key(|(name, _)| *name);
    let mut taken = Taken::default();
    for (name, _) in &files {
        check_path(name).map_err(|reason| BuildError::Path {
            path: (*name).to_owned(),
            reason,
        })?;
        if !taken.take(name) {
            return Err(BuildError::Twice((*name).to_owned()));
        }
    }

    let too_large = || BuildError::TooLarge { limit };
    let mut bytes = Vec::new();
    let mut records = Vec::new();
    for (name, data) in files {
        let record = Record {
            name,
            crc: crc32fast::hash(data),
            size: u32::try_from(data.len()).map_err(|_| too_large())?,
            offset: u32::try_from(bytes.len()).map_err(|_| too_large())?,
        };
        bytes.extend(record.local_header());
        bytes.extend(data);
        records.push(record);
    }
    let directory = directory(&records, bytes.len()).ok_or_else(too_large)?;
    bytes.extend(directory);
    if bytes.len() as u64 > limit {
        return Err(too_large());
    }
    Ok(bytes)
}

/// What a container holds, and everything that is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Each file's name and where its bytes are.
    pub(crate) files: Vec<(String, Range<usize>)>,
    pub(crate) problems: Vec<Problem>,
}

/// Reads a container as far as it can be followed.
pub(crate) fn read(bytes: &[u8]) -> Contents {
    let mut contents = Contents::default();
    let mut records: Vec<Record<'_>> = Vec::new();
    let mut taken = Taken::default();
    let mut at = 0;
    while let Some(header) = header_at(bytes, at) {
        let Header { record, mut wrong } = match header {
            Ok(header) => header,
            Err(problem) => {
                contents.problems.push(problem);
                return contents;
            }
        };
        let mut report = |what: String| contents.problems.push(Problem::new(record.name, what));
        if records
            .last()
            .is_some_and(|previous| previous.name >= record.name)
            || !taken.take(record.name)
        {
            wrong.push("it is out of order, or there is a second file of its name".to_owned());
        }
        wrong.into_iter().for_each(&mut report);

        let start = at + LOCAL_LEN + record.name.len();
        let end = start.saturating_add(record.size as usize);
        let Some(data) = bytes.get(start..end) else {
            report(format!(
                "the zip file ends at byte {}, before the file does (byte {end})",
                bytes.len()
            ));
            return contents;
        };
        if crc32fast::hash(data) != record.crc {
            report("its bytes do not have the CRC-32 in its zip header".to_owned());
        }
        contents.files.push((record.name.to_owned(), start..end));
        records.push(record);
        at = end;
    }

    let rest = bytes.get(at..).unwrap_or_default();
    if records.is_empty() {
        contents.problems.push(Problem::of_container(
            "it does not start with a file of a zip archive",
        ));
    } else if records.len() > MOST_FILES {
        contents
            .problems
            .push(Problem::of_container("it has too many files"));
    } else if let Some(problem) = check_directory(rest, &records, at) {
        contents.problems.push(problem);
    }
    contents
}

/// Finds the bytes of one file by its local header alone, without reading the
/// rest. For looking at many packages; proves nothing.
pub(crate) fn peek(
    file: &mut (impl Read + Seek),
    wanted: &str,
    limit: u64,
) -> io::Result<Option<Vec<u8>>> {
    loop {
        let mut header = [0; LOCAL_LEN];
        match file.read_exact(&mut header) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        if !header.starts_with(&LOCAL) {
            return Ok(None);
        }
        let size = u32_at(&header, 22);
        let mut name = vec![0; usize::from(u16_at(&header, 26))];
        file.read_exact(&mut name)?;
        if name == wanted.as_bytes() {
            let mut data = Vec::new();
            file.take(limit.min(size.into())).read_to_end(&mut data)?;
            return Ok(Some(data));
        }
        file.seek(SeekFrom::Current(size.into()))?;
    }
}

/// The variable part of a file's two headers.
struct Record<'a> {
    name: &'a str,
    crc: u32,
    size: u32,
    offset: u32,
}

impl Record<'_> {
    fn local_header(&self) -> Vec<u8> {
        let mut header = LOCAL.to_vec();
        self.push_common(&mut header);
        // No extra field.
        header.extend([0, 0]);
        header.extend(self.name.as_bytes());
        header
    }

    fn central_header(&self) -> Vec<u8> {
        let mut header = CENTRAL.to_vec();
        // Made by version 2.0 on Unix, so that the mode below is understood.
        header.extend([20, 3]);
        self.push_common(&mut header);
        // No extra field, no comment, first disk, no internal attributes.
        header.extend([0; 8]);
        // A regular file, rw-r--r--.
        header.extend((0o100_644_u32 << 16).to_le_bytes());
        header.extend(self.offset.to_le_bytes());
        header.extend(self.name.as_bytes());
        header
    }

    fn push_common(&self, header: &mut Vec<u8>) {
        // Needs version 2.0 (folders); no flags; stored; 1980-01-01 00:00:00, the
        // first time that zip knows.
        header.extend([20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0]);
        header.extend(self.crc.to_le_bytes());
        header.extend(self.size.to_le_bytes());
        header.extend(self.size.to_le_bytes());
        // Names are shorter than 241 bytes where this is written; a name that was
        // read came with its length in two bytes.
        let length = u16::try_from(self.name.len()).unwrap_or(u16::MAX);
        header.extend(length.to_le_bytes());
    }
}

/// The central directory and the end record; `None` when the archive is too large
/// for a zip file without its 64-bit extension.
fn directory(records: &[Record<'_>], start: usize) -> Option<Vec<u8>> {
    let mut bytes: Vec<u8> = records.iter().flat_map(Record::central_header).collect();
    let length = u32::try_from(bytes.len()).ok()?;
    let count = u16::try_from(records.len()).ok()?;
    bytes.extend(END);
    // First disk, of one.
    bytes.extend([0; 4]);
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(u32::try_from(start).ok()?.to_le_bytes());
    // No comment.
    bytes.extend([0, 0]);
    Some(bytes)
}

struct Header<'a> {
    record: Record<'a>,
    wrong: Vec<String>,
}

/// The header at `at`; `None` when no file starts there.
fn header_at(bytes: &[u8], at: usize) -> Option<Result<Header<'_>, Problem>> {
    let rest = bytes.get(at..)?;
    if !rest.starts_with(&LOCAL) {
        return None;
    }
    let place = format!("byte {at}");
    let Some(header) = rest.get(..LOCAL_LEN) else {
        return Some(Err(Problem::of_container(&format!(
            "{place}: the zip file ends within a header"
        ))));
    };
    let name_end = LOCAL_LEN + usize::from(u16_at(header, 26));
    let Some(name) = rest.get(LOCAL_LEN..name_end) else {
        return Some(Err(Problem::of_container(&format!(
            "{place}: the zip file ends within a file name"
        ))));
    };
    let Ok(name) = str::from_utf8(name) else {
        return Some(Err(Problem::of_container(&format!(
            "{place}: a file name is not plain ASCII"
        ))));
    };
    let record = Record {
        name,
        crc: u32_at(header, 14),
        size: u32_at(header, 22),
        offset: u32::try_from(at).unwrap_or(u32::MAX),
    };

    let mut wrong = Vec::new();
    if let Err(reason) = check_path(name) {
        wrong.push(format!("its name is not allowed: {reason}"));
    }
    if u16_at(header, 6) & 1 != 0 {
        wrong.push("it is encrypted".to_owned());
    } else if u16_at(header, 8) != 0 {
        wrong.push("it is compressed; files of a package are stored as they are".to_owned());
    } else {
        let expected = record.local_header();
        let actual = rest.get(..name_end).unwrap_or_default();
        if let Some(offset) = pgattest_ledger::canonical::first_difference(actual, &expected) {
            wrong.push(format!(
                "byte {} of the zip file, in its header, is not as it has to be",
                at + offset
            ));
        }
    }
    Some(Ok(Header { record, wrong }))
}

fn check_directory(rest: &[u8], records: &[Record<'_>], start: usize) -> Option<Problem> {
    let Some(expected) = directory(records, start) else {
        return Some(Problem::of_container("it is too large"));
    };
    let offset = pgattest_ledger::canonical::first_difference(rest, &expected)?;
    if offset == expected.len() {
        return Some(Problem::of_container(&format!(
            "{} bytes follow the end of the zip file",
            rest.len() - expected.len()
        )));
    }
    let place = start + offset;
    if offset == rest.len() {
        return Some(Problem::of_container(&format!(
            "it is cut short at byte {place}"
        )));
    }
    // Which record the byte belongs to.
    let mut end = 0;
    for record in records {
        end += record.central_header().len();
        if offset < end {
            return Some(Problem::new(
                record.name,
                format!("byte {place} of the zip file, in the directory, is not as it has to be"),
            ));
        }
    }
    Some(Problem::of_container(&format!(
        "byte {place}, in the end record, is not as it has to be"
    )))
}

/// The names that are in use, as the least careful file system sees them.
#[derive(Default)]
struct Taken {
    files: BTreeSet<String>,
    folders: BTreeSet<String>,
}

impl Taken {
    /// Takes a name; false when it cannot exist beside the others.
    fn take(&mut self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let mut fits = !self.folders.contains(&name);
        for (end, _) in name.match_indices('/') {
            if let Some(folder) = name.get(..end) {
                fits &= !self.files.contains(folder);
                self.folders.insert(folder.to_owned());
            }
        }
        self.files.insert(name) && fits
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let byte = |offset| u16::from(bytes.get(at + offset).copied().unwrap_or_default());
    byte(0) | byte(1) << 8
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

#[cfg(test)]
mod tests;
