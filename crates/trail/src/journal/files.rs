//! How far each file has been sealed.

use crate::block::FileId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Files that are remembered. A server that begins a file every second for a day makes 86,400.
const MOST: usize = 100_000;

/// What makes a file the same file: everything but its name, which changes when it is rotated away.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct FileKey {
    device: u64,
    inode: u64,
    fingerprint: String,
    fingerprint_length: u32,
}

impl FileKey {
    pub(crate) fn of(file: &FileId) -> Self {
        Self {
            device: file.device,
            inode: file.inode,
            fingerprint: file.fingerprint.clone(),
            fingerprint_length: file.fingerprint_length,
        }
    }
}

/// A file's position.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Position {
    pub(crate) file: FileId,
    /// Behind the last byte that a block covers.
    pub(crate) end: u64,
    /// A gap was declared since: the next block may begin anywhere.
    pub(crate) gap: bool,
}

/// The positions, the most recently changed last. Of more files than [`MOST`] those that changed longest ago are forgotten.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    by_key: HashMap<FileKey, (u64, Position)>,
    order: BTreeMap<u64, FileKey>,
    clock: u64,
}

impl Files {
    pub(crate) fn get(&self, file: &FileId) -> Option<&Position> {
        self.by_key
            .get(&FileKey::of(file))
            .map(|(_, position)| position)
    }

    pub(crate) fn set(&mut self, position: Position) {
        let key = FileKey::of(&position.file);
        self.clock += 1;
        if let Some((before, _)) = self.by_key.insert(key.clone(), (self.clock, position)) {
            self.order.remove(&before);
        }
        self.order.insert(self.clock, key);
        if self.order.len() > MOST
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.by_key.remove(&oldest);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Position> {
        self.order
            .values()
            .filter_map(|key| self.by_key.get(key).map(|(_, position)| position))
    }
}

#[cfg(test)]
mod tests {
    use super::{Files, MOST, Position};
    use crate::block::FileId;

    fn position(inode: u64, name: &str, end: u64) -> Position {
        Position {
            file: FileId {
                name: name.to_owned(),
                device: 1,
                inode,
                fingerprint: "f".to_owned(),
                fingerprint_length: 1,
            },
            end,
            gap: false,
        }
    }

    #[test]
    fn a_renamed_file_is_the_same_and_the_longest_untouched_is_forgotten() {
        let mut files = Files::default();
        files.set(position(0, "a.csv", 5));
        files.set(position(0, "a.csv.1", 9));
        assert_eq!(files.get(&position(0, "", 0).file).unwrap().end, 9);
        for inode in 1..=MOST as u64 {
            files.set(position(inode, "", inode));
            if inode == 7 {
                files.set(position(0, "", 10));
            }
        }
        assert_eq!(files.iter().count(), MOST);
        assert_eq!(files.get(&position(1, "", 0).file), None);
        assert_eq!(files.get(&position(0, "", 0).file).unwrap().end, 10);
        assert_eq!(files.iter().last().unwrap().end, MOST as u64);
    }
}
