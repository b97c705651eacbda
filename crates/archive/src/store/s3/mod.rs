//! An archive on S3: an object a file, written by one request or by an upload in parts, so that it is there whole or not at all.
//!
//! ```text
//! PREFIX/instance=NAME/.lock              who writes, until when: `lease`
//! PREFIX/instance=NAME/_archived.jsonl    written anew with each line, only over the version that was read
//! PREFIX/instance=NAME/dt=DAY/r...parquet as on a directory
//! ```

mod client;
mod lease;
mod object;

pub(super) use client::Stopped;
pub(super) use lease::Lease;
pub(super) use object::Object;

use super::{Entry, Steps, Traffic, disk};
use crate::error::ArchiveError;
use crate::location::S3Options;
use client::Client;
use pgattest_sinks::bucket::{BucketError, Condition, Found, Part, Put, Upload};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// Bytes of a part of an upload, and the longest object that is written by one request.
const PART: usize = 16 << 20;

/// How long a lock counts from its last renewal on.
const LEASE: Duration = Duration::from_mins(1);

/// How often a line is added that somebody else's write came before.
const ATTEMPTS: usize = 3;

/// An instance's folder in a bucket.
pub(super) struct S3 {
    client: Arc<Client>,
    /// What every key begins with; ends with `/`, or is empty.
    prefix: String,
    lease: Duration,
    held: Mutex<Weak<Lease>>,
}

/// A file that is filled here before it is sent. It has no name, so that nothing is left of it when the process ends.
pub(super) fn spool(name: &str, steps: &Steps) -> Result<(File, PathBuf), ArchiveError> {
    let path = std::env::temp_dir().join(name);
    steps.step("create", &path)?;
    let file = tempfile::tempfile().map_err(disk("create", &path))?;
    Ok((file, path))
}

impl S3 {
    pub(super) fn open(
        bucket: &str,
        prefix: &str,
        options: &S3Options,
    ) -> Result<Self, ArchiveError> {
        Ok(Self {
            client: Arc::new(Client::open(bucket, options)?),
            prefix: prefix.to_owned(),
            lease: LEASE,
            held: Mutex::default(),
        })
    }

    pub(super) fn with_lease(&self, lease: Duration) -> Self {
        Self {
            client: Arc::clone(&self.client),
            prefix: self.prefix.clone(),
            lease,
            held: Mutex::default(),
        }
    }

    pub(super) fn stop_when(&self, is_stopped: Stopped) {
        self.client.stop_when(is_stopped);
    }

    pub(super) fn place(&self) -> String {
        self.named("").trim_end_matches('/').to_owned()
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.client.traffic()
    }

    fn key(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// A file as people are told of it.
    fn named(&self, path: &str) -> String {
        format!("s3://{}/{}", self.client.bucket().name(), self.key(path))
    }

    pub(super) fn folders(&self) -> Result<Vec<String>, ArchiveError> {
        let prefix = self.prefix.clone();
        let keys = self
            .client
            .wait(|bucket| async move { bucket.folders(&prefix).await })??;
        let names = keys.iter().filter_map(|key| {
            let name = key.strip_prefix(&self.prefix)?;
            Some(name.trim_end_matches('/').to_owned())
        });
        Ok(names.collect())
    }

    pub(super) fn list(&self) -> Result<Vec<Entry>, ArchiveError> {
        let prefix = self.prefix.clone();
        let listed = self
            .client
            .wait(|bucket| async move { bucket.list(&prefix).await })??;
        let entries = listed.into_iter().filter_map(|object| {
            let path = object.key.strip_prefix(&self.prefix)?;
            // As deep as a directory is looked at. A key that ends with a slash is what consoles make of an empty folder.
            let is_file =
                !path.is_empty() && !path.ends_with('/') && path.matches('/').count() <= 1;
            is_file.then(|| Entry {
                path: path.to_owned(),
                size: object.size,
            })
        });
        Ok(entries.collect())
    }

    pub(super) fn open_object(&self, path: &str) -> Result<Object, ArchiveError> {
        let key = self.key(path);
        match self.client.get(&key, Part::Last(object::TAIL), None)? {
            Some(tail) => Ok(Object::new(Arc::clone(&self.client), key, tail)),
            None => Err(disk("open", Path::new(&self.named(path)))(
                io::ErrorKind::NotFound.into(),
            )),
        }
    }

    /// All of a file, in one without a name on the local disk.
    pub(super) fn fetch(&self, path: &str) -> Result<File, ArchiveError> {
        let object = self.open_object(path)?;
        let mut file = spool(path, &Steps::default())?.0;
        let copied = object.copy_to(&mut file).and_then(|()| file.rewind());
        match copied {
            Ok(()) => Ok(file),
            Err(error) => Err(object
                .take_failure()
                .unwrap_or_else(|| disk("fetch", Path::new(&self.named(path)))(error))),
        }
    }

    pub(super) fn read(&self, path: &str) -> Result<Option<Found>, ArchiveError> {
        self.client.get(&self.key(path), Part::Whole, None)
    }

    pub(super) fn publish(
        &self,
        file: &File,
        spooled: &Path,
        path: &str,
        steps: &Steps,
    ) -> Result<(), ArchiveError> {
        let mut file = file;
        file.rewind().map_err(disk("read", spooled))?;
        let mut part = next_part(file, spooled)?;
        let named = PathBuf::from(self.named(path));
        if part.len() < PART {
            steps.step("send", &named)?;
            self.must_hold()?;
            let key = self.key(path);
            let sent: Result<Put, BucketError> = self
                .client
                .wait(|bucket| async move { bucket.put(&key, part, &Condition::Always).await })?;
            sent?;
            return Ok(());
        }
        steps.step("begin to send", &named)?;
        self.must_hold()?;
        let key = self.key(path);
        let mut upload = self
            .client
            .wait(|bucket| async move { bucket.begin_upload(&key).await })??;
        let mut size = 0;
        let sent = loop {
            if part.is_empty() {
                break self.complete(upload.clone(), size, &named, steps);
            }
            size += u64::try_from(part.len()).unwrap_or(0);
            match self.send_part(upload.clone(), part, &named, steps) {
                Ok(next) => upload = next,
                Err(error) => break Err(error),
            }
            part = match next_part(file, spooled) {
                Ok(part) => part,
                Err(error) => break Err(error),
            };
        };
        if sent.is_err() {
            // What cannot be given up now is by the next run.
            let _ = self.give_up(upload);
        }
        sent
    }

    fn send_part(
        &self,
        mut upload: Upload,
        part: Vec<u8>,
        named: &Path,
        steps: &Steps,
    ) -> Result<Upload, ArchiveError> {
        steps.step("send a part of", named)?;
        self.must_hold()?;
        let sent: Result<Upload, BucketError> = self.client.wait(|bucket| async move {
            bucket.upload(&mut upload, part).await?;
            Ok(upload)
        })?;
        Ok(sent?)
    }

    fn complete(
        &self,
        upload: Upload,
        size: u64,
        named: &Path,
        steps: &Steps,
    ) -> Result<(), ArchiveError> {
        steps.step("finish sending", named)?;
        self.must_hold()?;
        let key = upload.key.clone();
        let done: Result<(), BucketError> = self
            .client
            .wait(|bucket| async move { bucket.complete_upload(&upload).await })?;
        let Err(error) = done else {
            return Ok(());
        };
        // An answer that was lost: the upload is no more, and the object is there.
        let there = if error.code() == Some("NoSuchUpload") {
            self.client.get(&key, Part::Last(1), None)?
        } else {
            None
        };
        match there {
            Some(found) if found.size == size => Ok(()),
            _ => Err(error.into()),
        }
    }

    fn give_up(&self, upload: Upload) -> Result<(), ArchiveError> {
        let done: Result<(), BucketError> = self
            .client
            .wait(|bucket| async move { bucket.abort_upload(&upload).await })?;
        Ok(done?)
    }

    pub(super) fn give_up_begun(&self, steps: &Steps) -> Result<Vec<String>, ArchiveError> {
        self.must_hold()?;
        let prefix = self.prefix.clone();
        let begun: Result<Vec<Upload>, BucketError> = self
            .client
            .wait(|bucket| async move { bucket.uploads(&prefix).await })?;
        let mut paths = Vec::new();
        for upload in begun? {
            let path = upload.key.strip_prefix(&self.prefix).unwrap_or_default();
            let path = path.to_owned();
            steps.step("give up", Path::new(&self.named(&path)))?;
            self.give_up(upload)?;
            paths.push(path);
        }
        Ok(paths)
    }

    pub(super) fn remove(&self, path: &str, steps: &Steps) -> Result<(), ArchiveError> {
        steps.step("remove", Path::new(&self.named(path)))?;
        self.must_hold()?;
        let key = self.key(path);
        let done: Result<(), BucketError> = self
            .client
            .wait(|bucket| async move { bucket.delete(&key).await })?;
        Ok(done?)
    }

    pub(super) fn append(&self, path: &str, line: &str, steps: &Steps) -> Result<(), ArchiveError> {
        let line = format!("{line}\n");
        for attempt in 0..ATTEMPTS {
            let (mut bytes, condition) = match self.read(path)? {
                Some(found) => (found.bytes, Condition::Unchanged(found.etag)),
                None => (Vec::new(), Condition::Absent),
            };
            // The answer to the last attempt was lost.
            if attempt > 0 && bytes.ends_with(line.as_bytes()) {
                return Ok(());
            }
            if bytes.last().is_some_and(|last| *last != b'\n') {
                bytes.push(b'\n');
            }
            bytes.extend_from_slice(line.as_bytes());
            steps.step("append to", Path::new(&self.named(path)))?;
            self.must_hold()?;
            let key = self.key(path);
            let put: Result<Put, BucketError> = self
                .client
                .wait(|bucket| async move { bucket.put(&key, bytes, &condition).await })?;
            if let Put::Done(_) = put? {
                return Ok(());
            }
        }
        Err(ArchiveError::LockLost {
            place: self.place(),
            reason: format!("somebody else writes to `{}`", self.named(path)),
        })
    }

    pub(super) fn lock(&self, steps: &Steps) -> Result<Arc<Lease>, ArchiveError> {
        let key = self.key(".lock");
        steps.step("lock", Path::new(&self.named(".lock")))?;
        let lease = Lease::take(&self.client, key, self.place(), self.lease)?;
        let lease = Arc::new(lease);
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&lease);
        Ok(lease)
    }

    /// Writing without the lock, or with one that may be somebody else's by now, is refused.
    fn must_hold(&self) -> Result<(), ArchiveError> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let state = match held.upgrade() {
            Some(lease) => lease.state(),
            None => Err("it was not taken".to_owned()),
        };
        state.map_err(|reason| ArchiveError::LockLost {
            place: self.place(),
            reason,
        })
    }
}

/// The next bytes to be sent: a part, or what is left.
fn next_part(file: &File, spooled: &Path) -> Result<Vec<u8>, ArchiveError> {
    let mut part = Vec::new();
    file.take(u64::try_from(PART).unwrap_or(u64::MAX))
        .read_to_end(&mut part)
        .map_err(disk("read", spooled))?;
    Ok(part)
}
