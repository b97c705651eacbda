//! The loop that reads: which files there are, which of them have something new, and what became of those that are gone.

use super::directory::Seen;
use super::files::{Entry, Family, Files, Inode, State};
use super::form::{Form, Forms, form};
use super::hint::Hint;
use super::identity::{Index, Relation};
use super::pipeline::Pipeline;
use super::prepare::{AROUND, RawBlock, RawPiece};
use super::tail::{Fill, Input, Tail};
use super::{Config, now};
use crate::block::{FileId, PieceKind};
use crate::leaf::Leaf;
use crate::operate::{Counter, Gauge, Metrics, Phase, Stop, Teller};
use pgattest_parse::audit_log::{Format, Splitter};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Files held open at the same time. More wait until some are read.
const MOST_OPEN: usize = 200;

/// A block with fewer records than fit is closed after so long.
const BLOCK_AGE: Duration = Duration::from_secs(1);

/// Reads what the directories have.
pub(crate) struct Collector<'a> {
    pub(crate) config: &'a Config,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) stop: Stop,
    pub(crate) teller: Teller,
    pub(crate) numbers: Numbers,
    /// Return when everything was read.
    pub(crate) once: bool,
    pub(crate) index: Index,
    /// The last files that the journal has of each family, looked for once.
    pub(crate) expected: BTreeMap<Family, (FileId, u64)>,
    pub(crate) files: Files,
    pub(crate) hint: Hint,
    pub(crate) scans: u64,
    pub(crate) last_scan: Option<Instant>,
    pub(crate) current: BTreeSet<std::ffi::OsString>,
    /// Directories and files that a complaint was made about.
    pub(crate) complained: BTreeSet<PathBuf>,
    /// Which of the server's own forms were seen in each directory.
    pub(crate) forms: Forms,
    /// When everything was last read.
    pub(crate) caught_up: Instant,
}

/// What is counted of reading.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    backlog: Gauge,
    lag: Gauge,
    files: Gauge,
    unreadable: Gauge,
    missing: Gauge,
    looked: Gauge,
    read: Counter,
    errors: Counter,
}

impl Numbers {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let gauge = |name, help| metrics.gauge(name, help, &[]);
        Self {
            backlog: gauge("backlog_bytes", "Bytes of logs that were not read yet"),
            lag: gauge(
                "lag_seconds",
                "Seconds since the logs were last read to their end",
            ),
            files: gauge("open_files", "Log files that are held open"),
            unreadable: gauge("unreadable_files", "Log files that cannot be read"),
            missing: gauge(
                "missing_directories",
                "Directories of logs that are not there or cannot be listed",
            ),
            looked: gauge(
                "last_look_seconds",
                "When the logs were last looked at, in seconds since 1970",
            ),
            read: metrics.counter("read_bytes", "Bytes of logs read since the start", &[]),
            errors: metrics.counter(
                "read_errors",
                "Errors while reading logs since the start",
                &[],
            ),
        }
    }
}

impl Collector<'_> {
    /// Reads until told to stop, or, with `once`, until there is nothing more.
    pub(crate) fn run(&mut self) {
        loop {
            self.scan_if_due(false);
            let read = self.round();
            if self.pipeline.has_ended() || self.stop.phase() != Phase::Running {
                break;
            }
            if read > 0 {
                // Under a moderate load, many small reads in place of one cost more than they give.
                if read < 64 << 10 {
                    self.hint
                        .wait(Duration::from_millis(20), Duration::from_millis(20));
                }
                continue;
            }
            if self.once {
                // What was written while the last files were read.
                self.scan_if_due(true);
                if self.round() == 0 {
                    break;
                }
                continue;
            }
            let longest = self.until_block_is_due().unwrap_or(Duration::MAX);
            self.hint
                .wait(Duration::from_millis(5), longest.min(self.config.poll()));
        }
        self.flush_blocks(Duration::ZERO);
        self.count();
    }

    /// Reads from every family once, or, from a file that was rotated away, to its end. How many bytes.
    fn round(&mut self) -> usize {
        let mut total = 0;
        let mut busy: BTreeSet<Family> = BTreeSet::new();
        for inode in self.files.in_order() {
            let Some(entry) = self.files.entries.get(&inode) else {
                continue;
            };
            let family = entry.family.clone();
            // Within a family the older file is read to its end first.
            if busy.contains(&family) {
                continue;
            }
            let read = self.read(inode);
            if read > 0 {
                busy.insert(family);
            }
            total += read;
            if self.pipeline.has_ended() || self.stop.phase() != Phase::Running {
                break;
            }
        }
        self.flush_blocks(BLOCK_AGE);
        self.numbers.read.inc_by(total as u64);
        if total == 0 {
            self.caught_up = Instant::now();
        }
        total
    }

    /// Reads a file for a while. How many bytes.
    fn read(&mut self, inode: Inode) -> usize {
        if !self.open(inode) {
            return 0;
        }
        let begin = Instant::now();
        let mut total = 0;
        loop {
            let Some(Entry {
                state: State::Open(tail),
                ..
            }) = self.files.entries.get_mut(&inode)
            else {
                return total;
            };
            let before = tail.read_to();
            let filled = tail.fill(self.config.longest_record() + 2 * AROUND);
            match filled {
                Ok(Fill::Bytes) => {
                    total += usize::try_from(tail.read_to().saturating_sub(before)).unwrap_or(0);
                    self.cut(inode, false);
                }
                Ok(Fill::Nothing) => {
                    self.rest(inode);
                    return total;
                }
                Ok(Fill::Truncated) => {
                    self.truncated(inode);
                    return total.max(1);
                }
                Err(error) => {
                    self.complain(inode, &error);
                    return total;
                }
            }
            // The directories are looked at while a large file is read, so that files are open before they are deleted.
            if begin.elapsed() > self.config.poll() || self.pipeline.has_ended() {
                return total;
            }
        }
    }

    /// Cuts what was read of a file and hands on the blocks that are full.
    pub(super) fn cut(&mut self, inode: Inode, end: bool) {
        loop {
            let settle = self.config.settle();
            let longest = self.config.longest_record();
            let Some(Entry { state, seen, .. }) = self.files.entries.get_mut(&inode) else {
                return;
            };
            let State::Open(tail) = state else {
                return;
            };
            if tail.id.is_none()
                && tail.position() == 0
                && tail.splitter.is_none()
                && !tail.rest().is_empty()
            {
                match self.index.relation(tail.device, tail.inode, tail.head()) {
                    Relation::New => {}
                    Relation::Same(id, sealed) => {
                        if !self.resume(inode, id, sealed) {
                            return;
                        }
                        continue;
                    }
                    Relation::Copy(id, sealed) => {
                        if self.settle_copy(inode, id, sealed) {
                            return;
                        }
                        continue;
                    }
                }
            }
            if tail.splitter.is_none() {
                let waited = end || self.once || tail.grown.elapsed() >= settle;
                match form(&seen.path, tail.rest(), waited, self.config) {
                    Form::Is(format) => {
                        if let Some(dir) = self.forms.twice(&seen.path, &format) {
                            self.teller.warn(format!(
                                "`{}` has csvlog and jsonlog: if they are of one server, every record is captured twice, and rules and \
                                 counts see it twice; set log_destination to one of them",
                                dir.display()
                            ));
                        }
                        tail.splitter = Some(Splitter::with_longest(format, longest));
                    }
                    Form::Undecided => return,
                    Form::Foreign => {
                        self.teller.info(format!(
                            "`{}` is no log of a form that is known; it is not captured",
                            seen.path.display()
                        ));
                        *state = State::Foreign;
                        return;
                    }
                }
            }
            let Some(block) = tail.cut(end) else {
                return;
            };
            if !self.send(block) {
                return;
            }
        }
    }

    /// Hands a block on, once there is room for it. Directories are looked at meanwhile. False when nothing is sealed any more.
    pub(super) fn send(&mut self, block: RawBlock) -> bool {
        let end = block.offset + block.bytes.len() as u64;
        self.warn_of_prefix(&block);
        let mut block = Box::new(block);
        self.index.insert(block.file.clone(), end);
        loop {
            match self.pipeline.push(block, self.config.poll()) {
                Ok(()) => return true,
                Err(back) => block = back,
            }
            // Told to stop with a journal that cannot be written: the logs still have it.
            if self.pipeline.has_ended() {
                return false;
            }
            self.scan_if_due(false);
        }
    }

    /// Says that no line of a text log begins as it was configured to: all of it would be sealed as torn, and nobody would know why.
    fn warn_of_prefix(&mut self, block: &RawBlock) {
        let Format::Stderr { prefix } = &block.format else {
            return;
        };
        let has_record = |piece: &RawPiece| piece.kind == PieceKind::Record;
        let path = PathBuf::from(&block.file.name);
        if block.pieces.iter().any(has_record) || !self.complained.insert(path) {
            return;
        }
        self.teller.warn(format!(
            "no line of `{}` begins with the log_line_prefix `{prefix}`: all of it is sealed as torn; set log_line_prefix to what \
             `SHOW log_line_prefix` says, or, when a csvlog or jsonlog has the records, text_logs = false",
            block.file.name
        ));
    }

    /// A file has nothing new at the moment.
    fn rest(&mut self, inode: Inode) {
        let rotated = self.files.is_rotated(inode);
        let current = self.is_current(inode);
        let settle = self.config.settle();
        let Some(entry) = self.files.entries.get_mut(&inode) else {
            return;
        };
        let State::Open(tail) = &mut entry.state else {
            return;
        };
        let finished =
            tail.ended || rotated && !current && (self.once || tail.grown.elapsed() >= settle);
        if !finished {
            let resting = self.once || tail.grown.elapsed() >= settle;
            if resting && !tail.rest().is_empty() {
                // The last record of a text log is only certain once another one begins. What rests and ends with a line is whole.
                let whole = tail.is_text() && tail.rest().ends_with(b"\n");
                if whole || tail.splitter.is_none() {
                    self.cut(inode, whole);
                }
            }
            return;
        }
        self.cut(inode, true);
        let Some(entry) = self.files.entries.get_mut(&inode) else {
            return;
        };
        let State::Open(tail) = &mut entry.state else {
            return;
        };
        let block = tail.flush();
        let id = tail.id.clone();
        if entry.unlinked {
            self.files.entries.remove(&inode);
        } else {
            entry.state = State::Closed { id };
        }
        if let Some(block) = block {
            self.send(block);
        }
    }

    fn is_current(&self, inode: Inode) -> bool {
        self.files.entries.get(&inode).is_some_and(|entry| {
            !entry.unlinked
                && entry
                    .seen
                    .path
                    .file_name()
                    .is_some_and(|name| self.current.contains(name))
        })
    }

    /// Hands on blocks whose first record is older than this.
    fn flush_blocks(&mut self, age: Duration) {
        let mut blocks = Vec::new();
        for inode in self.files.in_order() {
            if let Some(Entry {
                state: State::Open(tail),
                ..
            }) = self.files.entries.get_mut(&inode)
                && tail
                    .block_since()
                    .is_some_and(|since| since.elapsed() >= age)
            {
                blocks.extend(tail.flush());
            }
        }
        for block in blocks {
            self.send(block);
        }
    }

    fn until_block_is_due(&self) -> Option<Duration> {
        self.files
            .entries
            .values()
            .filter_map(|entry| match &entry.state {
                State::Open(tail) => tail.block_since(),
                _ => None,
            })
            .map(|since| BLOCK_AGE.saturating_sub(since.elapsed()))
            .min()
    }

    pub(super) fn gap(
        &self,
        file: Option<FileId>,
        offset: Option<u64>,
        length: Option<u64>,
        reason: String,
    ) {
        self.teller.error(format!("records may be lost: {reason}"));
        self.pipeline.note(Leaf::Gap {
            at: now(),
            file,
            offset,
            length,
            reason,
        });
    }

    pub(super) fn complain(&mut self, inode: Inode, error: &std::io::Error) {
        self.numbers.errors.inc();
        let Some(entry) = self.files.entries.get(&inode) else {
            return;
        };
        let path = entry.seen.path.clone();
        if self.complained.insert(path.clone()) {
            self.teller.error(format!(
                "`{}` cannot be read: {error}; its records are not captured until it can be: let the account of pgattest read it \
                 (log_file_mode, log_directory and its group)",
                path.display()
            ));
        }
    }

    pub(super) fn count(&self) {
        let entries = || self.files.entries.values();
        let sum: u64 = entries().map(Entry::backlog).sum();
        let unreadable = entries()
            .filter(|entry| matches!(entry.state, State::Unreadable))
            .count();
        self.numbers
            .backlog
            .set(i64::try_from(sum).unwrap_or(i64::MAX));
        self.numbers.looked.set(now() / 1000);
        self.numbers
            .lag
            .set(i64::try_from(self.caught_up.elapsed().as_secs()).unwrap_or(i64::MAX));
        self.numbers
            .files
            .set(i64::try_from(self.files.open_files()).unwrap_or(0));
        self.numbers
            .unreadable
            .set(i64::try_from(unreadable).unwrap_or(0));
    }

    /// Opens a file that waits. False when it is not open afterwards.
    pub(super) fn open(&mut self, inode: Inode) -> bool {
        let open_files = self.files.open_files();
        let Some(entry) = self.files.entries.get_mut(&inode) else {
            return false;
        };
        match entry.state {
            State::Open(_) => return true,
            State::Waiting if open_files < MOST_OPEN => {}
            _ => return false,
        }
        let path = entry.seen.path.clone();
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?, file)));
        match opened {
            Ok((metadata, _)) if (metadata.dev(), metadata.ino()) != inode => {
                // The name leads to another file by now; the next scan tells what became of this one.
                self.last_scan = None;
                false
            }
            Ok((_, file)) => {
                self.complained.remove(&path);
                entry.state = State::Open(Box::new(Tail::new(
                    path,
                    inode.0,
                    inode.1,
                    Input::File(file),
                )));
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.last_scan = None;
                false
            }
            Err(error) => {
                entry.state = State::Unreadable;
                self.complain(inode, &error);
                false
            }
        }
    }

    pub(super) fn scan_if_due(&mut self, now: bool) {
        let due = self
            .last_scan
            .is_none_or(|last| last.elapsed() >= self.config.poll());
        if !due && !now {
            return;
        }
        self.last_scan = Some(Instant::now());
        self.scan();
        self.count();
    }

    pub(super) fn set_missing(&self, directories: usize) {
        self.numbers
            .missing
            .set(i64::try_from(directories).unwrap_or(0));
    }

    pub(super) fn current_logfiles(&self) -> Vec<PathBuf> {
        if let Some(path) = &self.config.current_logfiles {
            return vec![path.clone()];
        }
        let beside = |dir: &PathBuf| Some(dir.parent()?.join("current_logfiles"));
        self.config.logs.iter().filter_map(beside).collect()
    }

    pub(super) fn directories(&self) -> Vec<PathBuf> {
        let is_directory = |path: &&PathBuf| path.as_path() != Path::new("-");
        self.config
            .logs
            .iter()
            .filter(is_directory)
            .cloned()
            .collect()
    }

    pub(super) fn add(&mut self, seen: Seen) {
        self.files.add(seen, self.scans);
    }
}
