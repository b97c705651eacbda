//! Records that are longer than what is held in memory.

use super::desk::{Desk, record};
use pgattest_trail::PieceKind;

#[test]
fn a_record_beyond_the_limit_is_sealed_in_torn_pieces_that_are_the_record() {
    let mut desk = Desk::new();
    desk.config.longest_record_mib = 1;
    let forged = record(9, 1, "forged");
    let long = record(
        1,
        2,
        &format!("{}\n{forged}{}", "x".repeat(3 << 20), "y".repeat(1 << 20)),
    );
    let text = record(1, 1, "before") + &long + &record(1, 3, "after");
    desk.append("a.csv", &text);
    desk.once();
    // No word of it means a secret, so that every byte is kept.
    desk.assert_holds(&text);
    let mut position = 0;
    for block in desk.blocks() {
        assert_eq!(block.offset, position);
        position += block.source_length;
    }
    assert_eq!(position, text.len() as u64);
    let pieces: Vec<_> = desk.blocks().into_iter().flat_map(|it| it.pieces).collect();
    let records = pieces
        .iter()
        .filter(|it| it.kind == PieceKind::Record)
        .count();
    assert_eq!(records, 2, "a line within the statement is no record");
    assert!(pieces.iter().all(|piece| piece.length <= 2 << 20));
}

#[test]
fn a_long_record_of_jsonlog_is_kept_byte_for_byte() {
    let mut desk = Desk::new();
    desk.config.longest_record_mib = 1;
    let line = |number: u32, message: &str| {
        format!(
            "{{\"timestamp\":\"2026-11-23 06:43:33.792 UTC\",\"pid\":9309,\"session_id\":\"6b03e095.245d\",\"line_num\":{number},\
             \"session_start\":\"2026-11-23 06:43:33 UTC\",\"error_severity\":\"LOG\",\"message\":\"{message}\"}}\n"
        )
    };
    let long = format!("select 'a', \\\"b\\\" {}", "x'y ".repeat(700_000));
    let text = line(1, "before") + &line(2, &long) + &line(3, "after");
    desk.append("a.json", &text);
    desk.once();
    desk.assert_holds(&text);
}

/// What is left of a secret: it is made of this word, again and again.
const PLANTED: &str = "hunter2";

/// Seals a long record of this statement, between two short ones, and then these bytes; says what is left.
#[track_caller]
fn sealed_with(statement: &str, behind: &str) -> String {
    let mut desk = Desk::new();
    desk.config.longest_record_mib = 1;
    let (before, after) = (record(1, 1, "before"), record(1, 3, "after"));
    desk.append(
        "a.csv",
        before.clone() + &record(1, 2, statement) + behind + &after,
    );
    desk.once();
    let all = desk.all();
    assert!(all.starts_with(&before) && all.ends_with(&after));
    all
}

#[test]
fn a_secret_across_two_cuts_leaves_nothing_behind() {
    let secret = PLANTED.repeat(400_000);
    let statement =
        format!("ALTER ROLE app VALID UNTIL 'never' PASSWORD '{secret}'; select 'else'");
    assert!(!sealed_with(&statement, "").contains(PLANTED));
}

#[test]
fn a_secret_that_lies_on_a_cut_leaves_nothing_behind() {
    let head = record(1, 1, "before").len() + record(1, 2, "").len();
    for shift in (0..60).step_by(7) {
        let filler = "x".repeat((1 << 20) - head - shift);
        let statement = format!("{filler} ALTER ROLE app PASSWORD '{PLANTED}{PLANTED}'");
        assert!(!sealed_with(&statement, "").contains(PLANTED), "{shift}");
    }
}

#[test]
fn a_secret_far_from_its_word_leaves_nothing_behind() {
    let filler = "x".repeat(3 << 19);
    let statement = format!(
        "INSERT INTO people (name, password) VALUES ('{filler}', '{PLANTED}'), ('{filler}', '{PLANTED}')"
    );
    assert!(!sealed_with(&statement, "").contains(PLANTED));
}

#[test]
fn what_is_torn_behind_a_long_record_is_no_part_of_it() {
    let rest = format!("{PLANTED}',<not logged>\",,,,,,,,,\"psql\",\"client backend\",,0\n");
    let all = sealed_with(&"x".repeat(3 << 20), &rest);
    assert!(!all.contains(PLANTED));
    assert!(all.contains(&"x".repeat(3 << 20)));
}
