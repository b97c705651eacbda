//! `JOURNAL/inbox/`: what other programs of this machine hand to the collector.
//!
//! `*.json` are leaves. A file appears whole or not at all (written beside, flushed, renamed). The collector takes it into the tree, and removes it
//! once the commit is durable: [`pending`], `Journal::note`, `Journal::commit`, [`Pending::done`]. A crash in between adds the
//! leaf once more, which says the same thing twice; readers go by the canary's mark.
//!
//! Only canaries come in this way. Whoever may write here could otherwise speak in the collector's name.
//!
//! `*.request` are what an operator asks of the collector ([`request`]): a legal hold, a pruning, to record files of the archive.

pub mod request;

use crate::journal::JournalError;
use crate::leaf::Leaf;
use crate::operate::{Phase, Stop};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked whether the collector has done something.
const LOOK: Duration = Duration::from_millis(100);

/// A leaf is below 65,535 bytes; so is a file of the inbox.
const LONGEST: u64 = 65_535;

/// A leaf that waits to be taken.
#[derive(Debug)]
pub struct Pending {
    /// What it says.
    pub leaf: Leaf,
    path: PathBuf,
}

impl Pending {
    /// Removes it. To be called when the commit that has it is durable.
    pub fn done(self) -> Result<(), JournalError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(disk("remove", &self.path, error))
            }
            _ => Ok(()),
        }
    }
}

/// What waits in the inbox of a journal.
#[derive(Debug, Default)]
pub struct Waiting {
    /// In the order of their names, which is that of their times.
    pub leaves: Vec<Pending>,
    /// Files that are no canaries, with the reason. They are renamed to `*.refused`, so that they are looked at once.
    pub refused: Vec<(PathBuf, String)>,
}

/// Looks into the inbox. There is none: nothing waits.
pub fn pending(journal: &Path) -> Result<Waiting, JournalError> {
    let dir = journal.join("inbox");
    let entries = match fs::read_dir(&dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Waiting::default());
        }
        other => other.map_err(|error| disk("read", &dir, error))?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| disk("read", &dir, error))?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut waiting = Waiting::default();
    for path in paths {
        match read(&path) {
            Ok(leaf) => waiting.leaves.push(Pending { leaf, path }),
            Err(reason) => {
                let aside = path.with_extension("refused");
                fs::rename(&path, &aside).map_err(|error| disk("rename", &path, error))?;
                waiting.refused.push((path, reason));
            }
        }
    }
    Ok(waiting)
}

/// Hands a canary to the collector of this journal; where it was put. `name` makes the file's name: the time, the mark.
pub fn hand_in(journal: &Path, name: &str, leaf: &Leaf) -> Result<PathBuf, JournalError> {
    let bytes = serde_json::to_vec(leaf)
        .map_err(|error| disk("write", journal, std::io::Error::other(error)))?;
    put(&open(journal)?, &format!("{name}.json"), &bytes)
}

/// Waits until the collector has sealed what was handed in, for so long at most. Whether it has.
pub fn wait_until_taken(files: &[PathBuf], longest: Duration) -> bool {
    let began = Instant::now();
    let clock = Stop::default();
    while files.iter().any(|file| file.exists()) {
        if began.elapsed() >= longest {
            return false;
        }
        clock.wait(Phase::Running, LOOK);
    }
    true
}

/// The inbox of this journal, made when it is not there.
pub(crate) fn open(journal: &Path) -> Result<PathBuf, JournalError> {
    let dir = journal.join("inbox");
    match fs::DirBuilder::new().mode(0o700).create(&dir) {
        Ok(()) => give(&dir, journal)?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(disk("create", &dir, error)),
    }
    Ok(dir)
}

/// Puts a file into a folder, whole or not at all, readable by the folder's owner. Where it is then.
fn put(dir: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, JournalError> {
    let (path, beside) = (dir.join(name), dir.join(format!("{name}.tmp")));
    write(&beside, bytes).map_err(|error| disk("write", &beside, error))?;
    give(&beside, dir)?;
    fs::rename(&beside, &path).map_err(|error| disk("rename", &beside, error))?;
    fs::File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| disk("flush", dir, error))?;
    Ok(path)
}

/// Gives what root made in a collector's folder to the folder's owner, who could not read it otherwise.
fn give(path: &Path, folder: &Path) -> Result<(), JournalError> {
    let owner = |path: &Path| {
        fs::metadata(path)
            .map(|metadata| (metadata.uid(), metadata.gid()))
            .map_err(|error| disk("look at", path, error))
    };
    let (own, (uid, gid)) = (owner(path)?, owner(folder)?);
    if own.0 == 0 && uid != 0 {
        std::os::unix::fs::chown(path, Some(uid), Some(gid))
            .map_err(|error| disk("give away", path, error))?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // What lies there may be a link to something else.
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The bytes of a file that anybody may have put there, and whose it is.
fn read_bytes(path: &Path) -> Result<(Vec<u8>, u32), String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let file = match opened {
        Err(Errno::LOOP) => return Err("it is no regular file".to_owned()),
        other => fs::File::from(other.map_err(|error| error.to_string())?),
    };
    // Of the open file, so that what is looked at is what is read.
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    Ok((bytes, metadata.uid()))
}

fn read(path: &Path) -> Result<Leaf, String> {
    let (bytes, _) = read_bytes(path)?;
    match serde_json::from_slice(&bytes) {
        Ok(leaf @ Leaf::Canary { .. }) => Ok(leaf),
        Ok(_) => Err("only a canary may be handed in".to_owned()),
        Err(error) => Err(format!("it is no leaf: {error}")),
    }
}

fn disk(action: &'static str, path: &Path, source: std::io::Error) -> JournalError {
    JournalError::Disk {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::{hand_in, pending};
    use crate::leaf::Leaf;

    fn canary() -> Leaf {
        Leaf::Canary {
            at: 1,
            mark: "m".to_owned(),
            class: "ddl".to_owned(),
            place: "journal".to_owned(),
            found: true,
            system_identifier: Some("7123456789012345678".to_owned()),
        }
    }

    #[test]
    fn a_canary_waits_until_it_is_taken() {
        let journal = tempfile::tempdir().unwrap();
        assert!(pending(journal.path()).unwrap().leaves.is_empty());
        hand_in(journal.path(), "2-b", &canary()).unwrap();
        hand_in(journal.path(), "1-a", &canary()).unwrap();
        let waiting = pending(journal.path()).unwrap();
        assert_eq!(waiting.leaves.len(), 2);
        assert_eq!(
            pending(journal.path()).unwrap().leaves.len(),
            2,
            "a crash before the commit loses none"
        );
        for one in waiting.leaves {
            assert_eq!(one.leaf, canary());
            one.done().unwrap();
        }
        assert!(pending(journal.path()).unwrap().leaves.is_empty());
    }

    #[test]
    fn nobody_speaks_in_the_collectors_name() {
        let journal = tempfile::tempdir().unwrap();
        hand_in(journal.path(), "1", &Leaf::Heartbeat { at: 1 }).unwrap();
        let inbox = journal.path().join("inbox");
        std::fs::write(inbox.join("2.json"), "{").unwrap();
        std::fs::write(inbox.join("3.json"), vec![b' '; 70_000]).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", inbox.join("4.json")).unwrap();
        std::fs::write(inbox.join("5.tmp"), "half").unwrap();
        let waiting = pending(journal.path()).unwrap();
        assert!(waiting.leaves.is_empty());
        assert_eq!(waiting.refused.len(), 4);
        assert!(
            pending(journal.path()).unwrap().refused.is_empty(),
            "each is looked at once"
        );
    }
}
