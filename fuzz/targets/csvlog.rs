#![no_main]
//! csvlog: a record has the fields that the `csv` crate reads, and a quoted text of anybody's never makes another record.

use libfuzzer_sys::fuzz_target;
use pgattest_parse::audit_log::{Cut, Format, Splitter, authentication, decode, pgaudit};

const FORMAT: Format = Format::Csvlog { columns: 26 };

fn pieces(mut bytes: &[u8]) -> Vec<(&[u8], bool)> {
    let mut splitter = Splitter::new(FORMAT);
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (length, record) = match splitter.next(bytes, true) {
            Cut::Record(length) => (length, true),
            Cut::Torn(length, _) => (length, false),
            Cut::More => panic!("not decided at the end"),
        };
        pieces.push((&bytes[..length], record));
        bytes = &bytes[length..];
    }
    pieces
}

fuzz_target!(|bytes: &[u8]| {
    for (piece, is_record) in pieces(bytes) {
        let record = decode(&FORMAT, piece);
        assert!(!is_record || record.is_some());
        let Some(record) = record else {
            continue;
        };
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(piece);
        let row = reader.byte_records().next().unwrap().unwrap();
        assert_eq!(row.len(), 26);
        assert_eq!(row.get(0), Some(record.time.as_ref()));
        assert_eq!(row.get(13), Some(record.message.as_ref()));
        assert_eq!(row.get(19).unwrap(), record.statement.as_deref().unwrap_or_default());
        let _ = (pgaudit::of(&record), authentication::read(&record));
    }
    // The same bytes as a client's message: one record, and when its beginning is lost, none.
    let quoted: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| std::iter::repeat_n(*byte, if *byte == b'"' { 2 } else { 1 }))
        .collect();
    let head = b"2026-11-23 06:43:33.792 UTC,\"a\",\"d\",9,\"[local]\",6b03e095.9,1,\"SELECT\",2026-11-23 06:43:33 UTC,3/1,0,LOG,00000,\"";
    let record = [&head[..], &quoted, b"\",,,,,,,,,\"psql\",\"client backend\",,0\n"].concat();
    assert_eq!(pieces(&record), [(&record[..], true)]);
    assert_eq!(decode(&FORMAT, &record).unwrap().message.as_ref(), bytes);
    let torn = [&record[30..], &record].concat();
    let found = pieces(&torn);
    assert_eq!(found.iter().filter(|piece| piece.1).count(), 1);
    assert_eq!(found.last(), Some(&(&record[..], true)));
});
