//! The files of an archive, on a local directory or on S3. A file is there for readers whole or not at all.
//!
//! Every point at which a machine can stop, a disk can be full or S3 can fail is announced to a hook first, so that tests can stop
//! there.

mod local;
mod reading;
mod s3;

pub use reading::{Reading, Traffic};

use crate::error::ArchiveError;
use crate::location::{Location, Place};
use local::Local;
use pgattest_evidence::{DiskStep, FaultHook};
use s3::S3;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// An instance's files.
#[derive(Clone)]
pub struct Store {
    kind: Kind,
    steps: Steps,
}

#[derive(Clone)]
enum Kind {
    Local(Local),
    S3(Arc<S3>),
}

/// A file and its size.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Entry {
    /// Relative to the store, with `/`.
    pub path: String,
    /// Bytes.
    pub size: u64,
}

/// Held by the one writer, until it is dropped. It ends with its process, on S3 a while later.
pub struct Lock(#[expect(dead_code, reason = "it is held, not looked at")] Held);

enum Held {
    Local(#[expect(dead_code, reason = "the lock is on it")] File),
    S3(#[expect(dead_code, reason = "dropping it releases it")] Arc<s3::Lease>),
}

impl Store {
    /// The store in this directory, which need not be there yet.
    pub fn new(root: &Path) -> Self {
        Self {
            kind: Kind::Local(Local::new(root)),
            steps: Steps::default(),
        }
    }

    /// The store of an instance's folder at this place.
    pub fn at(place: &Place, folder: &str) -> Result<Self, ArchiveError> {
        Ok(match &place.location {
            Location::Directory(root) => Self::new(&root.join(folder)),
            Location::S3 { bucket, prefix } => Self {
                kind: Kind::S3(Arc::new(S3::open(
                    bucket,
                    &format!("{prefix}{folder}/"),
                    &place.s3,
                )?)),
                steps: Steps::default(),
            },
        })
    }

    /// The folders at this place, in the order of names.
    pub(crate) fn folders(place: &Place) -> Result<Vec<String>, ArchiveError> {
        match &place.location {
            Location::Directory(root) => local::folders(root),
            Location::S3 { bucket, prefix } => S3::open(bucket, prefix, &place.s3)?.folders(),
        }
    }

    /// The same, announcing each step.
    #[must_use]
    pub fn with_hook(mut self, hook: FaultHook) -> Self {
        self.steps = Steps(Some(hook));
        self
    }

    /// The same, taking a lock on S3 for this long at a time. A local lock ends with its process.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        if let Kind::S3(s3) = &self.kind {
            self.kind = Kind::S3(Arc::new(s3.with_lease(lease)));
        }
        self
    }

    /// The same, whose requests to S3 are no longer waited for once this says so.
    #[must_use]
    pub fn stopping_when(self, is_stopped: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        if let Kind::S3(s3) = &self.kind {
            s3.stop_when(Box::new(is_stopped));
        }
        self
    }

    /// The directory; `None`: it is on S3.
    pub fn directory(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Local(local) => Some(local.root()),
            Kind::S3(_) => None,
        }
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        match &self.kind {
            Kind::Local(local) => local.root().display().to_string(),
            Kind::S3(s3) => s3.place(),
        }
    }

    /// What was read over the network so far; `None`: it is a directory.
    pub fn traffic(&self) -> Option<Traffic> {
        match &self.kind {
            Kind::Local(_) => None,
            Kind::S3(s3) => Some(s3.traffic()),
        }
    }

    /// Every file in it, in the order of paths; unfinished ones, too.
    pub fn list(&self) -> Result<Vec<Entry>, ArchiveError> {
        let mut entries = match &self.kind {
            Kind::Local(local) => local.list()?,
            Kind::S3(s3) => s3.list()?,
        };
        entries.sort();
        Ok(entries)
    }

    /// Opens a file of which parts are read.
    pub fn open(&self, path: &str) -> Result<Reading, ArchiveError> {
        match &self.kind {
            Kind::Local(local) => Ok(Reading::of_file(local.open(path)?)),
            Kind::S3(s3) => s3.open_object(path).map(Reading::of_object),
        }
    }

    /// Opens a file of which everything is read.
    pub fn open_whole(&self, path: &str) -> Result<Reading, ArchiveError> {
        match &self.kind {
            Kind::Local(local) => Ok(Reading::of_file(local.open(path)?)),
            Kind::S3(s3) => s3.fetch(path).map(Reading::of_file),
        }
    }

    /// Reads a small file; `None` when it is not there.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        match &self.kind {
            Kind::Local(local) => local.read(path),
            Kind::S3(s3) => Ok(s3.read(path)?.map(|found| found.bytes)),
        }
    }

    /// Begins a file that is not there for readers before [`Self::publish`].
    pub(crate) fn begin(&self, name: &str) -> Result<Unfinished, ArchiveError> {
        let (file, path) = match &self.kind {
            Kind::Local(local) => local.begin(name, &self.steps)?,
            Kind::S3(_) => s3::spool(name, &self.steps)?,
        };
        Ok(Unfinished {
            file,
            path,
            steps: self.steps.clone(),
        })
    }

    /// Waits until the file is on the disk.
    pub(crate) fn flush(&self, unfinished: &Unfinished) -> Result<(), ArchiveError> {
        self.steps.step("flush", &unfinished.path)?;
        match &self.kind {
            Kind::Local(_) => unfinished
                .file
                .sync_all()
                .map_err(disk("flush", &unfinished.path)),
            // It is sent from here, and is worth nothing afterwards.
            Kind::S3(_) => Ok(()),
        }
    }

    /// Gives a flushed file its name, over one that may be there.
    pub(crate) fn publish(&self, unfinished: &Unfinished, path: &str) -> Result<(), ArchiveError> {
        match &self.kind {
            Kind::Local(local) => local.publish(&unfinished.path, path, &self.steps),
            Kind::S3(s3) => s3.publish(&unfinished.file, &unfinished.path, path, &self.steps),
        }
    }

    /// Removes a file; one that is not there is removed already. Its folder goes with the last file.
    pub(crate) fn remove(&self, path: &str) -> Result<(), ArchiveError> {
        match &self.kind {
            Kind::Local(local) => local.remove(path, &self.steps),
            Kind::S3(s3) => s3.remove(path, &self.steps),
        }
    }

    /// Adds a line to a file and waits until it is durable. A line that a crash cut short stays a line of its own.
    pub(crate) fn append(&self, path: &str, line: &str) -> Result<(), ArchiveError> {
        match &self.kind {
            Kind::Local(local) => local.append(path, line, &self.steps),
            Kind::S3(s3) => s3.append(path, line, &self.steps),
        }
    }

    /// Gives up what a run that ended had begun to send and never finished: what it was to become. Only the holder of the lock may.
    pub(crate) fn give_up_begun(&self) -> Result<Vec<String>, ArchiveError> {
        match &self.kind {
            Kind::Local(_) => Ok(Vec::new()),
            Kind::S3(s3) => s3.give_up_begun(&self.steps),
        }
    }

    /// Becomes the one writer.
    pub(crate) fn lock(&self) -> Result<Lock, ArchiveError> {
        match &self.kind {
            Kind::Local(local) => Ok(Lock(Held::Local(local.lock()?))),
            Kind::S3(s3) => Ok(Lock(Held::S3(s3.lock(&self.steps)?))),
        }
    }
}

/// A file that is being written. What is written to it goes to the disk with every call: buffer it.
pub(crate) struct Unfinished {
    file: File,
    path: PathBuf,
    steps: Steps,
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.steps.announce("write", &self.path)?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whom each step is announced to.
#[derive(Clone, Default)]
struct Steps(Option<FaultHook>);

impl Steps {
    fn step(&self, action: &'static str, path: &Path) -> Result<(), ArchiveError> {
        self.announce(action, path).map_err(disk(action, path))
    }

    fn announce(&self, action: &'static str, path: &Path) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |hook| {
            hook(&DiskStep {
                action,
                path: path.to_owned(),
            })
        })
    }
}

pub(crate) fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |source| ArchiveError::Disk {
        action,
        path,
        source,
    }
}
