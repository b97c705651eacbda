//! What is done and what is about to be done, on the disk before it is done.
//!
//! One JSON object a line. A line is on the disk before the act that it announces begins; a line that was cut short by a crash
//! announces an act that never began, and is forgotten.

use crate::request::{FaultHook, Point};
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const FILE: &str = "journal.jsonl";

/// One line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub(crate) enum Entry {
    /// Applying begins. What stands before it in the journal was undone.
    Begun {
        schema: String,
        tool: String,
        plan: String,
        system_identifier: String,
        at: String,
    },
    /// Applying goes on.
    Resumed { at: String },
    /// Taking back begins, or goes on.
    Undoing { at: String },
    /// A step is about to begin.
    Started {
        changes: Vec<String>,
        undo: bool,
        at: String,
    },
    /// A transaction is about to be committed.
    Committing { changes: Vec<String>, xid: String },
    /// A file's old text is kept in the folder.
    Kept {
        change: String,
        path: String,
        sha256: String,
    },
    /// What `postgresql.auto.conf` says of a parameter that is about to be set.
    Setting {
        change: String,
        name: String,
        before: Option<String>,
    },
    /// A key and certificates are about to be written.
    Certificate { change: String, places: Places },
    /// New rules were shown to let in whom they must.
    Proved { changes: Vec<String> },
    /// A restart is due.
    Restarting {
        change: String,
        /// When the server that has to be restarted was started, as it says.
        started: String,
    },
    /// A step is done.
    Done {
        changes: Vec<String>,
        undo: bool,
        at: String,
    },
    /// A step was not done, and nothing of it is left.
    Failed {
        changes: Vec<String>,
        undo: bool,
        why: String,
        at: String,
    },
    /// A change is not taken back.
    NotUndone { change: String, why: String },
    /// Everything is done.
    Applied { at: String },
    /// Everything that can be is taken back.
    Undone { at: String },
}

/// The files of a certificate.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Places {
    pub(crate) key: Place,
    pub(crate) certificate: Place,
    pub(crate) authority: Place,
}

/// A file that is about to be written.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    /// The name that the file that stands there gets; `None`: there is none.
    pub(crate) before: Option<PathBuf>,
    /// Of what is written, hex; none of a key, of which nothing is told.
    pub(crate) sha256: Option<String>,
}

/// The schema of the entries.
pub(crate) const SCHEMA: &str = "pgattest/journal/v1";

/// A fault of the journal or of its folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A file operation failed.
    #[error("cannot {action} `{}`", .path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A line, not the last one, is no entry.
    #[error("line {line} of `{}` is no entry of a journal; somebody changed it", .path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// Another process uses the folder.
    #[error("another process is using `{}`", .path.display())]
    Locked {
        /// The journal.
        path: PathBuf,
    },
}

/// An open journal, locked until it is dropped.
pub(crate) struct Journal {
    folder: PathBuf,
    file: File,
    faults: Option<FaultHook>,
    pub(crate) entries: Vec<Entry>,
}

impl Journal {
    /// Opens it, and makes folder and file if missing.
    pub(crate) fn open(folder: &Path, faults: Option<FaultHook>) -> Result<Self, JournalError> {
        let path = folder.join(FILE);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed("make the folder", folder))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Locked { path }),
            Err(TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
        }
        sync(folder)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(failed("read", &path))?;
        let (entries, whole) = parse(&bytes, &path)?;
        // What a crash cut short never announced anything.
        file.set_len(whole).map_err(failed("shorten", &path))?;
        file.seek(SeekFrom::Start(whole))
            .map_err(failed("shorten", &path))?;
        Ok(Self {
            folder: folder.to_owned(),
            file,
            faults,
            entries,
        })
    }

    /// Adds a line, and returns when it is on the disk.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<(), JournalError> {
        let path = self.folder.join(FILE);
        let mut line = serde_json::to_vec(&entry)
            .map_err(|error| failed("write", &path)(io::Error::other(error)))?;
        line.push(b'\n');
        let of = entry.word();
        let length = self
            .file
            .stream_position()
            .map_err(failed("write", &path))?;
        let (first, second) = line.split_at(line.len() / 2);
        let written = self
            .point("before the journal's line", of)
            .and_then(|()| self.file.write_all(first))
            .and_then(|()| self.point("in the middle of the journal's line", of))
            .and_then(|()| self.file.write_all(second))
            .and_then(|()| self.file.sync_data())
            .and_then(|()| self.point("after the journal's line", of));
        if let Err(source) = written {
            // The act that it announces does not begin: neither may the line stay.
            let _ = self.file.set_len(length);
            let _ = self.file.seek(SeekFrom::Start(length));
            return Err(failed("write", &path)(source));
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Keeps bytes in the folder, on the disk; what is kept already stays.
    pub(crate) fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), JournalError> {
        let path = self.folder.join(name);
        if path.exists() {
            return Ok(());
        }
        let unfinished = self.folder.join(format!(".{name}"));
        let write = || {
            self.point("before the backup", name)?;
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &path)?;
            self.point("after the backup", name)
        };
        write().map_err(failed("keep a copy in", &path))?;
        sync(&self.folder)
    }

    /// What [`Journal::keep`] kept.
    pub(crate) fn kept(&self, name: &str) -> Result<Vec<u8>, JournalError> {
        let path = self.folder.join(name);
        std::fs::read(&path).map_err(failed("read", &path))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn point(&self, name: &'static str, of: &str) -> io::Result<()> {
        self.faults.as_ref().map_or(Ok(()), |hook| {
            hook(&Point {
                name,
                of: of.to_owned(),
            })
        })
    }
}

/// The entries of a journal that nobody is going to write to; `None` when there is no journal.
pub(crate) fn read(folder: &Path) -> Result<Option<Vec<Entry>>, JournalError> {
    let path = folder.join(FILE);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(parse(&bytes, &path)?.0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed("read", &path)(source)),
    }
}

/// The entries, and how many bytes they take.
fn parse(bytes: &[u8], path: &Path) -> Result<(Vec<Entry>, u64), JournalError> {
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let mut entries = Vec::new();
    for (at, line) in bytes
        .get(..whole)
        .unwrap_or_default()
        .split_inclusive(|byte| *byte == b'\n')
        .enumerate()
    {
        let entry = serde_json::from_slice(line).map_err(|_| JournalError::Damaged {
            path: path.to_owned(),
            line: at + 1,
        })?;
        entries.push(entry);
    }
    Ok((entries, u64::try_from(whole).unwrap_or(u64::MAX)))
}

impl Entry {
    /// The word of its line.
    const fn word(&self) -> &'static str {
        match self {
            Self::Begun { .. } => "begun",
            Self::Resumed { .. } => "resumed",
            Self::Undoing { .. } => "undoing",
            Self::Started { .. } => "started",
            Self::Committing { .. } => "committing",
            Self::Kept { .. } => "kept",
            Self::Setting { .. } => "setting",
            Self::Certificate { .. } => "certificate",
            Self::Proved { .. } => "proved",
            Self::Restarting { .. } => "restarting",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::NotUndone { .. } => "not-undone",
            Self::Applied { .. } => "applied",
            Self::Undone { .. } => "undone",
        }
    }
}

fn sync(folder: &Path) -> Result<(), JournalError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed("flush the folder", folder))
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, parse};
    use std::path::Path;

    #[test]
    fn a_line_cut_short_is_forgotten_and_a_changed_one_is_an_error() {
        let whole = b"{\"entry\":\"applied\",\"at\":\"x\"}\n";
        let cut: Vec<u8> = [&whole[..], &whole[..9]].concat();
        let (entries, length) = parse(&cut, Path::new("j")).unwrap();
        assert_eq!(entries, [Entry::Applied { at: "x".to_owned() }]);
        assert_eq!(length, whole.len() as u64);
        let changed: Vec<u8> = [&whole[..9], b"\n", whole].concat();
        assert!(parse(&changed, Path::new("j")).is_err());
        assert_eq!(parse(b"", Path::new("j")).unwrap(), (vec![], 0));
    }
}
