//! Files that come and go as the server rotates them.

use super::desk::{Desk, record, record_at, records};
use pgattest_trail::Leaf;

#[test]
fn what_is_there_is_captured_oldest_first_and_byte_for_byte() {
    let desk = Desk::new();
    desk.append("a.csv", records(1, 1..3000));
    desk.append("b.csv", records(2, 1..3000));
    desk.append("c.csv", records(3, 1..10));
    desk.once();
    let wanted = [records(1, 1..3000), records(2, 1..3000), records(3, 1..10)].concat();
    desk.assert_holds(&(wanted));
    assert!(desk.held().iter().all(|file| file.torn == 0));
    let leaves = desk.leaves();
    assert!(
        matches!(leaves.first(), Some(Leaf::Start { .. })),
        "{leaves:?}"
    );
    assert!(
        matches!(leaves.last(), Some(Leaf::Stop { .. })),
        "{leaves:?}"
    );
}

#[test]
fn a_second_start_goes_on_where_the_first_ended() {
    let desk = Desk::new();
    let (first, second) = (records(1, 1..100), records(1, 100..200));
    desk.append("a.csv", &first);
    desk.once();
    desk.once();
    desk.assert_holds(&(first));
    desk.append("a.csv", &second);
    desk.append("b.csv", records(2, 1..5));
    desk.once();
    desk.assert_holds(&(first + &second + &records(2, 1..5)));
    assert_eq!(desk.held().len(), 2);
}

#[test]
fn an_unfinished_record_of_the_live_file_waits_and_that_of_a_rotated_one_is_torn() {
    let desk = Desk::new();
    let (whole, half) = (record(1, 1, "one"), record(1, 2, "two"));
    let (begin, rest) = half.split_at(90);
    desk.append("a.csv", format!("{whole}{begin}"));
    desk.once();
    desk.assert_holds(&whole);
    desk.append("a.csv", rest);
    desk.once();
    desk.assert_holds(&(format!("{whole}{half}")));
    assert_eq!(desk.held()[0].torn, 0);

    desk.append("a.csv", begin);
    desk.append("b.csv", record(2, 1, "of the next file"));
    desk.once();
    desk.assert_holds(&(format!("{whole}{half}{begin}{}", record(2, 1, "of the next file"))));
    assert_eq!(desk.held()[0].torn, 1);
}

#[test]
fn rotation_while_it_runs_loses_nothing() {
    let desk = Desk::new();
    let running = desk.start();
    let mut wanted = String::new();
    for file in 0..20 {
        for part in 0..5_u32 {
            let text = records(file, part * 7 + 1..part * 7 + 8);
            // In two writes, the first of them in the middle of a record.
            let (begin, rest) = text.split_at(text.len() / 2 + 3);
            desk.append(&format!("postgresql-{file:02}.csv"), begin);
            desk.append(&format!("postgresql-{file:02}.csv"), rest);
            wanted.push_str(&text);
        }
    }
    desk.wait_for(&wanted);
    running.stop();
    desk.assert_holds(&(wanted));
    assert_eq!(desk.held().len(), 20);
    assert!(desk.held().iter().all(|file| file.torn == 0));
    assert!(desk.gaps().is_empty());
}

#[test]
fn a_name_that_is_used_again_is_appended_to() {
    // Two rotations within a second, or log_filename = postgresql-%a.log a week later.
    let desk = Desk::new();
    let running = desk.start();
    desk.append("mon.csv", records(1, 1..4));
    desk.append("tue.csv", records(2, 1..4));
    let before = records(1, 1..4) + &records(2, 1..4);
    desk.wait_for(&before);
    desk.append("mon.csv", records(3, 1..4));
    desk.wait_for(&(before + &records(3, 1..4)));
    running.stop();
    assert_eq!(desk.held().len(), 2, "the same file");
}

#[test]
fn a_renamed_file_is_the_same_file() {
    let desk = Desk::new();
    let running = desk.start();
    desk.append("a.csv", records(1, 1..4));
    desk.wait_for(&records(1, 1..4));
    std::fs::rename(desk.log("a.csv"), desk.log("a.csv.1")).unwrap();
    desk.append("a.csv", records(2, 1..4));
    desk.wait_for(&(records(1, 1..4) + &records(2, 1..4)));
    running.stop();
    std::fs::rename(desk.log("a.csv.1"), desk.log("a.csv.2")).unwrap();
    desk.once();
    desk.assert_holds(&(records(1, 1..4) + &records(2, 1..4)));
    assert!(desk.gaps().is_empty(), "{:?}", desk.gaps());
}

#[test]
fn records_whose_times_go_backwards_are_kept_in_the_order_of_the_file() {
    let desk = Desk::new();
    let text = record_at("2026-11-23 06:43:33.792", 1, 1, "before")
        + &record_at("2026-11-23 05:43:33.792", 1, 2, "the clock was set back")
        + &record_at("2026-11-23 05:43:34.000", 1, 3, "after");
    desk.append("a.csv", &text);
    desk.once();
    desk.assert_holds(&(text));
    let times = desk.blocks()[0].times.unwrap();
    assert_eq!(times.1 - times.0, 3_600_000);
}

#[test]
fn a_file_that_a_clock_set_back_dates_before_the_others_is_still_the_later_one() {
    let desk = Desk::new();
    let running = desk.start();
    desk.append("a.csv", records(1, 1..4));
    desk.wait_for(&records(1, 1..4));
    let half = record(2, 4, "unfinished");
    let late = desk.open_log("b.csv");
    desk.append("b.csv", records(2, 1..4) + &half[..50]);
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    late.set_modified(hour_ago).unwrap();
    desk.wait_for(&(records(1, 1..4) + &records(2, 1..4)));
    desk.append("b.csv", &half[50..]);
    desk.wait_for(&(records(1, 1..4) + &records(2, 1..4) + &half));
    running.stop();
    assert!(desk.held().iter().all(|file| file.torn == 0));
}

#[test]
fn several_forms_in_one_directory_are_told_by_their_content() {
    let desk = Desk::new();
    desk.append("p.csv", records(1, 1..4));
    let json = "{\"timestamp\":\"2026-11-23 06:43:33.792 UTC\",\"pid\":9309,\"session_id\":\"6b03e095.245d\",\"line_num\":1,\"session_start\":\"2026-11-23 06:43:33 UTC\",\"txid\":0,\"error_severity\":\"LOG\",\"message\":\"starting\",\"backend_type\":\"postmaster\",\"query_id\":0}\n";
    desk.append("p.json", json);
    let text = "2026-11-23 06:43:33.792 UTC [9309] LOG:  ending log output to stderr\n2026-11-23 06:43:33.792 UTC [9309] HINT:  Future log output will go to log destination \"csvlog\".\n";
    desk.append("p.log", text);
    desk.append("p.csv.gz", "not looked into");
    desk.append("current_logfiles", "csvlog log/p.csv\n");
    desk.once();
    assert!(desk.has_said("has csvlog and jsonlog"));
    let held = desk.held();
    assert_eq!(held.len(), 3);
    for (ending, wanted, graded) in [
        ("csv", records(1, 1..4).as_str(), true),
        ("json", json, true),
        ("log", text, false),
    ] {
        let file = held
            .iter()
            .find(|it| it.file.name.ends_with(ending))
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&file.bytes), wanted);
        assert_eq!(file.format.is_audit_grade(), graded, "{ending}");
        assert_eq!(file.torn, 0, "{ending}");
    }
}

#[test]
fn a_text_log_with_another_prefix_than_configured_is_sealed_and_said_to_be_so() {
    let desk = Desk::new();
    let text = "app@shop 2026-11-23 06:43:33 UTC LOG:  connection received\n";
    desk.append("p.log", text.repeat(3));
    desk.once();
    assert!(desk.has_said("begins with the log_line_prefix `%m [%p] `"));
    assert_eq!(desk.all(), text.repeat(3));

    let desk = Desk::new();
    let text = "2026-11-23 06:43:33.792 UTC [9309] LOG:  connection received\n";
    desk.append("p.log", text.repeat(3));
    desk.once();
    assert!(!desk.has_said("log_line_prefix"));
}
