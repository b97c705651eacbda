//! Whether the archive is what was written: digests, names, row counts, holes.

use crate::archive::Archive;
use crate::error::ArchiveError;
use crate::make::sums;
use crate::name::PartName;
use crate::record_list::Register;
use crate::store::Reading;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

/// Something that is not as it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// A file's bytes are not those that were written.
    Changed {
        /// The file, relative to the whole archive.
        file: String,
        /// The batch it belongs to.
        batch: (u64, u64),
        /// What is wrong.
        reason: String,
    },
    /// Records that no file has.
    Hole {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// A batch that lacks a file, or overlaps another one.
    Layout {
        /// A file of it.
        file: String,
        /// What is wrong.
        reason: String,
    },
}

/// What was looked at, and what is wrong.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Files whose digest the journal's tree has.
    pub by_tree: usize,
    /// Files whose digest only the archive's own list has: whoever changes a file can change it too.
    pub by_list: usize,
    /// Records in files that are as they were written.
    pub records: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

impl Verified {
    /// The batches to be made again.
    pub fn damaged(&self) -> BTreeSet<(u64, u64)> {
        let faults = self.faults.iter();
        faults
            .filter_map(|fault| match fault {
                Fault::Changed { batch, .. } => Some(*batch),
                _ => None,
            })
            .collect()
    }
}

/// Reads every file. `register`: the journal's tree, when it is at hand. `from` and `end`: the records that should be there.
pub fn verify(
    archive: &Archive,
    register: Option<&dyn Register>,
    expected: Option<(u64, u64)>,
) -> Result<Verified, ArchiveError> {
    let layout = archive.layout()?;
    let recorded = match register {
        Some(register) => register.recorded()?,
        None => BTreeMap::new(),
    };
    let listed = archive.listed()?;
    let mut verified = Verified::default();
    for batch in &layout.batches {
        let mut rows = 0;
        let mut is_whole = true;
        for (name, _) in &batch.parts {
            let file = archive.full_path(name);
            let digest = match (recorded.get(&file), listed.get(&file)) {
                (Some(digest), _) => {
                    verified.by_tree += 1;
                    Some(digest)
                }
                (None, Some(line)) => {
                    verified.by_list += 1;
                    Some(&line.sha256)
                }
                (None, None) => None,
            };
            match looked_at(archive, name, digest.map(String::as_str))? {
                Ok(found) => rows += found,
                Err(reason) => {
                    is_whole = false;
                    verified.faults.push(Fault::Changed {
                        file,
                        batch: (batch.first, batch.end),
                        reason,
                    });
                }
            }
        }
        if is_whole && rows == batch.end - batch.first {
            verified.records += rows;
        } else if is_whole {
            let wanted = batch.end - batch.first;
            verified.faults.push(Fault::Changed {
                file: name_of(archive, batch.parts.first()),
                batch: (batch.first, batch.end),
                reason: format!("the batch should have {wanted} records and has {rows}"),
            });
        }
    }
    for batch in &layout.incomplete {
        verified.faults.push(Fault::Layout {
            file: name_of(archive, batch.parts.first()),
            reason: "a file of the same batch is missing".to_owned(),
        });
    }
    for batch in &layout.overlapping {
        verified.faults.push(Fault::Layout {
            file: name_of(archive, batch.parts.first()),
            reason: "its records overlap those of another file".to_owned(),
        });
    }
    let holes = match expected {
        Some((from, end)) => layout.missing(from, end),
        None => layout.holes(),
    };
    for (first, end) in holes {
        let last = end - 1;
        verified.faults.push(Fault::Hole { first, last });
    }
    Ok(verified)
}

fn name_of(archive: &Archive, part: Option<&(PartName, u64)>) -> String {
    part.map(|(name, _)| archive.full_path(name))
        .unwrap_or_default()
}

/// The rows of a file that is as it was written, or what is wrong with it. An error: it could not be looked at, which says nothing of
/// the file.
fn looked_at(
    archive: &Archive,
    name: &PartName,
    digest: Option<&str>,
) -> Result<Result<u64, String>, ArchiveError> {
    let file = match archive.store.open_whole(&name.path()) {
        Ok(file) => file,
        Err(error @ ArchiveError::Disk { .. }) => return Ok(Err(error.to_string())),
        Err(error) => return Err(error),
    };
    Ok(compared(&file, &name.path(), digest))
}

fn compared(file: &Reading, path: &str, digest: Option<&str>) -> Result<u64, String> {
    let digest = digest.ok_or("neither the journal nor the archive's list knows it")?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut from = file.whole().map_err(|error| error.to_string())?;
    loop {
        let read = from.read(&mut buffer).map_err(|error| error.to_string())?;
        match buffer.get(..read) {
            Some(bytes) if !bytes.is_empty() => hash.update(bytes),
            _ => break,
        }
    }
    let found = hex::encode(hash.finalize());
    if found != digest {
        return Err(format!("its SHA-256 is {found}, and {digest} was recorded"));
    }
    sums(file, path)
        .map(|sums| sums.rows)
        .map_err(|error| error.to_string())
}
