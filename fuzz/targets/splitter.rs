#![no_main]
//! The splitter of every form: the pieces are the bytes, and the same however they come.

use libfuzzer_sys::fuzz_target;
use pgattest_parse::audit_log::{Cut, Decoder, Format, Splitter, TornReason};

/// Pieces when the bytes come in steps of `step`.
fn pieces(format: &Format, bytes: &[u8], step: usize) -> Vec<(usize, Option<TornReason>)> {
    let mut splitter = Splitter::new(format.clone());
    let (mut start, mut seen, mut pieces) = (0, 0, Vec::new());
    while start < bytes.len() {
        let (length, reason) = match splitter.next(&bytes[start..seen], seen == bytes.len()) {
            Cut::Record(length) => (length, None),
            Cut::Torn(length, reason) => (length, Some(reason)),
            Cut::More => {
                assert!(seen < bytes.len());
                seen = (seen + step).min(bytes.len());
                continue;
            }
        };
        assert!(length > 0 && start + length <= seen);
        pieces.push((length, reason));
        start += length;
    }
    assert_eq!(start, bytes.len());
    pieces
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let format = match choice % 8 {
        0 => Format::Csvlog { columns: 26 },
        1 => Format::Csvlog { columns: 24 },
        2 => Format::Jsonlog,
        3 => Format::Stderr {
            prefix: "%m [%p] %q%u@%d ".to_owned(),
        },
        4 => Format::RdsStderr,
        5 => Format::PgauditlogtofileCsv,
        6 => Format::PgauditlogtofileJson,
        _ => Format::CloudSql,
    };
    let whole = pieces(&format, bytes, usize::MAX / 2);
    assert_eq!(pieces(&format, bytes, 1 + usize::from(choice / 8)), whole);
    let decoder = Decoder::new(format);
    let mut rest = bytes;
    for (length, reason) in whole {
        let (piece, after) = rest.split_at(length);
        assert!(reason.is_some() || decoder.decode(piece).is_some());
        rest = after;
    }
});
