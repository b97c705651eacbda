#![no_main]
//! jsonlog: what is UTF-8 is read as `serde_json` reads it; a text of anybody's is one text.

use libfuzzer_sys::fuzz_target;
use pgattest_parse::audit_log::{Cut, Format, Splitter, decode};

fuzz_target!(|bytes: &[u8]| {
    if let Some(record) = decode(&Format::Jsonlog, bytes)
        && let Ok(serde_json::Value::Object(object)) = serde_json::from_slice(bytes)
    {
        let said = object.get("message").and_then(|message| message.as_str()).unwrap_or_default();
        assert_eq!(record.message.as_ref(), said.as_bytes());
        assert_eq!(record.line, object.get("line_num").and_then(serde_json::Value::as_u64));
    }
    let text = String::from_utf8_lossy(bytes);
    let mut line = br#"{"timestamp":"2026-11-23 06:43:33.792 UTC","session_id":"6b03e095.9","line_num":1,"error_severity":"LOG","message":"#.to_vec();
    line.extend(serde_json::to_vec(text.as_ref()).unwrap());
    line.extend(b"}\n");
    assert_eq!(decode(&Format::Jsonlog, &line).unwrap().message.as_ref(), text.as_bytes());
    let torn = [&line[20..], &line].concat();
    let mut splitter = Splitter::new(Format::Jsonlog);
    let mut rest = &torn[..];
    let mut records = Vec::new();
    while !rest.is_empty() {
        let length = match splitter.next(rest, true) {
            Cut::Record(length) => {
                records.push(&rest[..length]);
                length
            }
            Cut::Torn(length, _) => length,
            Cut::More => panic!("not decided at the end"),
        };
        rest = &rest[length..];
    }
    assert_eq!(records, [&line[..]]);
});
