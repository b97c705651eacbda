//! What happens to files between two looks: new ones, deleted ones, cut ones, copies.

use super::collector::Collector;
use super::directory::{self, Seen};
use super::files::{Entry, Inode, State};
use super::form::{Form, form};
use super::identity::{FINGERPRINT, Relation};
use super::tail::{Input, Tail};
use crate::block::FileId;
use pgattest_parse::audit_log::{Format, Splitter};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

impl Collector<'_> {
    /// Looks at all directories.
    pub(super) fn scan(&mut self) {
        self.scans += 1;
        let mut missing = 0;
        for dir in self.directories() {
            match directory::list(&dir) {
                Ok(files) => {
                    self.hint.watch(&dir);
                    if self.complained.remove(&dir) {
                        self.teller
                            .info(format!("the directory `{}` is there", dir.display()));
                    }
                    self.compare(&dir, files);
                }
                Err(error) => {
                    missing += 1;
                    self.hint.forget(&dir);
                    if self.complained.insert(dir.clone()) {
                        self.teller.warn(format!(
                            "the directory `{}` cannot be listed: {error}; waiting for it",
                            dir.display()
                        ));
                    }
                }
            }
        }
        self.set_missing(missing);
        self.current = self
            .current_logfiles()
            .iter()
            .flat_map(|path| directory::current(path))
            .collect();
        self.open_what_waits();
    }

    /// Compares what a directory has with what it had.
    fn compare(&mut self, dir: &Path, files: Vec<Seen>) {
        let mut there = BTreeSet::new();
        for seen in files {
            let inode = (seen.device, seen.inode);
            there.insert(inode);
            match self.files.entries.get_mut(&inode) {
                None => self.add(seen),
                Some(entry) => {
                    let moved = entry.seen.path != seen.path;
                    let changed =
                        moved || entry.seen.size != seen.size || entry.seen.changed != seen.changed;
                    // A closed file that changed is read again; whether it is the same one is told by its first bytes.
                    let again = match &entry.state {
                        State::Closed { .. } | State::Foreign | State::Copy(_) => changed,
                        State::Unreadable => true,
                        State::Waiting | State::Open(_) => false,
                    };
                    entry.seen = seen;
                    entry.unlinked = false;
                    if again {
                        entry.state = State::Waiting;
                        // It is written to now, so it is no older than the others.
                        entry.order.0 = self.scans;
                    }
                }
            }
        }
        self.report_lost(dir);
        let gone: Vec<Inode> = self
            .files
            .entries
            .iter()
            .filter(|(inode, entry)| {
                entry.family.dir() == dir && !entry.unlinked && !there.contains(inode)
            })
            .map(|(inode, _)| *inode)
            .collect();
        for inode in gone {
            self.gone(inode);
        }
    }

    /// Opens as many files as may be open, so that they can be read even when they are deleted.
    fn open_what_waits(&mut self) {
        for inode in self.files.in_order() {
            self.open(inode);
        }
    }

    /// No name leads to a file any more.
    fn gone(&mut self, inode: Inode) {
        let Some(entry) = self.files.entries.get_mut(&inode) else {
            return;
        };
        match &entry.state {
            // Read on: the server may still write to it.
            State::Open(_) => entry.unlinked = true,
            State::Waiting | State::Unreadable => {
                let reason = format!(
                    "`{}` was deleted before it was read",
                    entry.seen.path.display()
                );
                let size = entry.seen.size;
                self.files.entries.remove(&inode);
                if size > 0 {
                    self.gap(None, Some(0), Some(size), reason);
                }
            }
            State::Closed { .. } | State::Copy(_) | State::Foreign => {
                self.files.entries.remove(&inode);
            }
        }
    }

    /// After the first look: the file that was being read when the collector last ended is not there any more.
    fn report_lost(&mut self, dir: &Path) {
        let families: Vec<_> = self
            .expected
            .keys()
            .filter(|family| family.dir() == dir)
            .cloned()
            .collect();
        for family in families {
            let Some((file, end)) = self.expected.remove(&family) else {
                continue;
            };
            // Not by inode: one that was freed is used again at once.
            if self.has_content_of(dir, &file) {
                continue;
            }
            let reason = format!(
                "`{}` was deleted or written anew while nobody read it; what was written to it after byte {end}, if anything, is lost",
                file.name
            );
            self.gap(Some(file), Some(end), None, reason);
        }
    }

    /// Whether the file is where it was, with the beginning that it had.
    fn is_there(&self, id: &FileId) -> bool {
        let Ok(length) = usize::try_from(id.fingerprint_length) else {
            return false;
        };
        self.files
            .entries
            .get(&(id.device, id.inode))
            .and_then(|entry| first_bytes(&entry.seen.path, length))
            .is_some_and(|head| FileId::fingerprint(&head) == id.fingerprint)
    }

    /// Whether a file of the directory begins as this one did: it was moved or copied.
    fn has_content_of(&self, dir: &Path, file: &FileId) -> bool {
        let Ok(length) = usize::try_from(file.fingerprint_length) else {
            return false;
        };
        self.files
            .entries
            .values()
            .filter(|entry| entry.family.dir() == dir)
            .any(|entry| {
                first_bytes(&entry.seen.path, length)
                    .is_some_and(|head| FileId::fingerprint(&head) == file.fingerprint)
            })
    }

    /// A file is one that the journal knows: goes on where it was sealed to. False when it is not open any more.
    pub(super) fn resume(&mut self, inode: Inode, id: FileId, sealed: u64) -> bool {
        let longest = self.config.longest_record();
        let known = self.form_of(inode);
        let Some(Entry {
            state: State::Open(tail),
            seen,
            ..
        }) = self.files.entries.get_mut(&inode)
        else {
            return false;
        };
        let size = seen.size.max(tail.read_to());
        tail.id = Some(id.clone());
        let is_cut = sealed > size;
        tail.seek(if is_cut { 0 } else { sealed });
        tail.splitter = known.map(|format| Splitter::with_longest(format, longest));
        if is_cut {
            self.cut_within(id, sealed);
        }
        true
    }

    /// A file was cut somewhere within what was sealed of it. Nobody can tell where, nor what was written since: it is sealed again.
    fn cut_within(&self, id: FileId, sealed: u64) {
        let reason = format!(
            "`{}` was cut within what was sealed of it, {sealed} bytes; it is sealed again from its beginning, so that some of its \
             records are there twice; what was cut off unread is lost",
            id.name
        );
        self.gap(Some(id), Some(0), None, reason);
    }

    /// The form of a file by its beginning, which lies before where it is read on from.
    fn form_of(&self, inode: Inode) -> Option<Format> {
        let entry = self.files.entries.get(&inode)?;
        let head = match &entry.state {
            State::Open(tail) => match &tail.input {
                Input::File(file) => read_first_bytes(file, 256 << 10)?,
                Input::Stdin(_) => return None,
            },
            _ => return None,
        };
        match form(&entry.seen.path, &head, true, self.config) {
            Form::Is(format) => Some(format),
            _ => None,
        }
    }

    /// A file begins as another one that is known. True when it is not read: the other one is.
    pub(super) fn settle_copy(&mut self, inode: Inode, id: FileId, sealed: u64) -> bool {
        let evident = self
            .form_of(inode)
            .is_some_and(|format| format.is_audit_grade());
        // Looked for on the disk, too: after a start the copy may be looked at before the file that it was made of.
        let original = self.files.has_original(&id) || self.is_there(&id);
        let Some(entry) = self.files.entries.get_mut(&inode) else {
            return true;
        };
        if original {
            entry.state = State::Copy(id);
            return true;
        }
        if evident {
            // Its name and inode are new, its content is not: the file was moved from another volume, or copied and then deleted.
            self.teller.info(format!(
                "`{}` has the content of `{}`; it is read on from byte {sealed}",
                entry.seen.path.display(),
                id.name
            ));
            // Its inode is there, with another content.
            if self.files.entries.contains_key(&(id.device, id.inode)) {
                let reason = format!(
                    "`{}` was copied and then cut while nobody read it: what was written to it between the two, if anything, is lost",
                    id.name
                );
                self.gap(Some(id.clone()), Some(sealed), None, reason);
            }
            return !self.resume(inode, id, sealed);
        }
        // Lines of text may well begin alike in two files: better twice than not at all.
        let State::Open(tail) = &mut entry.state else {
            return true;
        };
        let Form::Is(format) = form(&entry.seen.path, tail.rest(), true, self.config) else {
            entry.state = State::Foreign;
            return true;
        };
        let longest = self.config.longest_record();
        tail.splitter = Some(Splitter::with_longest(format, longest));
        false
    }

    /// A file became shorter, or its beginning changed: it was cut and is written anew.
    pub(super) fn truncated(&mut self, inode: Inode) {
        // A copy that was made just before is found.
        self.scan_if_due(true);
        self.find_copies();
        let Some(Entry {
            state: State::Open(tail),
            ..
        }) = self.files.entries.get_mut(&inode)
        else {
            return;
        };
        let (id, read_to) = (tail.id.clone(), tail.read_to());
        if let Some(id) = &id
            && let Some(copy) = self.files.copy_of(id, read_to)
            && self.read_from_copy(inode, copy, id)
        {
            return;
        }
        // What was read of an unfinished record is kept as it is.
        self.cut(inode, true);
        let block = match self.files.entries.get_mut(&inode) {
            Some(Entry {
                state: State::Open(tail),
                ..
            }) => tail.flush(),
            _ => None,
        };
        if let Some(block) = block {
            self.send(block);
        }
        let Some(entry) = self.files.entries.get_mut(&inode) else {
            return;
        };
        let State::Open(tail) = &mut entry.state else {
            return;
        };
        let path = tail.path.clone();
        let id = tail.id.clone();
        // The same inode, and, but for the first bytes of a file cut elsewhere, another file.
        entry.state = State::Waiting;
        entry.order.0 = self.scans;
        if id.is_some() || read_to > 0 {
            let reason = format!(
                "`{}` was cut while it was read: what was written to it after byte {read_to} and before it was cut, if anything, is \
                 lost",
                path.display()
            );
            self.gap(id, Some(read_to), None, reason);
        }
    }

    /// Tells which of the files that nothing was read of yet are copies of files that are read.
    fn find_copies(&mut self) {
        for inode in self.files.in_order() {
            let Some(Entry {
                state: State::Open(tail),
                ..
            }) = self.files.entries.get_mut(&inode)
            else {
                continue;
            };
            if tail.id.is_some() || tail.position() > 0 || tail.fill(FINGERPRINT).is_err() {
                continue;
            }
            let relation = self.index.relation(tail.device, tail.inode, tail.head());
            if let Relation::Copy(id, _) = relation
                && self.files.has_original(&id)
                && let Some(entry) = self.files.entries.get_mut(&inode)
            {
                entry.state = State::Copy(id);
            }
        }
    }

    /// A file was copied and then cut: the rest of it is read from the copy, and the file itself begins anew.
    fn read_from_copy(&mut self, inode: Inode, copy: Inode, id: &FileId) -> bool {
        let path = match self.files.entries.get(&copy) {
            Some(entry) => entry.seen.path.clone(),
            None => return false,
        };
        let Ok(file) = File::open(&path) else {
            return false;
        };
        let Some(entry) = self.files.entries.get_mut(&inode) else {
            return false;
        };
        let State::Open(mut tail) = std::mem::replace(&mut entry.state, State::Waiting) else {
            return false;
        };
        entry.order.0 = self.scans + 1;
        let read_to = tail.read_to();
        tail.continue_in(&path, file);
        let reason = format!(
            "`{}` was copied to `{}` and then cut: what was written to it between the two, if anything, is lost",
            id.name,
            path.display()
        );
        if let Some(entry) = self.files.entries.get_mut(&copy) {
            entry.state = State::Open(tail);
            entry.order.0 = self.scans;
        }
        self.gap(Some(id.clone()), Some(read_to), None, reason);
        true
    }

    /// Takes standard input as a file.
    pub(super) fn add_stdin(&mut self, input: Input) {
        let path = PathBuf::from("-");
        self.add(Seen {
            path: path.clone(),
            device: 0,
            inode: 0,
            size: 0,
            changed: 0,
        });
        if let Some(entry) = self.files.entries.get_mut(&(0, 0)) {
            entry.state = State::Open(Box::new(Tail::new(path, 0, 0, input)));
        }
    }
}

fn first_bytes(path: &Path, length: usize) -> Option<Vec<u8>> {
    read_first_bytes(&File::open(path).ok()?, length)
}

fn read_first_bytes(file: &File, length: usize) -> Option<Vec<u8>> {
    use std::os::unix::fs::FileExt as _;
    let mut bytes = vec![0; length];
    let mut read = 0;
    while let Some(space) = bytes.get_mut(read..).filter(|space| !space.is_empty()) {
        match file.read_at(space, read as u64).ok()? {
            0 => break,
            more => read += more,
        }
    }
    bytes.truncate(read);
    Some(bytes)
}
