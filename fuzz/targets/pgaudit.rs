#![no_main]
//! pgaudit's record: what is read is what the `csv` crate reads; what is written is read back.

use libfuzzer_sys::fuzz_target;
use pgattest_parse::audit_log::pgaudit::{ObjectName, Parameter, parameters, read};

/// As pgaudit appends a field.
fn append(line: &mut Vec<u8>, field: &[u8]) {
    if field.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        line.push(b'"');
        line.extend(field.iter().flat_map(|byte| std::iter::repeat_n(*byte, if *byte == b'"' { 2 } else { 1 })));
        line.push(b'"');
    } else {
        line.extend(field);
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Some(audit) = read(bytes) {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&bytes[7..]);
        let row = reader.byte_records().next().unwrap().unwrap();
        assert!(row.len() == 9 || row.len() == 10);
        assert_eq!(row.get(6), Some(audit.object_name.as_ref()));
        if let Some(text) = audit.statement.text() {
            assert_eq!(row.get(7), Some(text));
        }
    }
    let _ = ObjectName::read(bytes);
    let _ = parameters(bytes);
    let half = bytes.len() / 2;
    let mut said = Vec::new();
    append(&mut said, &bytes[..half]);
    said.push(b',');
    append(&mut said, &bytes[half..]);
    let value = |text: &[u8]| match text {
        b"<long param suppressed>" => Parameter::TooLong,
        text => Parameter::Value(text.to_vec().into()),
    };
    assert_eq!(parameters(&said), Some(vec![value(&bytes[..half]), value(&bytes[half..])]));
    let mut line = b"AUDIT: SESSION,1,1,READ,SELECT,TABLE,".to_vec();
    append(&mut line, &bytes[..half]);
    line.push(b',');
    append(&mut line, bytes);
    line.push(b',');
    append(&mut line, &said);
    let audit = read(&line).expect("what pgaudit writes is read");
    assert_eq!(audit.object_name.as_ref(), &bytes[..half]);
    assert!(audit.statement.text().is_none_or(|text| text == bytes));
    assert_eq!(audit.parameters.text(), Some(&said[..]));
});
