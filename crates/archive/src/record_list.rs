//! The archive's own list of what was written to it, with digests: `_archived.jsonl`, a line a file.
//!
//! A line is written before its file is moved into place, so a file without a line is not ours. The leaves of the journal say the
//! same, and nobody can change them: where they are at hand, they decide.

use crate::archive::Archive;
use crate::error::ArchiveError;
use pgattest_trail::Leaf;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The list's name. Engines overlook names with an underscore.
pub(crate) const LIST: &str = "_archived.jsonl";

/// A line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Listed {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// The file, relative to the whole archive.
    pub file: String,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// The first record's number.
    pub first: u64,
    /// How many records the batch has.
    pub count: u64,
}

impl Listed {
    /// The leaf that says the same.
    pub fn leaf(&self) -> Leaf {
        Leaf::Archived {
            at: self.at,
            file: self.file.clone(),
            sha256: self.sha256.clone(),
            first: self.first,
            count: self.count,
        }
    }
}

/// Where files are recorded beyond the archive: the journal's tree.
pub trait Register {
    /// The digest of each file that the tree has, by the file's path: the latest that was recorded.
    fn recorded(&self) -> Result<BTreeMap<String, String>, ArchiveError>;

    /// Records a file.
    fn record(&self, leaf: Leaf) -> Result<(), ArchiveError>;
}

impl Archive {
    /// The list, the latest line of each file.
    pub fn listed(&self) -> Result<BTreeMap<String, Listed>, ArchiveError> {
        let bytes = self.store.read(LIST)?.unwrap_or_default();
        // A line that a crash cut short names a file that was never moved into place.
        let lines = bytes
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<Listed>(line).ok());
        Ok(lines.map(|line| (line.file.clone(), line)).collect())
    }

    pub(crate) fn list(&self, line: &Listed) -> Result<(), ArchiveError> {
        let text =
            serde_json::to_string(line).map_err(|error| crate::error::damaged(LIST, error))?;
        self.store.append(LIST, &text)
    }

    /// Records what the list has and the tree has not: a run ended in between. How many there were.
    pub fn register(&self, register: &dyn Register) -> Result<usize, ArchiveError> {
        let recorded = register.recorded()?;
        let there = self.store.list()?;
        let there: BTreeSet<String> = there
            .iter()
            .map(|entry| format!("instance={}/{}", self.instance, entry.path))
            .collect();
        let mut count = 0;
        for (file, line) in self.listed()? {
            if there.contains(&file) && recorded.get(&file) != Some(&line.sha256) {
                register.record(line.leaf())?;
                count += 1;
            }
        }
        Ok(count)
    }
}
