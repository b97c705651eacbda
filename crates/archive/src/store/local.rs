//! An archive on a local directory: written to a name that nobody reads, flushed, then moved into place.

use super::{Entry, Steps, disk};
use crate::error::ArchiveError;
use crate::name::UNFINISHED;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A directory with an instance's files.
#[derive(Clone)]
pub(super) struct Local {
    root: PathBuf,
}

impl Local {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn list(&self) -> Result<Vec<Entry>, ArchiveError> {
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
        Ok(entries)
    }

    fn entry(&self, path: String) -> Result<Entry, ArchiveError> {
        let at = self.root.join(&path);
        let size = fs::metadata(&at).map_err(disk("look at", &at))?.len();
        Ok(Entry { path, size })
    }

    pub(super) fn open(&self, path: &str) -> Result<File, ArchiveError> {
        let at = self.root.join(path);
        File::open(&at).map_err(disk("open", &at))
    }

    pub(super) fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        let at = self.root.join(path);
        match fs::read(&at) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk("read", &at)(error)),
        }
    }

    /// A file of a name that nobody reads.
    pub(super) fn begin(&self, name: &str, steps: &Steps) -> Result<(File, PathBuf), ArchiveError> {
        fs::create_dir_all(&self.root).map_err(disk("create the folder", &self.root))?;
        let path = self.root.join(format!("{UNFINISHED}{name}"));
        steps.step("create", &path)?;
        let file = File::create(&path).map_err(disk("create", &path))?;
        Ok((file, path))
    }

    /// Moves a flushed file to its name, over one that may be there.
    pub(super) fn publish(
        &self,
        from: &Path,
        path: &str,
        steps: &Steps,
    ) -> Result<(), ArchiveError> {
        let to = self.root.join(path);
        let folder = to.parent().unwrap_or(&self.root).to_owned();
        if !folder.exists() {
            steps.step("create the folder", &folder)?;
            fs::create_dir_all(&folder).map_err(disk("create the folder", &folder))?;
            flush_folder(&self.root, steps)?;
        }
        steps.step("move into place", &to)?;
        fs::rename(from, &to).map_err(disk("move into place", &to))?;
        flush_folder(&folder, steps)
    }

    pub(super) fn remove(&self, path: &str, steps: &Steps) -> Result<(), ArchiveError> {
        let at = self.root.join(path);
        steps.step("remove", &at)?;
        match fs::remove_file(&at) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(disk("remove", &at)(error));
            }
            _ => {}
        }
        let folder = at.parent().unwrap_or(&self.root).to_owned();
        if folder != self.root && fs::remove_dir(&folder).is_ok() {
            return flush_folder(&self.root, steps);
        }
        flush_folder(&folder, steps)
    }

    pub(super) fn append(&self, path: &str, line: &str, steps: &Steps) -> Result<(), ArchiveError> {
        fs::create_dir_all(&self.root).map_err(disk("create the folder", &self.root))?;
        let at = self.root.join(path);
        let cut_short = self
            .read(path)?
            .is_some_and(|bytes| bytes.last().is_some_and(|last| *last != b'\n'));
        steps.step("append to", &at)?;
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
        flush_folder(&self.root, steps)
    }

    pub(super) fn lock(&self) -> Result<File, ArchiveError> {
        fs::create_dir_all(&self.root).map_err(disk("create the folder", &self.root))?;
        let path = self.root.join(".lock");
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(disk("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(ArchiveError::Locked {
                place: self.root.display().to_string(),
                who: None,
            }),
            Err(fs::TryLockError::Error(error)) => Err(disk("lock", &path)(error)),
        }
    }
}

fn flush_folder(folder: &Path, steps: &Steps) -> Result<(), ArchiveError> {
    steps.step("flush the folder", folder)?;
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(disk("flush the folder", folder))
}

/// The folders in a directory, in the order of names; none when it is not there.
pub(super) fn folders(root: &Path) -> Result<Vec<String>, ArchiveError> {
    let mut names: Vec<String> = folder(root)?.into_iter().map(|(name, _)| name).collect();
    names.sort();
    Ok(names)
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
