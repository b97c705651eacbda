//! Files that are cut.

use super::desk::{Desk, records};
use std::fs::{self, OpenOptions};
use std::time::{Duration, SystemTime};

fn cut(desk: &Desk, name: &str, length: u64) {
    let file = OpenOptions::new().write(true).open(desk.log(name)).unwrap();
    file.set_len(length).unwrap();
}

#[test]
fn a_file_that_is_cut_and_written_anew_is_another_file_and_the_gap_is_declared() {
    let desk = Desk::new();
    let running = desk.start();
    desk.append("a.csv", records(1, 1..50));
    desk.wait_for(&records(1, 1..50));
    cut(&desk, "a.csv", 0);
    desk.append("a.csv", records(2, 1..50));
    desk.wait_for(&(records(1, 1..50) + &records(2, 1..50)));
    running.stop();
    assert_eq!(desk.held().len(), 2);
    assert_eq!(desk.gaps().len(), 1, "{:?}", desk.gaps());
    assert!(desk.gaps()[0].contains("was cut while it was read"));
}

#[test]
fn a_file_that_was_cut_while_nobody_read_it_is_told() {
    // log_truncate_on_rotation with a name that repeats.
    let desk = Desk::new();
    desk.append("a.csv", records(1, 1..50));
    desk.once();
    cut(&desk, "a.csv", 0);
    desk.append("a.csv", records(2, 1..100));
    desk.once();
    desk.assert_holds(&(records(1, 1..50) + &records(2, 1..100)));
    assert_eq!(desk.held().len(), 2);
    assert_eq!(desk.gaps().len(), 1, "{:?}", desk.gaps());
}

#[test]
fn a_file_that_was_cut_within_what_was_sealed_is_sealed_again_and_that_is_said() {
    let desk = Desk::new();
    desk.append("a.csv", records(1, 1..50));
    desk.once();
    let kept = records(1, 1..20);
    cut(&desk, "a.csv", kept.len() as u64);
    desk.append("a.csv", records(2, 1..10));
    desk.once();
    let mut wanted = records(1, 1..50) + &kept + &records(2, 1..10);
    desk.assert_holds(&wanted);
    assert_eq!(desk.gaps().len(), 1, "{:?}", desk.gaps());
    assert!(desk.gaps()[0].contains("twice"));
    desk.append("a.csv", records(2, 10..20));
    desk.once();
    wanted.push_str(&records(2, 10..20));
    desk.assert_holds(&wanted);

    // While it is read.
    let running = desk.start();
    cut(&desk, "a.csv", kept.len() as u64);
    desk.append("a.csv", records(3, 1..5));
    wanted.push_str(&(kept + &records(3, 1..5)));
    desk.wait_for(&wanted);
    running.stop();
    desk.assert_holds(&wanted);
}

#[test]
fn what_a_copy_has_that_was_made_before_the_cut_is_read_from_the_copy() {
    // logrotate's copytruncate.
    let desk = Desk::new();
    let running = desk.start();
    desk.append("a.csv", records(1, 1..50));
    desk.wait_for(&records(1, 1..50));
    // Not read before it is copied: whatever the collector's pace, the rest is in the copy.
    desk.append("a.csv", records(1, 50..90));
    fs::copy(desk.log("a.csv"), desk.log("a.csv.1")).unwrap();
    cut(&desk, "a.csv", 0);
    desk.append("a.csv", records(2, 1..5));
    desk.wait_for(&(records(1, 1..90) + &records(2, 1..5)));
    running.stop();
    assert_eq!(desk.held().len(), 2, "nothing is sealed twice");
    assert_eq!(desk.gaps().len(), 1, "{:?}", desk.gaps());
    desk.once();
    desk.assert_holds(&(records(1, 1..90) + &records(2, 1..5)));
}

#[test]
fn a_copy_that_was_made_while_nobody_read_is_read_on() {
    let desk = Desk::new();
    desk.append("a.csv", records(1, 1..50));
    desk.once();
    desk.append("a.csv", records(1, 50..90));
    fs::copy(desk.log("a.csv"), desk.log("a.csv.1")).unwrap();
    cut(&desk, "a.csv", 0);
    desk.append("a.csv", records(2, 1..5));
    desk.once();
    let held = desk.held();
    assert_eq!(held.len(), 2);
    assert!(
        held.iter()
            .any(|it| it.bytes == records(1, 1..90).as_bytes())
    );
    assert!(
        held.iter()
            .any(|it| it.bytes == records(2, 1..5).as_bytes())
    );
    assert_eq!(desk.gaps().len(), 1, "{:?}", desk.gaps());
}

#[test]
fn a_copy_of_a_file_that_is_read_is_not_read() {
    let desk = Desk::new();
    let running = desk.start();
    desk.append("a.csv", records(1, 1..50));
    desk.wait_for(&records(1, 1..50));
    fs::copy(desk.log("a.csv"), desk.log("backup.csv")).unwrap();
    desk.append("a.csv", records(1, 50..60));
    desk.wait_for(&records(1, 1..60));
    running.stop();
    desk.once();
    desk.assert_holds(&(records(1, 1..60)));
    assert!(desk.gaps().is_empty());
}

#[test]
fn a_copy_older_than_the_file_it_was_made_of_is_not_read_after_a_start_either() {
    let desk = Desk::new();
    desk.append("a.csv", records(1, 1..60));
    desk.once();
    fs::write(desk.log("backup.csv"), records(1, 1..50)).unwrap();
    // Files are looked at in the order in which they changed.
    let hour_ago = SystemTime::now() - Duration::from_hours(1);
    fs::File::options()
        .write(true)
        .open(desk.log("backup.csv"))
        .unwrap()
        .set_modified(hour_ago)
        .unwrap();
    desk.once();
    desk.append("a.csv", records(1, 60..70));
    desk.once();
    desk.assert_holds(&records(1, 1..70));
    assert!(desk.gaps().is_empty(), "{:?}", desk.gaps());
}
