//! Writing a report: the whole file or the old one, never half.

use crate::failure::{Doing, Failure, OrHint};
use std::io::Write;
use std::path::Path;

const HINT: &str = "name a file in a directory that exists and that you may write to";

/// Writes beside the file, then moves it into place. Something that is no regular file (`/dev/stdout`, a pipe) is written to.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let what = || format!("{} could not be written", path.display());
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return std::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(bytes))
            .doing(what)
            .or_hint(HINT);
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    let temporary = folder.join(name);
    let written = std::fs::File::create_new(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // The part is of no use to anybody; the error that matters is the one above.
        let _ = std::fs::remove_file(&temporary);
    }
    written.doing(what).or_hint(HINT)
}

#[cfg(test)]
mod tests {
    use super::write_atomically;

    #[test]
    fn the_old_file_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write_atomically(&path, b"old").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no part is left"
        );
        assert!(write_atomically(&folder.path().join("no/such/report"), b"x").is_err());
    }
}
