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
    // Without the quotes around it nobody can tell what is in a part, so the redactor takes more out of it than of a record: what
    // stays is that every byte of the file is covered, once, and what was taken out can be proven.
    let mut position = 0;
    for block in desk.blocks() {
        assert_eq!(block.offset, position);
        position += block.source_length;
        let changed = block.source_length != block.bytes.len() as u64;
        let proven = block.pieces.iter().any(|piece| piece.original.is_some());
        assert!(!changed || proven);
    }
    assert_eq!(position, text.len() as u64);
    assert!(
        desk.all().starts_with(&record(1, 1, "before"))
            && desk.all().ends_with(&record(1, 3, "after"))
    );
    let pieces: Vec<_> = desk.blocks().into_iter().flat_map(|it| it.pieces).collect();
    let records = pieces
        .iter()
        .filter(|it| it.kind == PieceKind::Record)
        .count();
    assert_eq!(records, 2, "a line within the statement is no record");
    assert!(pieces.iter().all(|piece| piece.length <= 2 << 20));
}
