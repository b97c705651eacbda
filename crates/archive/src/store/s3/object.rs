//! An object of which parts are read: its end first, then what is asked for, and a little ahead.
//!
//! A request costs as much time as a few hundred KiB. So reading on within a column asks for more each time, never beyond the column,
//! and a page that is looked up alone brings little besides itself.

use super::client::Client;
use crate::error::ArchiveError;
use bytes::Bytes;
use pgattest_sinks::bucket::{Found, Part};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Bytes of an object's end that are read with it: the footer, the page index, and a small file whole.
pub(super) const TAIL: u64 = 256 << 10;

/// Bytes that are read at least where nothing was read before, and at most where it was read on and on.
const FIRST: u64 = 128 << 10;
const LONGEST: u64 = 8 << 20;

/// Bytes that are remembered of one object.
const REMEMBERED: usize = 64 << 20;

/// An object, open for reading: always the same version of it.
pub(in crate::store) struct Object {
    client: Arc<Client>,
    key: String,
    etag: String,
    size: u64,
    /// Where the part begins that was read first, and it.
    tail: (u64, Bytes),
    /// Where columns are, in the order of the file.
    chunks: OnceLock<Vec<Range<u64>>>,
    windows: Mutex<VecDeque<Window>>,
    failure: Mutex<Option<ArchiveError>>,
}

/// What was read, and how much would be read next.
struct Window {
    start: u64,
    bytes: Bytes,
    next: u64,
}

impl Window {
    fn end(&self) -> u64 {
        self.start + length(&self.bytes)
    }
}

impl Object {
    /// From the end of it, which was read.
    pub(super) fn new(client: Arc<Client>, key: String, tail: Found) -> Self {
        let start = tail
            .size
            .saturating_sub(u64::try_from(tail.bytes.len()).unwrap_or(0));
        Self {
            client,
            key,
            etag: tail.etag,
            size: tail.size,
            tail: (start, tail.bytes.into()),
            chunks: OnceLock::new(),
            windows: Mutex::default(),
            failure: Mutex::default(),
        }
    }

    pub(in crate::store) fn size(&self) -> u64 {
        self.size
    }

    pub(in crate::store) fn learn(&self, chunks: impl Iterator<Item = Range<u64>>) {
        let mut chunks: Vec<Range<u64>> = chunks.collect();
        chunks.sort_by_key(|chunk| chunk.start);
        // What is learned twice is the same.
        let _ = self.chunks.set(chunks);
    }

    /// Why reading failed the last time, if it did.
    pub(in crate::store) fn take_failure(&self) -> Option<ArchiveError> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Bytes from a place on; fewer than asked for at its end.
    pub(in crate::store) fn get(&self, start: u64, wanted: usize) -> io::Result<Bytes> {
        let end = start
            .saturating_add(u64::try_from(wanted).unwrap_or(u64::MAX))
            .min(self.size);
        if start >= end {
            return Ok(Bytes::new());
        }
        if let Some(at) = start.checked_sub(self.tail.0) {
            return Ok(slice(&self.tail.1, at, end - start));
        }
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let found = windows
            .iter()
            .position(|window| (window.start..=window.end()).contains(&start));
        if let Some(window) = found.and_then(|at| windows.get(at))
            && end <= window.end()
        {
            return Ok(slice(&window.bytes, start - window.start, end - start));
        }
        let before = found.and_then(|at| windows.remove(at));
        let window = self.read_on(start, end, before.as_ref())?;
        let bytes = slice(&window.bytes, start - window.start, end - start);
        windows.push_back(window);
        let mut held: usize = windows.iter().map(|window| window.bytes.len()).sum();
        while held > REMEMBERED && windows.len() > 1 {
            held -= windows.pop_front().map_or(0, |window| window.bytes.len());
        }
        Ok(bytes)
    }

    /// Reads what is asked for and some of what follows. `before`: what lies right before it.
    fn read_on(&self, start: u64, end: u64, before: Option<&Window>) -> io::Result<Window> {
        let kept = before.map_or_else(Bytes::new, |window| {
            slice(&window.bytes, start - window.start, window.end() - start)
        });
        let from = start + length(&kept);
        let ahead = before.map_or(FIRST, |window| window.next);
        let limit = match self.chunks.get() {
            Some(chunks) => chunks
                .get(chunks.partition_point(|chunk| chunk.end <= from))
                .filter(|chunk| chunk.contains(&from))
                .map_or(end, |chunk| chunk.end),
            None => self.size,
        };
        let to = from.saturating_add(ahead).min(limit).max(end);
        let read = self.read(from..to)?;
        let bytes = if kept.is_empty() {
            read
        } else {
            [kept, read].concat().into()
        };
        Ok(Window {
            start,
            bytes,
            next: (ahead * 2).min(LONGEST),
        })
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let part = Part::Range(range);
        let error = match self.client.get(&self.key, part, Some(&self.etag)) {
            Ok(Some(found)) => return Ok(found.bytes.into()),
            Ok(None) => self.changed("it was removed"),
            Err(ArchiveError::Bucket(error)) if error.is_changed() => {
                self.changed("it was written anew")
            }
            Err(error) => error,
        };
        let text = error.to_string();
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        Err(io::Error::other(text))
    }

    fn changed(&self, what: &str) -> ArchiveError {
        ArchiveError::Service(format!(
            "`s3://{}/{}` changed while it was read ({what}): ask again",
            self.client.bucket().name(),
            self.key
        ))
    }

    /// Writes all of it to a file.
    pub(super) fn copy_to(&self, file: &mut impl Write) -> io::Result<()> {
        let mut at = 0;
        while at < self.tail.0 {
            let end = at.saturating_add(LONGEST).min(self.tail.0);
            file.write_all(&self.read(at..end)?)?;
            at = end;
        }
        file.write_all(&self.tail.1)
    }
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// A part, as far as it is there.
fn slice(bytes: &Bytes, at: u64, wanted: u64) -> Bytes {
    let at = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    bytes.slice(at..at.saturating_add(wanted).min(bytes.len()))
}
