#![no_main]
//! Plain text with any `log_line_prefix`: nothing panics, and what the splitter calls a record is decoded.

use libfuzzer_sys::fuzz_target;
use pgattest_parse::audit_log::{Cut, Decoder, Format, Splitter, authentication, pgaudit};

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (prefix, mut rest) = bytes.split_at(at);
    let format = Format::Stderr {
        prefix: String::from_utf8_lossy(prefix).into_owned(),
    };
    let mut splitter = Splitter::new(format.clone());
    let decoder = Decoder::new(format);
    while !rest.is_empty() {
        let length = match splitter.next(rest, true) {
            Cut::Record(length) => {
                let record = decoder.decode(&rest[..length]).expect("a record is decoded");
                let _ = (pgaudit::of(&record), authentication::read(&record));
                length
            }
            Cut::Torn(length, _) => length,
            Cut::More => panic!("not decided at the end"),
        };
        rest = &rest[length..];
    }
});
