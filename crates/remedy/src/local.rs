//! Files of the server that are on this machine.

use crate::error::ApplyError;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

/// What a file holds.
pub(crate) fn read(path: &str) -> Result<Vec<u8>, ApplyError> {
    std::fs::read(path).map_err(failed("read", path))
}

/// Puts another text in a file's place: whoever opens it gets the old text or the new one. Owner, group and mode stay; a
/// symbolic link stays, and what it leads to is replaced.
pub(crate) fn replace(path: &str, bytes: &[u8]) -> Result<(), ApplyError> {
    let act = || {
        let real = Path::new(path).canonicalize()?;
        let unfinished = beside(&real, ".", ".pgattest-new")?;
        write_like(&real, &unfinished, bytes)?;
        std::fs::rename(&unfinished, &real)?;
        sync_folder(&real)
    };
    act().map_err(failed("replace", path))
}

/// Keeps a copy beside a file, under a name that `include_dir` does not read.
pub(crate) fn keep_beside(path: &str, name: &str, bytes: &[u8]) -> Result<(), ApplyError> {
    let act = || {
        let real = Path::new(path).canonicalize()?;
        let copy = beside(&real, "", name)?;
        write_like(&real, &copy, bytes)?;
        sync_folder(&real)
    };
    act().map_err(failed("keep a copy beside", path))
}

/// Whether a file could be replaced: tried with one that nobody reads.
pub(crate) fn can_replace(path: &str) -> Result<(), ApplyError> {
    let act = || {
        let real = Path::new(path).canonicalize()?;
        let trial = beside(&real, ".", ".pgattest-trial")?;
        let written = write_like(&real, &trial, b"");
        let _ = std::fs::remove_file(&trial);
        written
    };
    act().map_err(failed("replace", path))
}

fn beside(real: &Path, before: &str, after: &str) -> io::Result<PathBuf> {
    let name = real
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_os_string();
    let mut other = std::ffi::OsString::from(before);
    other.push(name);
    other.push(after);
    Ok(real.with_file_name(other))
}

/// Writes a file with the owner and mode of another, through to the disk.
fn write_like(model: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let like = std::fs::metadata(model)?;
    let _ = std::fs::remove_file(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
        fchown(&file, Some(like.uid()), Some(like.gid()))?;
    }
    file.set_permissions(std::fs::Permissions::from_mode(like.mode() & 0o7777))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = std::fs::remove_file(path);
    }
    written
}

fn sync_folder(of: &Path) -> io::Result<()> {
    match of.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn failed(action: &'static str, path: &str) -> impl FnOnce(io::Error) -> ApplyError {
    let path = path.to_owned();
    move |source| ApplyError::File {
        action,
        path,
        source,
    }
}
