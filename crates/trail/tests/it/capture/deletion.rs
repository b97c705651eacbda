//! Files that are deleted.

use super::desk::{Desk, records, wait_until};
use std::fs;
use std::io::Write as _;

#[test]
fn a_file_that_is_deleted_while_it_is_open_is_read_to_its_end() {
    let desk = Desk::new();
    let running = desk.start();
    let mut file = desk.open_log("a.csv");
    file.write_all(records(1, 1..5).as_bytes()).unwrap();
    desk.wait_for(&records(1, 1..5));
    fs::remove_file(desk.log("a.csv")).unwrap();
    file.write_all(records(1, 5..9).as_bytes()).unwrap();
    desk.wait_for(&records(1, 1..9));
    desk.append("b.csv", records(2, 1..5));
    desk.wait_for(&(records(1, 1..9) + &records(2, 1..5)));
    running.stop();
    assert!(desk.gaps().is_empty(), "{:?}", desk.gaps());
}

#[test]
fn the_file_that_was_read_last_and_is_gone_is_a_gap() {
    let desk = Desk::new();
    desk.append("a.csv", records(1, 1..5));
    desk.once();
    fs::remove_file(desk.log("a.csv")).unwrap();
    desk.append("b.csv", records(2, 1..5));
    desk.once();
    desk.assert_holds(&(records(1, 1..5) + &records(2, 1..5)));
    assert_eq!(desk.gaps().len(), 1);
    assert!(
        desk.gaps()[0].contains("while nobody read it"),
        "{:?}",
        desk.gaps()
    );
    desk.once();
    assert_eq!(desk.gaps().len(), 1, "it is said once");
}

#[test]
fn a_rotated_file_that_was_read_and_is_removed_later_is_no_gap() {
    let desk = Desk::new();
    desk.append("a.csv", records(1, 1..5));
    desk.append("b.csv", records(2, 1..5));
    desk.once();
    fs::remove_file(desk.log("a.csv")).unwrap();
    desk.once();
    assert!(desk.gaps().is_empty(), "{:?}", desk.gaps());
}

#[test]
fn an_inode_that_is_used_again_is_another_file() {
    let desk = Desk::new();
    for file in 0..8 {
        let name = format!("{file:02}.csv");
        desk.append(&name, records(file, 1..5));
        desk.append(&format!("{file:02}x.csv"), records(file + 100, 1..2));
        desk.once();
        fs::remove_file(desk.log(&name)).unwrap();
    }
    let wanted: usize = (0..8)
        .map(|file| records(file, 1..5).len() + records(file + 100, 1..2).len())
        .sum();
    assert_eq!(desk.all().len(), wanted);
}

#[test]
fn a_directory_that_is_not_there_is_waited_for_and_one_that_comes_back_is_read() {
    let desk = Desk::new();
    fs::remove_dir(desk.log("")).unwrap();
    let running = desk.start();
    wait_until(
        || desk.has_said("cannot be listed"),
        || "nothing was said".to_owned(),
    );
    fs::create_dir(desk.log("")).unwrap();
    desk.append("a.csv", records(1, 1..5));
    desk.wait_for(&records(1, 1..5));
    assert!(
        running
            .metrics
            .render()
            .contains("pgattest_trail_missing_directories{} 0")
    );
    running.stop();
}
