//! The files of the directories, and what is known of each.

use super::directory::Seen;
use super::tail::Tail;
use crate::block::FileId;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Device and inode.
pub(crate) type Inode = (u64, u64);

/// In which order files are read: first seen first; of those seen at the same time, the one that changed first. Not by the clock
/// alone, which may be set back while files are written.
pub(crate) type Order = (u64, i128, PathBuf);

/// Files of one destination: of them the last one is written to, all others were rotated away.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Family {
    dir: PathBuf,
    ending: OsString,
}

impl Family {
    pub(crate) fn of(path: &Path) -> Self {
        Self {
            dir: path.parent().unwrap_or(Path::new("")).to_owned(),
            ending: path.extension().unwrap_or_default().to_ascii_lowercase(),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

/// What is done with a file.
#[derive(Debug)]
pub(crate) enum State {
    /// Nothing yet.
    Waiting,
    /// It is read.
    Open(Box<Tail>),
    /// It was read to its end and has not changed since.
    Closed { id: Option<FileId> },
    /// Another file with the same content is read.
    Copy(FileId),
    /// No log.
    Foreign,
    /// It cannot be read; said once.
    Unreadable,
}

/// A file.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) seen: Seen,
    pub(crate) order: Order,
    pub(crate) family: Family,
    pub(crate) state: State,
    /// No name leads to it any more.
    pub(crate) unlinked: bool,
}

impl Entry {
    /// Bytes that were not read, as far as is known.
    pub(crate) fn backlog(&self) -> u64 {
        match &self.state {
            State::Open(tail) => self.seen.size.saturating_sub(tail.position()),
            State::Waiting | State::Unreadable => self.seen.size,
            State::Closed { .. } | State::Copy(_) | State::Foreign => 0,
        }
    }

    /// Whether it is one of the files that the server wrote, as far as is known.
    fn counts(&self) -> bool {
        !matches!(self.state, State::Copy(_) | State::Foreign)
    }
}

/// All files.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) entries: BTreeMap<Inode, Entry>,
}

impl Files {
    /// Adds a file that was not seen before.
    pub(crate) fn add(&mut self, seen: Seen, scan: u64) {
        let inode = (seen.device, seen.inode);
        let entry = Entry {
            order: (scan, seen.changed, seen.path.clone()),
            family: Family::of(&seen.path),
            seen,
            state: State::Waiting,
            unlinked: false,
        };
        self.entries.insert(inode, entry);
    }

    /// Whether a later file of the same family exists, so that the server writes to this one no longer.
    pub(crate) fn is_rotated(&self, inode: Inode) -> bool {
        let Some(entry) = self.entries.get(&inode) else {
            return false;
        };
        self.entries.values().any(|other| {
            other.counts() && other.family == entry.family && other.order > entry.order
        })
    }

    /// The files in the order they are to be read in.
    pub(crate) fn in_order(&self) -> Vec<Inode> {
        let mut files: Vec<(&Order, Inode)> = self
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry.state, State::Waiting | State::Open(_)))
            .map(|(inode, entry)| (&entry.order, *inode))
            .collect();
        files.sort();
        files.into_iter().map(|(_, inode)| inode).collect()
    }

    pub(crate) fn open_files(&self) -> usize {
        let open = |entry: &&Entry| matches!(entry.state, State::Open(_));
        self.entries.values().filter(open).count()
    }

    /// A file with the content of this one, of at least this length.
    pub(crate) fn copy_of(&self, id: &FileId, at_least: u64) -> Option<Inode> {
        self.entries
            .iter()
            .filter(|(_, entry)| matches!(&entry.state, State::Copy(of) if of == id))
            .filter(|(_, entry)| entry.seen.size >= at_least)
            .max_by_key(|(_, entry)| entry.seen.size)
            .map(|(inode, _)| *inode)
    }

    /// Whether the file that a copy was made of is still read or was read.
    pub(crate) fn has_original(&self, id: &FileId) -> bool {
        self.entries.values().any(|entry| match &entry.state {
            State::Open(tail) => tail.id.as_ref() == Some(id),
            State::Closed { id: Some(closed) } => closed == id,
            _ => false,
        })
    }
}
