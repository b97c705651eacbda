//! A machine that stops at any step of writing leaves what was committed, and nothing else; and the journal goes on from there.

use super::support::{Place, file, fill, key, next_block, options, records, verify_all};
use pgattest_evidence::DiskStep;
use pgattest_trail::{Journal, JournalError, Leaf};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const CHILD_DIR: &str = "PGATTEST_TEST_DIR";
const CHILD_STEP: &str = "PGATTEST_TEST_DIE_AT";

/// What is done while the power fails: two commits, over the end of a segment.
fn work(journal: &mut Journal) -> Result<(), JournalError> {
    for round in 0..2 {
        for number in 0..2 {
            let block = next_block(journal, number, 3);
            journal.append(&block)?;
        }
        journal.note(&Leaf::Heartbeat { at: round })?;
        journal.commit()?;
    }
    Ok(())
}

/// Not a test by itself: what the others start in a process of its own.
#[test]
#[ignore = "is started by other tests"]
fn work_in_a_child() {
    let dir = std::env::var_os(CHILD_DIR).expect("started by another test");
    let die_at: usize = std::env::var(CHILD_STEP).unwrap().parse().unwrap();
    let passed = AtomicUsize::new(0);
    let mut journal = Journal::open_with_faults(
        Path::new(&dir),
        key(),
        options(),
        Arc::new(move |_: &DiskStep| {
            if passed.fetch_add(1, Ordering::SeqCst) == die_at {
                // Nothing is cleaned up, as when the power fails.
                std::process::abort();
            }
            Ok(())
        }),
    )
    .unwrap();
    work(&mut journal).unwrap();
}

/// The steps that the work takes in a journal like this one.
fn steps(template: &Place) -> Vec<DiskStep> {
    let place = template.copy();
    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&steps);
    let mut journal = Journal::open_with_faults(
        &place.dir(),
        key(),
        options(),
        Arc::new(move |step: &DiskStep| {
            seen.lock().unwrap().push(step.clone());
            Ok(())
        }),
    )
    .unwrap();
    work(&mut journal).unwrap();
    drop(journal);
    Arc::into_inner(steps).unwrap().into_inner().unwrap()
}

/// Whatever happened: what was committed before is there once, what is there is whole, and the work can be done again.
#[track_caller]
fn assert_whole(place: &Place, before: &[Vec<u8>], context: &str) -> usize {
    let mut journal = Journal::open(&place.dir(), key(), options())
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    let found = records(&place.reader());
    assert!(
        found.starts_with(before),
        "{context}: committed records are gone"
    );
    let commits = (found.len() - before.len()) / 6;
    assert_eq!(
        found.len(),
        before.len() + commits * 6,
        "{context}: half a commit"
    );
    assert!(commits <= 2, "{context}");
    assert_eq!(journal.next_record(), found.len() as u64, "{context}");
    work(&mut journal).unwrap_or_else(|error| panic!("{context}: {error}"));
    drop(journal);
    let mut all = records(&place.reader());
    assert_eq!(all.len(), found.len() + 12, "{context}");
    verify_all(place).unwrap_or_else(|problems| panic!("{context}: {problems}"));
    all.sort();
    all.dedup();
    assert_eq!(
        all.len(),
        found.len() + 12,
        "{context}: a record is there twice"
    );
    commits
}

/// `least`: how often at least a fault has to leave no commit, one, and two.
fn killed_at_every_step(leaves: u64, looked_at: impl Fn(&DiskStep) -> bool, least: [u32; 3]) {
    let template = Place::new();
    if leaves > 0 {
        fill(&mut template.open(), leaves);
    }
    let before = if leaves > 0 {
        records(&template.reader())
    } else {
        Vec::new()
    };
    let steps = steps(&template);
    assert!(steps.len() > 50, "{}", steps.len());
    let mut outcomes = [0_u32; 3];
    for (number, step) in steps.iter().enumerate().filter(|(_, step)| looked_at(step)) {
        let place = template.copy();
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal::faults::work_in_a_child", "--ignored"])
            .env(CHILD_DIR, place.dir())
            .env(CHILD_STEP, number.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        let context = format!("step {number}, {} {}", step.action, step.path.display());
        // The last step is the cache, written when the journal is let go: nothing hangs on it.
        assert!(!status.success(), "{context}: survived");
        outcomes[assert_whole(&place, &before, &context)] += 1;
    }
    // The faults met each side of the commits.
    assert!(
        outcomes
            .iter()
            .zip(least)
            .all(|(found, least)| *found >= least),
        "{outcomes:?}"
    );
}

#[test]
fn killed_while_beginning_a_journal() {
    killed_at_every_step(0, |_| true, [4; 3]);
}

#[test]
fn killed_while_adding_to_a_journal() {
    killed_at_every_step(8, |_| true, [4; 3]);
}

#[test]
fn killed_while_filling_a_tile() {
    // What differs from other commits.
    let full = |step: &DiskStep| {
        let name = step.path.to_string_lossy();
        ["tile/0/000", "tile/entries/000", "tile/1/000.p/1"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    killed_at_every_step(254, full, [12, 0, 0]);
}

#[test]
fn a_full_disk_at_every_step_is_an_error_and_loses_nothing() {
    let template = Place::filled(8);
    let before = records(&template.reader());
    let steps = steps(&template);
    let mut failed = 0;
    for (number, step) in steps.iter().enumerate() {
        let place = template.copy();
        let context = format!("step {number}, {} {}", step.action, step.path.display());
        let passed = AtomicUsize::new(0);
        let opened = Journal::open_with_faults(
            &place.dir(),
            key(),
            options(),
            Arc::new(move |_: &DiskStep| {
                // Once full, the disk stays full.
                if passed.fetch_add(1, Ordering::SeqCst) >= number {
                    Err(std::io::Error::from(std::io::ErrorKind::StorageFull))
                } else {
                    Ok(())
                }
            }),
        );
        if let Ok(mut journal) = opened
            && let Err(error) = work(&mut journal)
        {
            assert!(
                matches!(error, JournalError::Disk { .. }),
                "{context}: {error}"
            );
            failed += 1;
        }
        assert_whole(&place, &before, &context);
    }
    assert!(failed > 40, "{failed}");
}

#[test]
fn after_a_failed_commit_nothing_is_said_to_be_durable() {
    let place = Place::new();
    let failing = Arc::new(AtomicUsize::new(0));
    let fails = Arc::clone(&failing);
    let mut journal = Journal::open_with_faults(
        &place.dir(),
        key(),
        options(),
        Arc::new(move |step: &DiskStep| {
            if step.action == "flush" && fails.load(Ordering::SeqCst) == 1 {
                return Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
            }
            Ok(())
        }),
    )
    .unwrap();
    let sender = journal.leaf_sender();
    let waiting = std::thread::spawn(move || sender.send(Leaf::Heartbeat { at: 1 }, true));
    while !journal.has_leaves_waiting() {
        std::thread::yield_now();
    }
    failing.store(1, Ordering::SeqCst);
    journal.append(&next_block(&journal, 0, 3)).unwrap();
    assert!(matches!(journal.commit(), Err(JournalError::Disk { .. })));
    assert!(matches!(waiting.join().unwrap(), Err(JournalError::Ended)));
    failing.store(0, Ordering::SeqCst);
    // A flush that failed once may seem to succeed the next time: nothing is tried again on top of it.
    assert!(matches!(journal.commit(), Err(JournalError::Broken)));
    drop(journal);
    let journal = place.open();
    assert_eq!((journal.next_record(), journal.sealed(&file(0))), (0, None));
}

#[test]
fn a_block_that_did_not_fit_on_the_disk_may_be_added_again() {
    let place = Place::filled(4);
    let before = records(&place.reader()).len();
    let failing = Arc::new(AtomicUsize::new(1));
    let fails = Arc::clone(&failing);
    let mut journal = Journal::open_with_faults(
        &place.dir(),
        key(),
        options(),
        Arc::new(move |step: &DiskStep| {
            if step.action == "write the rest of" && fails.load(Ordering::SeqCst) == 1 {
                return Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
            }
            Ok(())
        }),
    )
    .unwrap();
    let block = next_block(&journal, 0, 3);
    assert!(journal.append(&block).is_err());
    failing.store(0, Ordering::SeqCst);
    journal.append(&next_block(&journal, 1, 1)).unwrap();
    journal.append(&next_block(&journal, 0, 3)).unwrap();
    journal.commit().unwrap();
    drop(journal);
    assert_eq!(records(&place.reader()).len(), before + 4);
    verify_all(&place).unwrap();
}
