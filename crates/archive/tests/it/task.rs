//! The archive beside a capture: what is sealed is archived, and the tree says so.

use crate::support::{CSVLOG, Place, numbers, seal, statements};
use pgattest_archive::task::{ArchiveTask, Config};
use pgattest_archive::verify::verify;
use pgattest_trail::operate::{Context, Head, Leaves, Metrics, Phase, Stop, Task, Teller};
use pgattest_trail::{JournalError, Leaf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

fn task(place: &Place) -> ArchiveTask {
    let config = Config {
        location: pgattest_archive::Location::Directory(place.root()),
        every_minutes: 60,
        retention_days: 365,
        maximum_days: None,
        kms_key: None,
        path_style: false,
        aws: None,
    };
    ArchiveTask::new(&config, "main")
}

fn context(place: &Place) -> (Context, Receiver<Leaf>) {
    let (send, sent) = channel();
    let leaves = Leaves::new(move |leaf: Leaf| send.send(leaf).map_err(|_| JournalError::Ended));
    let context = Context {
        journal: place.journal(),
        leaves,
        head: Head::default(),
        stop: Stop::default(),
        metrics: Metrics::default(),
        teller: Teller::silent(),
    };
    (context, sent)
}

fn file(leaf: Leaf) -> String {
    let Leaf::Archived { file, .. } = leaf else {
        panic!("{leaf:?}");
    };
    file
}

#[test]
fn what_is_left_when_the_capture_ends_is_archived_and_recorded_file_by_file() {
    let place = Place::new();
    let log = statements(100, 86_400 - 50);
    seal(&place.journal(), "pg.csv", log.as_bytes(), &CSVLOG, 10);
    let (context, sent) = context(&place);
    context.stop.advance(Phase::Draining);
    task(&place).run(&context).unwrap();
    assert_eq!(numbers(&place.archive()), (0..100).collect::<Vec<_>>());
    let files: Vec<String> = sent.try_iter().map(file).collect();
    assert_eq!(files.len(), 2, "a file a day: {files:?}");
    assert!(files.iter().all(|file| place.root().join(file).exists()));
    assert!(
        verify(&place.archive(), None, None)
            .unwrap()
            .faults
            .is_empty()
    );
    let records = context.metrics.counter("archived_records", "", &[]);
    assert_eq!(records.get(), 100);
}

#[test]
fn what_is_sealed_while_it_runs_is_archived_with_the_next_run() {
    let place = Place::new();
    seal(
        &place.journal(),
        "a.csv",
        statements(20, 0).as_bytes(),
        &CSVLOG,
        10,
    );
    let (context, sent) = context(&place);
    let mut task = task(&place);
    task.every = Duration::from_millis(20);
    let stop = context.stop.clone();
    let running = std::thread::spawn(move || task.run(&context).map_err(|it| it.to_string()));
    let next = || file(sent.recv_timeout(Duration::from_mins(1)).unwrap());
    assert!(next().contains("r000000000000-000000000020"));
    seal(
        &place.journal(),
        "b.csv",
        statements(30, 100).as_bytes(),
        &CSVLOG,
        10,
    );
    let mut end = 0;
    while end < 50 {
        next();
        end = place
            .archive()
            .layout()
            .unwrap()
            .batches
            .last()
            .unwrap()
            .end;
    }
    stop.advance(Phase::Stopping);
    running.join().unwrap().unwrap();
    assert_eq!(numbers(&place.archive()), (0..50).collect::<Vec<_>>());
}

#[test]
fn a_collector_that_stops_is_not_waited_for_and_nothing_is_half_there() {
    let place = Place::new();
    seal(
        &place.journal(),
        "pg.csv",
        statements(50, 0).as_bytes(),
        &CSVLOG,
        10,
    );
    let (context, sent) = context(&place);
    context.stop.advance(Phase::Stopping);
    task(&place).run(&context).unwrap();
    assert_eq!(sent.try_iter().count(), 0);
    assert!(place.archive().layout().unwrap().batches.is_empty());
}
