//! The files of an archive on a local directory: written to a name that nobody reads, flushed, then moved into place.
//!
//! Every point at which a machine can stop, or a disk can be full, is announced to a hook first, so that tests can stop there.

use crate::error::ArchiveError;
use crate::name::UNFINISHED;
use pgattest_evidence::{DiskStep, FaultHook};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A directory with an instance's files.
#[derive(Clone)]
pub struct Store {
    root: PathBuf,
    hook: Option<FaultHook>,
}

/// A file and its size.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Entry {
    /// Relative to the store, with `/`.
    pub path: String,
    /// Bytes.
    pub size: u64,
}

/// Held by the one writer, until it is dropped or its process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Store {
    /// The store in this directory, which need not be there yet.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            hook: None,
        }
    }

    /// The same, announcing each step.
    #[must_use]
    pub fn with_hook(mut self, hook: FaultHook) -> Self {
        self.hook = Some(hook);
        self
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every file in it, in the order of paths; unfinished ones, too.
    pub fn list(&self) -> Result<Vec<Entry>, ArchiveError> {
        let mut entries = Vec::new();
        for (name, kind) in folder(&self.root)? {
            if kind.is_dir() {
                for (inner, inner_kind) in folder(&self.root.join(&name))? {
                    if inner_kind.is_file() {
                        entries.push(self.entry(format!("{name}/{inner}"))?);
                    }
                }
            } else if kind.is_file() {
                entries.push(self.entry(name)?);
            }
        }
        entries.sort();
        Ok(entries)
    }

    fn entry(&self, path: String) -> Result<Entry, ArchiveError> {
        let at = self.root.join(&path);
        let size = fs::metadata(&at).map_err(disk("look at", &at))?.len();
        Ok(Entry { path, size })
    }

    /// Opens a file for reading.
    pub fn open(&self, path: &str) -> Result<File, ArchiveError> {
        let at = self.root.join(path);
        File::open(&at).map_err(disk("open", &at))
    }

    /// Reads a small file; `None` when it is not there.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        let at = self.root.join(path);
        match fs::read(&at) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk("read", &at)(error)),
        }
    }

    /// Begins a file that is not there for readers before [`Self::publish`].
    pub(crate) fn begin(&self, name: &str) -> Result<Unfinished, ArchiveError> {
        fs::create_dir_all(&self.root).map_err(disk("create the folder", &self.root))?;
        let path = self.root.join(format!("{UNFINISHED}{name}"));
        self.step("create", &path)?;
        let file = File::create(&path).map_err(disk("create", &path))?;
        Ok(Unfinished {
            file,
            path,
            hook: self.hook.clone(),
        })
    }

    /// Waits until the file is on the disk.
    pub(crate) fn flush(&self, unfinished: &Unfinished) -> Result<(), ArchiveError> {
        self.step("flush", &unfinished.path)?;
        let done = unfinished.file.sync_all();
        done.map_err(disk("flush", &unfinished.path))
    }

    /// Moves a flushed file to its name, over one that may be there.
    pub(crate) fn publish(&self, unfinished: &Unfinished, path: &str) -> Result<(), ArchiveError> {
        let to = self.root.join(path);
        let folder = to.parent().unwrap_or(&self.root).to_owned();
        if !folder.exists() {
            self.step("create the folder", &folder)?;
            fs::create_dir_all(&folder).map_err(disk("create the folder", &folder))?;
            self.flush_folder(&self.root)?;
        }
        self.step("move into place", &to)?;
        fs::rename(&unfinished.path, &to).map_err(disk("move into place", &to))?;
        self.flush_folder(&folder)
    }

    /// Removes a file; one that is not there is removed already. Its folder goes with the last file.
    pub(crate) fn remove(&self, path: &str) -> Result<(), ArchiveError> {
        let at = self.root.join(path);
        self.step("remove", &at)?;
        match fs::remove_file(&at) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(disk("remove", &at)(error));
            }
            _ => {}
        }
        let folder = at.parent().unwrap_or(&self.root).to_owned();
        if folder != self.root && fs::remove_dir(&folder).is_ok() {
            return self.flush_folder(&self.root);
        }
        self.flush_folder(&folder)
    }

    /// Adds a line to a file and waits until it is on the disk. A line that a crash cut short stays a line of its own.
    pub(crate) fn append(&self, path: &str, line: &str) -> Result<(), ArchiveError> {
        fs::create_dir_all(&self.root).map_err(disk("create the folder", &self.root))?;
        let at = self.root.join(path);
        let cut_short = self
            .read(path)?
            .is_some_and(|bytes| bytes.last().is_some_and(|last| *last != b'\n'));
        self.step("append to", &at)?;
        let mut text = String::new();
        if cut_short {
            text.push('\n');
        }
        text.push_str(line);
        text.push('\n');
        let appended = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&at)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            });
        appended.map_err(disk("append to", &at))?;
        self.flush_folder(&self.root)
    }

    /// Becomes the one writer.
    pub(crate) fn lock(&self) -> Result<Lock, ArchiveError> {
        fs::create_dir_all(&self.root).map_err(disk("create the folder", &self.root))?;
        let path = self.root.join(".lock");
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(disk("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(fs::TryLockError::WouldBlock) => Err(ArchiveError::Locked(self.root.clone())),
            Err(fs::TryLockError::Error(error)) => Err(disk("lock", &path)(error)),
        }
    }

    fn flush_folder(&self, folder: &Path) -> Result<(), ArchiveError> {
        self.step("flush the folder", folder)?;
        File::open(folder)
            .and_then(|file| file.sync_all())
            .map_err(disk("flush the folder", folder))
    }

    fn step(&self, action: &'static str, path: &Path) -> Result<(), ArchiveError> {
        announce(self.hook.as_ref(), action, path).map_err(disk(action, path))
    }
}

/// A file that is being written. What is written to it goes to the disk with every call: buffer it.
pub(crate) struct Unfinished {
    file: File,
    path: PathBuf,
    hook: Option<FaultHook>,
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        announce(self.hook.as_ref(), "write", &self.path)?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn announce(hook: Option<&FaultHook>, action: &'static str, path: &Path) -> io::Result<()> {
    hook.map_or(Ok(()), |hook| {
        hook(&DiskStep {
            action,
            path: path.to_owned(),
        })
    })
}

fn folder(path: &Path) -> Result<Vec<(String, fs::FileType)>, ArchiveError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(disk("list", path)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(disk("list", path))?;
        let kind = entry.file_type().map_err(disk("list", path))?;
        // A name that is no UTF-8 is not one of ours.
        if let Ok(name) = entry.file_name().into_string() {
            names.push((name, kind));
        }
    }
    Ok(names)
}

pub(crate) fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |source| ArchiveError::Disk {
        action,
        path,
        source,
    }
}
