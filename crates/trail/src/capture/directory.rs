//! What lies in a directory of logs.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A file of a directory.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: PathBuf,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) changed: i128,
}

/// The regular files of a directory that may be logs: not hidden, not compressed, not the server's own notes.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<Seen>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if !may_be_a_log(&path) {
            continue;
        }
        // A file may go between listing and looking.
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => files.push(seen(path, &metadata)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

pub(crate) fn seen(path: PathBuf, metadata: &Metadata) -> Seen {
    Seen {
        path,
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        changed: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
    }
}

fn may_be_a_log(path: &Path) -> bool {
    const OTHERS: [&str; 9] = ["gz", "zst", "xz", "bz2", "lz4", "zip", "part", "swp", "tmp"];
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("");
    let ending = path.extension().and_then(|ending| ending.to_str());
    let other = ending.is_some_and(|ending| OTHERS.contains(&ending.to_ascii_lowercase().as_str()));
    // A name that is no UTF-8 is a name.
    let hidden =
        name.starts_with('.') || name == "current_logfiles" || name == "current_logfiles.tmp";
    !other && !hidden
}

/// The files that `current_logfiles` names, as names below any directory. Empty when it cannot be read: it is a hint.
pub(crate) fn current(path: &Path) -> Vec<std::ffi::OsString> {
    let Ok(text) = fs::read_to_string(path) else {
        return Vec::new();
    };
    text.lines()
        .filter_map(|line| Path::new(line.split_once(' ')?.1).file_name())
        .map(ToOwned::to_owned)
        .collect()
}
