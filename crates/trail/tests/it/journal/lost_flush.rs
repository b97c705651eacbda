//! A machine that stops, on a disk that keeps nothing but what it was told to flush.
//!
//! A file has the content of its last flush, and a folder lists what it listed when it was last flushed. That is the worst that a file
//! system may do; what a real one keeps besides is tried by `faults`, where everything written is there.

use super::support::{Place, file, fill, key, next_block, options, records, verify_all};
use pgattest_evidence::DiskStep;
use pgattest_trail::{Journal, Leaf};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What is on the disk for good.
#[derive(Clone, Debug, Default)]
struct Platter {
    /// Content of files by inode, at their last flush.
    content: BTreeMap<u64, Vec<u8>>,
    /// What each folder lists, at its last flush: name and inode, and whether it is a folder.
    folders: BTreeMap<PathBuf, BTreeMap<PathBuf, (u64, bool)>>,
    /// The step that was announced last: it is done when the next one is announced.
    last: Option<DiskStep>,
}

impl Platter {
    /// A disk on which everything below `dir` is safe.
    fn of(dir: &Path) -> Self {
        let mut platter = Self::default();
        platter.keep_all(dir);
        platter
    }

    fn keep_all(&mut self, dir: &Path) {
        self.keep_folder(dir);
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.keep_all(&path);
            } else {
                self.keep_file(&path);
            }
        }
    }

    fn keep_file(&mut self, path: &Path) {
        let inode = fs::metadata(path).unwrap().ino();
        self.content.insert(inode, fs::read(path).unwrap());
    }

    fn keep_folder(&mut self, path: &Path) {
        let list = fs::read_dir(path).unwrap().map(|entry| {
            let entry = entry.unwrap();
            let inode = entry.metadata().unwrap().ino();
            (
                PathBuf::from(entry.file_name()),
                (inode, entry.path().is_dir()),
            )
        });
        self.folders.insert(path.to_owned(), list.collect());
    }

    /// A step begins, so that the one before it is done.
    fn step(&mut self, step: &DiskStep) {
        if let Some(done) = self.last.replace(step.clone()) {
            match done.action {
                "flush" => self.keep_file(&done.path),
                "flush the folder" => self.keep_folder(&done.path),
                _ => {}
            }
        }
    }

    /// What is there after the machine starts again.
    fn write_to(&self, from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for (name, (inode, is_folder)) in self.folders.get(from).into_iter().flatten() {
            if *is_folder {
                self.write_to(&from.join(name), &to.join(name));
            } else {
                let content = self.content.get(inode).map(Vec::as_slice);
                fs::write(to.join(name), content.unwrap_or_default()).unwrap();
            }
        }
    }
}

/// Works on a journal and stops the machine before every step in turn. What a commit acknowledged before is there, and no half of another.
fn stopped_at_every_step(leaves: u64) {
    let place = Place::new();
    if leaves > 0 {
        fill(&mut place.open(), leaves);
    }
    drop(place.open());
    let before = if leaves > 0 {
        records(&place.reader())
    } else {
        Vec::new()
    };
    let dir = place.dir();
    // What the disk holds before each step, and how many commits were acknowledged by then.
    let states: Arc<Mutex<Vec<(Platter, DiskStep)>>> = Arc::default();
    let acknowledged: Arc<Mutex<Vec<usize>>> = Arc::default();
    let platter = Mutex::new(Platter::of(&dir));
    let seen = Arc::clone(&states);
    let hook = Arc::new(move |step: &DiskStep| {
        let mut platter = platter.lock().unwrap();
        platter.step(step);
        seen.lock().unwrap().push((platter.clone(), step.clone()));
        Ok(())
    });
    let mut journal = Journal::open_with_faults(&dir, key(), options(), hook).unwrap();
    for round in 0..4 {
        for number in 0..2 {
            let block = next_block(&journal, number, 3);
            journal.append(&block).unwrap();
        }
        journal.note(&Leaf::Heartbeat { at: round }).unwrap();
        journal.commit().unwrap();
        acknowledged
            .lock()
            .unwrap()
            .push(states.lock().unwrap().len());
    }
    assert!(journal.sealed(&file(0)).is_some());
    drop(journal);
    let all = records(&place.reader());
    let (states, acknowledged) = (states.lock().unwrap(), acknowledged.lock().unwrap());
    assert!(states.len() > 100, "{}", states.len());
    let mut outcomes = BTreeSet::new();
    for (number, (platter, step)) in states.iter().enumerate() {
        let context = format!("step {number}, {} {}", step.action, step.path.display());
        let after = Place::new();
        platter.write_to(&dir, &after.dir());
        let journal = Journal::open(&after.dir(), key(), options())
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        let found = records(&after.reader());
        assert_eq!(journal.next_record(), found.len() as u64, "{context}");
        drop(journal);
        assert!(all.starts_with(&found), "{context}: other records");
        let told = acknowledged.iter().filter(|at| **at <= number).count();
        let there = found
            .len()
            .checked_sub(before.len())
            .unwrap_or_else(|| panic!("{context}: committed records are gone"));
        assert_eq!(there % 6, 0, "{context}: half a commit");
        assert!(
            there / 6 >= told,
            "{context}: {told} commits were acknowledged, {} are there",
            there / 6
        );
        outcomes.insert(there / 6);
        // Opening holds the tiles against the root already; the rest takes its time.
        if number % 8 == 0 {
            verify_all(&after).unwrap_or_else(|problems| panic!("{context}: {problems}"));
        }
    }
    assert_eq!(outcomes, (0..=4).collect());
}

#[test]
fn what_was_acknowledged_outlives_a_disk_that_keeps_only_what_was_flushed() {
    stopped_at_every_step(8);
}

#[test]
fn a_journal_that_has_just_begun_outlives_it_too() {
    stopped_at_every_step(0);
}

#[test]
fn a_tile_that_is_filled_outlives_it_too() {
    stopped_at_every_step(250);
}
