//! Which file is which, whatever its name: device, inode and a fingerprint of the first bytes.

use crate::block::FileId;
use std::collections::{BTreeSet, HashMap};

/// Bytes that a fingerprint covers, unless the file had fewer when its first record was sealed.
pub(crate) const FINGERPRINT: usize = 1024;

/// The files that the journal knows, to be found by their first bytes.
#[derive(Debug, Default)]
pub(crate) struct Index {
    lengths: BTreeSet<u32>,
    by_fingerprint: HashMap<String, Vec<(FileId, u64)>>,
}

/// How a file on disk is related to one that the journal knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Relation {
    /// It is that file, sealed up to there.
    Same(FileId, u64),
    /// Another file with the same beginning: a copy, or that file moved to another volume.
    Copy(FileId, u64),
    /// Never seen.
    New,
}

impl Index {
    pub(crate) fn new(files: Vec<(FileId, u64)>) -> Self {
        let mut index = Self::default();
        for (file, end) in files {
            index.insert(file, end);
        }
        index
    }

    /// The file has been read up to `end`.
    pub(crate) fn insert(&mut self, file: FileId, end: u64) {
        self.lengths.insert(file.fingerprint_length);
        let known = self
            .by_fingerprint
            .entry(file.fingerprint.clone())
            .or_default();
        let same = |it: &FileId| {
            (it.device, it.inode, it.fingerprint_length)
                == (file.device, file.inode, file.fingerprint_length)
        };
        match known.iter_mut().find(|(it, _)| same(it)) {
            Some(entry) => entry.1 = end,
            None => known.push((file, end)),
        }
    }

    /// What the file with these first bytes is. `head`: up to [`FINGERPRINT`] bytes.
    pub(crate) fn relation(&self, device: u64, inode: u64, head: &[u8]) -> Relation {
        let mut copy = None;
        for length in self.lengths.iter().rev() {
            let Some(beginning) = usize::try_from(*length)
                .ok()
                .filter(|length| *length > 0)
                .and_then(|length| head.get(..length))
            else {
                continue;
            };
            let Some(known) = self.by_fingerprint.get(&FileId::fingerprint(beginning)) else {
                continue;
            };
            for (file, end) in known
                .iter()
                .filter(|(file, _)| file.fingerprint_length == *length)
            {
                if (file.device, file.inode) == (device, inode) {
                    return Relation::Same(file.clone(), *end);
                }
                copy.get_or_insert_with(|| (file.clone(), *end));
            }
        }
        match copy {
            Some((file, end)) => Relation::Copy(file, end),
            None => Relation::New,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Index, Relation};
    use crate::block::FileId;

    fn file(inode: u64, head: &[u8]) -> FileId {
        FileId::new("a.csv", 1, inode, head)
    }

    #[test]
    fn a_file_is_known_by_inode_and_first_bytes_and_a_reused_inode_is_another_file() {
        let a = file(7, b"first line");
        let index = Index::new(vec![(a.clone(), 10), (file(8, b"other"), 5)]);
        assert_eq!(
            index.relation(1, 7, b"first line, and more"),
            Relation::Same(a.clone(), 10)
        );
        assert_eq!(index.relation(1, 9, b"first line"), Relation::Copy(a, 10));
        assert_eq!(index.relation(1, 7, b"another beginning"), Relation::New);
        assert_eq!(index.relation(1, 7, b"first"), Relation::New);
        assert_eq!(index.relation(1, 7, b""), Relation::New);
    }
}
