//! Random statements in random records.

use super::statements::{csvlog, jsonlog, place, statement, stderr};
use pgattest_parse::audit_log::Format;
use pgattest_parse::audit_log::redact::redact;
use proptest::prelude::*;

const CSV: Format = Format::Csvlog { columns: 26 };

/// The part of a planted secret that has no sign in it: no layer of quoting changes it.
fn core(secret: &str) -> &[u8] {
    &secret.as_bytes()[secret.len() - 5..]
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(bytes, needle).is_some()
}

/// Redacts a record that holds a secret; what is left, checked to be stable.
fn redacted(format: &Format, record: &[u8], secret: &str) -> Vec<u8> {
    let (after, ranges) = redact(format, record);
    assert!(
        !holds(&after, core(secret)),
        "{secret:?} survives in {}",
        String::from_utf8_lossy(&after)
    );
    let (again, more) = redact(format, &after);
    assert!(more.is_empty(), "{}", String::from_utf8_lossy(&after));
    assert_eq!(&again[..], &after[..]);
    let gone: usize = ranges.iter().map(|range| range.end - range.start).sum();
    let kept = record.len() - gone;
    assert_eq!(after.len(), kept + ranges.len() * "<redacted>".len());
    after.into_owned()
}

fn fields(record: &[u8]) -> Vec<Vec<u8>> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(record)
        .byte_records()
        .map(|record| record.unwrap())
        .flat_map(|record| record.iter().map(<[u8]>::to_vec).collect::<Vec<_>>())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_secret_survives_in_csvlog((secret, statement) in statement(), place in place()) {
        let record = csvlog(place, &statement);
        let after = redacted(&CSV, record.as_bytes(), &secret);
        let (before, after) = (fields(record.as_bytes()), fields(&after));
        prop_assert_eq!(after.len(), 26);
        for column in (0..13).chain(20..26) {
            prop_assert_eq!(&before[column], &after[column]);
        }
        if before[13].starts_with(b"AUDIT: ") {
            let (inner, was) = (fields(&after[13]), fields(&before[13]));
            prop_assert_eq!(inner.len(), was.len());
            prop_assert_eq!(&inner[..7], &was[..7]);
        }
    }

    #[test]
    fn no_secret_survives_in_jsonlog((secret, statement) in statement(), place in place()) {
        let record = jsonlog(place, &statement);
        let after = redacted(&Format::Jsonlog, record.as_bytes(), &secret);
        let before: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&record).unwrap();
        let after: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&after).unwrap();
        prop_assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
        prop_assert_eq!(&before["user"], &after["user"]);
    }

    #[test]
    fn no_secret_survives_in_a_log_of_lines((secret, statement) in statement(), place in place()) {
        let format = Format::Stderr { prefix: "%m [%p] ".to_owned() };
        for record in stderr(place, &statement) {
            redacted(&format, record.as_bytes(), &secret);
        }
    }

    #[test]
    fn no_secret_survives_when_the_record_is_cut(
        (secret, statement) in statement(), place in place(), at in any::<prop::sample::Index>(), json in any::<bool>()
    ) {
        let (format, record) = if json {
            (Format::Jsonlog, jsonlog(place, &statement))
        } else {
            (CSV, csvlog(place, &statement))
        };
        let (head, tail) = record.as_bytes().split_at(at.index(record.len()));
        for piece in [head, tail] {
            redacted(&format, piece, &secret);
        }
    }

    #[test]
    fn anything_at_all_is_redacted_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), word in "(password|=| |'|\"|\\$|://a:|@){0,9}") {
        let mut bytes = bytes;
        bytes.extend_from_slice(word.as_bytes());
        for format in [CSV, Format::Jsonlog, Format::CloudSql, Format::PgauditlogtofileCsv, Format::RdsStderr] {
            let (after, _) = redact(&format, &bytes);
            let (again, more) = redact(&format, &after);
            prop_assert!(more.is_empty(), "{:?}", String::from_utf8_lossy(&after));
            prop_assert_eq!(&again[..], &after[..]);
        }
    }

    #[test]
    fn what_has_no_secret_is_not_touched(name in "[a-z' \"]{1,20}", value in "[a-z0-9' ]{0,20}", place in place()) {
        let statement = format!(
            "UPDATE \"{}\" SET balance = '{}' WHERE id = 4 RETURNING *",
            name.replace('"', "\"\""),
            value.replace('\'', "''")
        );
        let record = csvlog(place, &statement);
        prop_assert!(matches!(redact(&CSV, record.as_bytes()).0, std::borrow::Cow::Borrowed(_)));
    }
}
