//! Durable writing: what is said to be written is on the disk, whole.
//!
//! Every point at which a machine can stop, or a disk can be full, is announced to
//! a hook first, so that tests can stop there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One point of writing, about to be passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is about to be done.
    pub action: &'static str,
    /// To what.
    pub path: PathBuf,
}

/// Called before each [`Step`]; an error is taken as the step's own.
pub type FaultHook = Arc<dyn Fn(&Step) -> io::Result<()> + Send + Sync>;

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", .path.display())]
pub struct DiskError {
    /// What was being done.
    pub action: &'static str,
    /// To what.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

/// Who may read a new file.
#[derive(Clone, Copy, Debug)]
pub enum Access {
    /// Its owner only.
    Private,
    /// Whoever the process's umask and the folder allow.
    Default,
}

/// The disk, and who is told before each step.
#[derive(Clone, Default)]
pub struct Disk {
    hook: Option<FaultHook>,
}

impl Disk {
    /// A disk that calls `hook` before each step. For tests.
    pub fn with_hook(hook: FaultHook) -> Self {
        Self { hook: Some(hook) }
    }

    /// Makes a folder and those above it, readable by their owner only.
    pub fn create_folders(&self, path: &Path) -> Result<(), DiskError> {
        let missing: Vec<&Path> = path
            .ancestors()
            .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
            .collect();
        for folder in missing.into_iter().rev() {
            self.step("create the folder", folder, || {
                match DirBuilder::new().mode(0o700).create(folder) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                    other => other,
                }
            })?;
            self.sync_folder(parent(folder))?;
        }
        Ok(())
    }

    /// Writes a file that must not exist, and waits until it is on the disk.
    pub fn write_new(&self, path: &Path, bytes: &[u8], access: Access) -> Result<(), DiskError> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        self.write(path, bytes, options, access)
    }

    /// Writes a file, over what is there, and waits until it is on the disk. What
    /// was there is lost before the new content is whole.
    pub fn write_over(&self, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        self.write(path, bytes, options, Access::Default)
    }

    fn write(
        &self,
        path: &Path,
        bytes: &[u8],
        mut options: OpenOptions,
        access: Access,
    ) -> Result<(), DiskError> {
        options.mode(match access {
            Access::Private => 0o600,
            Access::Default => 0o666,
        });
        let mut file = self.step("create", path, || options.open(path))?;
        let (first, second) = bytes.split_at(bytes.len() / 2);
        self.step("write", path, || file.write_all(first))?;
        self.step("write the rest of", path, || file.write_all(second))?;
        self.step("flush", path, || file.sync_all())
    }

    /// Waits until what a folder lists is on the disk.
    pub fn sync_folder(&self, path: &Path) -> Result<(), DiskError> {
        // An empty path is the working folder, which cannot be opened by that name.
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        self.step("flush the folder", path, || File::open(path)?.sync_all())
    }

    /// Moves a file over another one, at once.
    pub fn replace(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.step("move into place", to, || fs::rename(from, to))?;
        self.sync_folder(parent(to))
    }

    /// Moves a file to a name that nothing has, at once.
    pub fn publish(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.step("move into place", to, || match fs::hard_link(from, to) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // A file system without hard links.
            Err(_) if !to.try_exists()? => fs::rename(from, to),
            Err(error) => Err(error),
        })?;
        self.sync_folder(parent(to))?;
        match self.step("remove", from, || fs::remove_file(from)) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// One step of the caller's own: announced, then done, and its error given the place it happened at.
    pub fn step<T>(
        &self,
        action: &'static str,
        path: &Path,
        act: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, DiskError> {
        let announce = || match &self.hook {
            None => Ok(()),
            Some(hook) => hook(&Step {
                action,
                path: path.to_owned(),
            }),
        };
        announce().and_then(|()| act()).map_err(|source| DiskError {
            action,
            path: path.to_owned(),
            source,
        })
    }
}

/// The folder that a path is in.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Eight random hexadecimal digits, to name a file that nothing else names.
pub(crate) fn random_name() -> io::Result<String> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(io::Error::from)?;
    Ok(hex::encode(bytes))
}
