//! A journal that cannot be written, tasks that fail. Files that may not be read: `trail_faults::rights` of the command line.

use super::desk::{Desk, key, open_journal, records, wait_until};
use pgattest_trail::operate::{Context, Phase, Task, TaskError};
use pgattest_trail::{Journal, JournalOptions, Leaf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn while_the_journals_volume_is_full_nothing_is_lost_and_afterwards_nothing_is_there_twice() {
    let desk = Desk::new();
    let full = Arc::new(AtomicBool::new(false));
    let (dir, hook_full) = (desk.journal(), Arc::clone(&full));
    let open = Box::new(move || {
        let full = Arc::clone(&hook_full);
        let hook = Arc::new(move |_: &pgattest_evidence::DiskStep| {
            if full.load(Ordering::SeqCst) {
                return Err(std::io::Error::from_raw_os_error(28));
            }
            Ok(())
        });
        Journal::open_with_faults(&dir, key(), JournalOptions::default(), hook)
    });
    let running = desk.start_with(Some(open), Vec::new());
    desk.append("a.csv", records(1, 1..50));
    desk.wait_for(&records(1, 1..50));
    full.store(true, Ordering::SeqCst);
    desk.append("a.csv", records(1, 50..90));
    wait_until(
        || desk.has_said("the journal could not be written"),
        || "nothing was said".to_owned(),
    );
    // The source goes on, and even loses the file, which is open.
    desk.append("b.csv", records(2, 1..2000));
    wait_until(
        || {
            running
                .metrics
                .render()
                .contains("pgattest_trail_open_files{} 2")
        },
        || running.metrics.render(),
    );
    std::fs::remove_file(desk.log("a.csv")).unwrap();
    assert!(
        running
            .metrics
            .render()
            .contains("pgattest_trail_journal_writable{} 0")
    );
    full.store(false, Ordering::SeqCst);
    desk.wait_for(&(records(1, 1..90) + &records(2, 1..2000)));
    running.stop();
    assert!(desk.gaps().is_empty(), "{:?}", desk.gaps());
}

/// Fails twice, then hands in a leaf for every block it sees.
struct Counting {
    failures: usize,
    seen: Arc<AtomicUsize>,
}

impl Task for Counting {
    fn name(&self) -> String {
        "counting".to_owned()
    }

    fn run(&mut self, context: &Context) -> Result<(), TaskError> {
        if self.failures > 0 {
            self.failures -= 1;
            return Err("not yet".into());
        }
        let mut from = 0;
        loop {
            let phase = context.stop.phase();
            if phase == Phase::Stopping {
                return Ok(());
            }
            let mut reader = context.reader()?;
            reader.refresh()?;
            for leaf in reader.leaves(from) {
                let (index, leaf) = leaf?;
                from = index + 1;
                if let Leaf::Block(block) = leaf {
                    self.seen
                        .fetch_add(block.records as usize, Ordering::SeqCst);
                    context.leaves.send(Leaf::Watermark {
                        at: 0,
                        sink: "counting".to_owned(),
                        next: block.first_record + u64::from(block.records),
                    })?;
                }
            }
            if phase == Phase::Draining && from >= context.head.size() {
                return Ok(());
            }
            context.head.wait(from, Duration::from_millis(50));
        }
    }
}

#[test]
fn a_task_that_fails_is_started_again_and_what_it_hands_in_is_durable() {
    let desk = Desk::new();
    let seen = Arc::new(AtomicUsize::new(0));
    let task = Counting {
        failures: 1,
        seen: Arc::clone(&seen),
    };
    let running = desk.start_with(None, vec![Box::new(task)]);
    desk.append("a.csv", records(1, 1..50));
    wait_until(
        || {
            let mark = |leaf: &Leaf| matches!(leaf, Leaf::Watermark { next: 49, .. });
            desk.leaves().iter().any(mark)
        },
        || format!("{:?}", desk.leaves()),
    );
    running.stop();
    assert_eq!(seen.load(Ordering::SeqCst), 49);
    assert!(desk.has_said("counting ended: not yet"));
}

#[test]
fn a_journal_of_another_writer_is_refused() {
    let desk = Desk::new();
    let _other = open_journal(&desk.journal()).unwrap();
    let error = open_journal(&desk.journal()).err().unwrap();
    assert!(error.to_string().contains("another process"), "{error}");
}

#[test]
fn the_heartbeat_says_that_the_collector_lives() {
    let mut desk = Desk::new();
    desk.config.heartbeat_seconds = 1;
    let running = desk.start();
    wait_until(
        || {
            desk.leaves()
                .iter()
                .any(|leaf| matches!(leaf, Leaf::Heartbeat { .. }))
        },
        || format!("{:?}", desk.leaves()),
    );
    running.stop();
}
