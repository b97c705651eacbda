//! One open log file: read on from where it was sealed to, cut into pieces, gathered into blocks.

use super::identity::FINGERPRINT;
use super::long::LongRecord;
use super::prepare::{AROUND, Around, RawBlock, RawPiece, Rule};
use crate::block::{FileId, PieceKind};
use pgattest_parse::audit_log::{Cut, Format, Splitter};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

/// A block is closed at this many records.
const MOST_RECORDS: usize = 4096;

/// A block is closed at this many bytes. One that holds a single longer record is longer.
const MOST_BYTES: usize = 1 << 20;

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// Where the bytes come from.
#[derive(Debug)]
pub(crate) enum Input {
    File(File),
    /// Standard input, read by a thread of its own, since nobody knows how long a read of it takes.
    Stdin(Receiver<Vec<u8>>),
}

/// A file that is being read.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) path: PathBuf,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) input: Input,
    /// Who it is; `None` before its first piece.
    pub(crate) id: Option<FileId>,
    pub(crate) splitter: Option<Splitter>,
    /// The file's first bytes, to see whether it still is the same.
    head: Vec<u8>,
    /// What was read and is in no block.
    buffer: Vec<u8>,
    /// How much of `buffer` is in a block.
    taken: usize,
    /// Where in the file the first byte lies that is in no block.
    position: u64,
    block: Option<(RawBlock, Instant)>,
    /// The end of the last piece, when it was torn.
    before: Vec<u8>,
    /// The record that the last piece was a part of, when it is longer than what is held.
    long: Option<LongRecord>,
    changed: Option<SystemTime>,
    /// When it was last seen to grow.
    pub(crate) grown: Instant,
    /// Nothing will follow.
    pub(crate) ended: bool,
}

/// What reading gave.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Fill {
    /// More bytes.
    Bytes,
    /// None at the moment.
    Nothing,
    /// The file is shorter than what was read of it, or begins with other bytes.
    Truncated,
}

impl Tail {
    pub(crate) fn new(path: PathBuf, device: u64, inode: u64, input: Input) -> Self {
        Self {
            path,
            device,
            inode,
            input,
            id: None,
            splitter: None,
            head: Vec::new(),
            buffer: Vec::new(),
            taken: 0,
            position: 0,
            block: None,
            before: Vec::new(),
            long: None,
            changed: None,
            grown: Instant::now(),
            ended: false,
        }
    }

    /// Where in the file the first byte lies that was not read.
    pub(crate) fn read_to(&self) -> u64 {
        self.position + self.unread() as u64
    }

    /// Where in the file the first byte lies that is in no block.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The file's first bytes, as far as they are known.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// What was read and is in no block: an unfinished record.
    pub(crate) fn rest(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    /// Whether its records have no end of their own: each lasts until the next one begins.
    pub(crate) fn is_text(&self) -> bool {
        self.splitter.as_ref().is_some_and(|splitter| {
            matches!(
                splitter.format(),
                Format::Stderr { .. } | Format::RdsStderr | Format::PgauditlogtofileCsv
            )
        })
    }

    fn unread(&self) -> usize {
        self.buffer.len().saturating_sub(self.taken)
    }

    /// Goes to another place of the file. What was read is forgotten.
    pub(crate) fn seek(&mut self, position: u64) {
        self.buffer = Vec::new();
        self.taken = 0;
        self.before = Vec::new();
        self.long = None;
        self.position = position;
        self.splitter = None;
    }

    /// Goes on in a copy of the file, from the same byte.
    pub(crate) fn continue_in(&mut self, path: &std::path::Path, file: File) {
        path.clone_into(&mut self.path);
        self.input = Input::File(file);
        self.changed = None;
        self.grown = Instant::now();
    }

    /// Reads on, at most `most` bytes beyond what is in no block.
    pub(crate) fn fill(&mut self, most: usize) -> io::Result<Fill> {
        self.compact();
        let room = most.saturating_sub(self.buffer.len());
        // A long record is read in ever longer steps.
        let chunk = CHUNK.max(self.buffer.len()).min(room);
        match &self.input {
            Input::File(_) => self.fill_from_file(chunk),
            Input::Stdin(_) => Ok(self.fill_from_stdin(chunk)),
        }
    }

    fn fill_from_file(&mut self, chunk: usize) -> io::Result<Fill> {
        let Input::File(file) = &self.input else {
            return Ok(Fill::Nothing);
        };
        let read_to = self.read_to();
        let metadata = file.metadata()?;
        if metadata.size() < read_to {
            return Ok(Fill::Truncated);
        }
        let changed = metadata.modified().ok();
        if metadata.size() == read_to && changed == self.changed {
            return Ok(Fill::Nothing);
        }
        let old = self.buffer.len();
        let wanted = usize::try_from(metadata.size() - read_to)
            .unwrap_or(usize::MAX)
            .min(chunk);
        self.buffer.resize(old + wanted, 0);
        let read = match self.buffer.get_mut(old..) {
            Some(space) => file.read_at(space, read_to),
            None => Ok(0),
        };
        self.buffer
            .truncate(old + read.as_ref().map_or(0, |read| *read));
        let read = read?;
        // Looked at after reading: bytes of a file that was cut and written anew are not taken for a continuation.
        let mut head = vec![0; FINGERPRINT];
        let length = file.read_at(&mut head, 0)?;
        head.truncate(length);
        if !head.starts_with(&self.head) {
            self.buffer.truncate(old);
            return Ok(Fill::Truncated);
        }
        if self.head.len() < FINGERPRINT {
            self.head = head;
        }
        if read < wanted || read_to + read as u64 == metadata.size() {
            self.changed = changed;
        }
        if read == 0 {
            return Ok(Fill::Nothing);
        }
        self.grown = Instant::now();
        Ok(Fill::Bytes)
    }

    fn fill_from_stdin(&mut self, chunk: usize) -> Fill {
        let Input::Stdin(receiver) = &self.input else {
            return Fill::Nothing;
        };
        let mut found = Fill::Nothing;
        let old = self.buffer.len();
        while !self.ended && self.buffer.len() < old + chunk {
            match receiver.recv_timeout(Duration::ZERO) {
                Ok(bytes) => {
                    let missing = FINGERPRINT.saturating_sub(self.head.len());
                    self.head
                        .extend_from_slice(bytes.get(..missing).unwrap_or(&bytes));
                    self.buffer.extend_from_slice(&bytes);
                    self.grown = Instant::now();
                    found = Fill::Bytes;
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => self.ended = true,
            }
        }
        found
    }

    fn compact(&mut self) {
        if self.taken == self.buffer.len() {
            // Memory of a long record, or of a file that rests, is given back.
            if self.buffer.capacity() > 4 * CHUNK || self.grown.elapsed() > Duration::from_secs(1) {
                self.buffer = Vec::new();
            }
            self.buffer.clear();
        } else if self.taken > 0 {
            self.buffer.drain(..self.taken);
        }
        self.taken = 0;
    }

    /// Cuts what was read. A block when one is full; `None` when more has to be read first. `end`: nothing will follow.
    pub(crate) fn cut(&mut self, end: bool) -> Option<RawBlock> {
        loop {
            if self.block.as_ref().is_some_and(|(block, _)| is_full(block)) {
                return self.flush();
            }
            let bytes = self.buffer.get(self.taken..).unwrap_or_default();
            let (length, kind) = match self.splitter.as_mut()?.next(bytes, end) {
                Cut::Record(length) => (length, PieceKind::Record),
                Cut::Torn(length, reason) => (length, PieceKind::Torn(reason)),
                Cut::More => return None,
            };
            let length = length.min(bytes.len());
            let full = match &self.block {
                Some((block, _)) if block.bytes.len() + length > MOST_BYTES => self.flush(),
                _ => None,
            };
            self.take(length, kind);
            if full.is_some() {
                return full;
            }
        }
    }

    /// The block as it is, closed.
    pub(crate) fn flush(&mut self) -> Option<RawBlock> {
        self.block.take().map(|(block, _)| block)
    }

    /// When the first piece of the block came that is not closed.
    pub(crate) fn block_since(&self) -> Option<Instant> {
        self.block.as_ref().map(|(_, since)| *since)
    }

    /// Moves the next bytes into the block.
    fn take(&mut self, length: usize, kind: PieceKind) {
        if self.block.is_none() && !self.begin_block() {
            return;
        }
        let end = self.taken.saturating_add(length).min(self.buffer.len());
        let torn = kind != PieceKind::Record;
        let rule = if torn {
            self.rule(length, kind)
        } else {
            self.long = None;
            Rule::Torn
        };
        let bytes = self.buffer.get(self.taken..end).unwrap_or_default();
        let around = torn.then(|| {
            let after = self.buffer.get(end..).unwrap_or_default();
            Box::new(Around {
                before: std::mem::take(&mut self.before),
                after: after.get(..AROUND).unwrap_or(after).to_vec(),
                rule,
            })
        });
        self.before.clear();
        if torn {
            let from = bytes.len().saturating_sub(AROUND);
            self.before
                .extend_from_slice(bytes.get(from..).unwrap_or_default());
        }
        let Some((block, _)) = &mut self.block else {
            return;
        };
        block.bytes.extend_from_slice(bytes);
        block.pieces.push(RawPiece {
            length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            kind,
            around,
        });
        self.position += bytes.len() as u64;
        self.taken = end;
    }

    /// What is done with the torn piece of this length that comes next.
    fn rule(&mut self, length: usize, kind: PieceKind) -> Rule {
        let ahead = self.buffer.get(self.taken..).unwrap_or_default();
        let Some(splitter) = &self.splitter else {
            return Rule::Torn;
        };
        if self.long.is_none() && self.before.is_empty() {
            self.long = LongRecord::begins(splitter, kind, ahead);
        }
        match &mut self.long {
            Some(long) => long.part(splitter.format(), &self.before, length, ahead),
            None => Rule::Torn,
        }
    }

    /// Begins a block where the next piece is. False when nothing is known of the file's form.
    fn begin_block(&mut self) -> bool {
        let Some(format) = self.splitter.as_ref().map(|it| it.format().clone()) else {
            return false;
        };
        let block = RawBlock {
            file: self.identity(),
            offset: self.position,
            format,
            bytes: Vec::with_capacity(self.unread().min(MOST_BYTES)),
            pieces: Vec::new(),
        };
        self.block = Some((block, Instant::now()));
        true
    }

    /// Who the file is, from the first piece on.
    fn identity(&mut self) -> FileId {
        self.id
            .get_or_insert_with(|| {
                let name = self.path.to_string_lossy();
                FileId::new(name, self.device, self.inode, &self.head)
            })
            .clone()
    }
}

fn is_full(block: &RawBlock) -> bool {
    block.pieces.len() >= MOST_RECORDS || block.bytes.len() >= MOST_BYTES
}
