//! Real logs of PostgreSQL 15 with pgaudit 1.7: one run written three times (csvlog, jsonlog, stderr, each turned on at another
//! time), and one with pgauditlogtofile 1.5.11. They hold statements with every nasty name, forged lines, and probes.
//!
//! Every number here was counted by other means: Python's `csv` and `json` modules for csvlog and jsonlog, and regular expressions
//! over the bytes for the other two, as said beside them.

use super::{read, text};
use pgattest_parse::audit_log::authentication::{self, Event};
use pgattest_parse::audit_log::format::{Detected, detect};
use pgattest_parse::audit_log::pgaudit::{self, Audit, Parameter, Said};
use pgattest_parse::audit_log::{Format, Record, TornReason};
use std::collections::BTreeMap;

fn sample(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/samples/{name}.zst", env!("CARGO_MANIFEST_DIR"));
    zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()
}

fn audits<'a>(records: &'a [Record<'_>]) -> Vec<Audit<'a>> {
    records.iter().filter_map(pgaudit::of).collect()
}

/// How often each kind of event is there.
fn events(records: &[Record<'_>]) -> BTreeMap<&'static str, usize> {
    let mut events = BTreeMap::new();
    for event in records.iter().filter_map(authentication::read) {
        let name = match event {
            Event::Received => "received",
            Event::Authenticated { .. } => "authenticated",
            Event::Authorized { .. } => "authorized",
            Event::Refused {
                role_exists: Some(false),
            } => "refused, no such role",
            Event::Refused { .. } => "refused",
            Event::Disconnected => "disconnected",
        };
        *events.entry(name).or_default() += 1;
    }
    events
}

/// `list(csv.reader(...))` gives 11,938 rows of 26 columns; the rest is counted over those.
#[test]
fn every_record_of_csvlog_is_there_and_no_other() {
    let log = sample("csvlog.csv");
    let format = Format::Csvlog { columns: 26 };
    assert_eq!(detect(&log, None), Detected::Form(format.clone()));
    let (records, torn) = read(&format, &log);
    assert_eq!((records.len(), torn.len()), (11_938, 0));

    let mut severities = BTreeMap::new();
    for record in &records {
        *severities
            .entry(text(record.severity.as_deref().unwrap()))
            .or_insert(0) += 1;
        assert!(record.time_ms.is_some() && record.line.is_some() && record.query_id.is_some());
    }
    assert_eq!(
        severities.into_iter().collect::<Vec<_>>(),
        [
            ("ERROR".to_owned(), 42),
            ("FATAL".to_owned(), 35),
            ("LOG".to_owned(), 11_860),
            ("WARNING".to_owned(), 1),
        ]
    );
    let bytes = |of: fn(&Record<'_>) -> usize| records.iter().map(of).sum::<usize>();
    assert_eq!(bytes(|record| record.message.len()), 8_130_652);
    assert_eq!(
        bytes(|record| record.statement.as_ref().map_or(0, |text| text.len())),
        854
    );
    assert_eq!(
        bytes(|record| record.detail.as_ref().map_or(0, |text| text.len())),
        2_876
    );
    assert_eq!(
        events(&records).into_iter().collect::<Vec<_>>(),
        [
            ("authenticated", 19),
            ("authorized", 56),
            ("disconnected", 48),
            ("received", 114),
            ("refused", 31),
            ("refused, no such role", 10),
        ]
    );
}

/// The messages that begin with `AUDIT: `, each given to `csv.reader` again, and their ninth field once more.
#[test]
fn every_audit_record_of_csvlog_is_read() {
    let log = sample("csvlog.csv");
    let (records, _) = read(&Format::Csvlog { columns: 26 }, &log);
    let audits = audits(&records);
    assert_eq!(audits.len(), 11_571);
    assert_eq!(
        audits.iter().filter(|audit| audit.rows.is_some()).count(),
        86
    );
    assert_eq!(
        audits.iter().filter_map(|audit| audit.rows).sum::<u64>(),
        179
    );

    let mut classes = BTreeMap::new();
    let mut objects = BTreeMap::new();
    for audit in &audits {
        *classes.entry(text(&audit.class)).or_insert(0) += 1;
        *objects.entry(text(&audit.object_name)).or_insert(0) += 1;
    }
    let classes: Vec<_> = classes
        .iter()
        .map(|(class, count)| (class.as_str(), *count))
        .collect();
    assert_eq!(
        classes,
        [
            ("DDL", 187),
            ("FUNCTION", 10),
            ("MISC", 3_196),
            ("READ", 1_675),
            ("ROLE", 83),
            ("WRITE", 6_420)
        ]
    );
    assert_eq!(objects["public.\"weird \"\"tbl\"\", x\""], 14);
    assert_eq!(objects["account_pkey on public.account"], 6);
    for name in objects.keys().filter(|name| !name.is_empty()) {
        assert!(
            pgaudit::ObjectName::read(name.as_bytes()).is_some(),
            "{name}"
        );
    }

    let count = |of: fn(&Audit<'_>) -> bool| audits.iter().filter(|audit| of(audit)).count();
    assert_eq!(count(|audit| audit.parameters == Said::None), 3_486);
    assert_eq!(count(|audit| audit.parameters == Said::NotLogged), 146);
    assert_eq!(count(|audit| audit.parameters == Said::Before), 5);
    assert_eq!(count(|audit| audit.statement == Said::NotLogged), 90);
    assert_eq!(count(|audit| audit.statement == Said::Before), 5);
    let said: Vec<_> = audits
        .iter()
        .filter_map(|audit| audit.parameters.text())
        .collect();
    assert_eq!(said.len(), 7_934);
    let values = said
        .iter()
        .flat_map(|text| pgaudit::parameters(text).unwrap());
    let lengths: Vec<_> = values
        .map(|value| match value {
            Parameter::Value(value) => value.len(),
            Parameter::TooLong => panic!("this version has no such setting"),
        })
        .collect();
    assert_eq!(
        (lengths.len(), lengths.iter().sum::<usize>()),
        (17_444, 66_689)
    );
}

/// `json.loads` of each of the 8,420 lines, decoded as Latin-1: 10 of them are no UTF-8.
#[test]
fn every_record_of_jsonlog_is_there_and_no_other() {
    let log = sample("jsonlog.json");
    assert_eq!(detect(&log, None), Detected::Form(Format::Jsonlog));
    let (records, torn) = read(&Format::Jsonlog, &log);
    assert_eq!((records.len(), torn.len()), (8_420, 0));
    assert_eq!(audits(&records).len(), 8_048);
    assert_eq!(
        records
            .iter()
            .map(|record| record.message.len())
            .sum::<usize>(),
        7_548_997
    );
    assert_eq!(
        records
            .iter()
            .filter(|record| record.sqlstate.as_deref() != Some(b"00000"))
            .count(),
        84
    );
    let sessions: std::collections::BTreeSet<_> = records
        .iter()
        .map(|record| record.session.clone())
        .collect();
    assert_eq!(sessions.len(), 121);
    assert_eq!(events(&records)["refused, no such role"], 10);
}

/// jsonlog was turned on later and csvlog off earlier; 901 keys of session, line and time are in both (by set intersection in Python).
#[test]
fn the_same_record_in_csvlog_and_jsonlog_is_the_same() {
    let (csv, json) = (sample("csvlog.csv"), sample("jsonlog.json"));
    let (csv, _) = read(&Format::Csvlog { columns: 26 }, &csv);
    let (json, _) = read(&Format::Jsonlog, &json);
    let key = |record: &Record<'_>| {
        (
            record.session.clone().unwrap().into_owned(),
            record.line.unwrap(),
            record.time.clone().into_owned(),
        )
    };
    let json: BTreeMap<_, _> = json
        .into_iter()
        .map(|record| (key(&record), record))
        .collect();
    let mut compared = 0;
    for record in &csv {
        let Some(other) = json.get(&key(record)) else {
            continue;
        };
        compared += 1;
        super::assert_equal(record, other);
    }
    assert_eq!(compared, 901);
}

/// In Python, `re.match` of the prefix and `[A-Z]+\d?:  ` on each of the 1,098 lines: 821 LOG, 42 ERROR, 34 FATAL and 1 WARNING are
/// records; 42 STATEMENT, 34 DETAIL and 1 HINT add to them; 115 begin with a tab; 8 are none of those.
///
/// Three of those 8 are halves of a name with a line end. What stands behind the line end of one of them is a whole line of its own:
/// a forged record, and nothing in it tells.
#[test]
fn stderr_is_read_with_its_prefix_and_can_be_forged() {
    let log = sample("stderr.log");
    assert_eq!(detect(&log, None), Detected::NeedsPrefix);
    let prefix = "%m [%p] %q%u@%d %a %h ";
    let format = Format::Stderr {
        prefix: prefix.to_owned(),
    };
    assert_eq!(detect(&log, Some(prefix)), Detected::Form(format.clone()));
    assert!(!format.is_audit_grade());

    let (records, torn) = read(&format, &log);
    assert_eq!(records.len(), 821 + 42 + 34 + 1);
    assert_eq!(torn.len(), 3);
    for (text, reason) in &torn {
        assert_eq!(*reason, TornReason::Foreign);
        assert!(
            text.contains("] evil\n") || text.contains("app_rw@ap\np\",x"),
            "{text}"
        );
    }
    let forged: Vec<_> = records
        .iter()
        .filter(|record| record.pid == Some(1))
        .collect();
    assert_eq!(forged.len(), 1);
    assert_eq!(forged[0].user.as_deref(), Some(&b"postgres"[..]));
    assert!(
        forged[0]
            .message
            .starts_with(b"password authentication failed for user \"evil\n")
    );

    // 42 statements; one detail of the 34 belongs to a record that was torn.
    assert_eq!(
        records
            .iter()
            .filter(|record| record.statement.is_some())
            .count(),
        42
    );
    assert_eq!(
        records
            .iter()
            .filter(|record| record.detail.is_some())
            .count(),
        33
    );
    assert!(records.iter().all(|record| record.time_ms.is_some()));
}

/// A regular expression for whole rows, tried at the beginning and behind each; where it does not match, the next line that begins with
/// a time: 11,622 rows of pgaudit's with 9 fields, 82 with 10, 227 messages, 65 pieces between them.
///
/// `csv.reader` gives 12,011 rows with 12 different numbers of columns.
#[test]
fn pgauditlogtofile_loses_what_it_does_not_quote() {
    let log = sample("pgauditlogtofile-1.5.11.csv");
    let format = Format::PgauditlogtofileCsv;
    assert_eq!(detect(&log, None), Detected::Form(format.clone()));
    assert!(!format.is_audit_grade());

    let (records, torn) = read(&format, &log);
    assert_eq!((records.len(), torn.len()), (11_622 + 82 + 227, 65));
    let audits = audits(&records);
    assert_eq!(audits.len(), 11_622 + 82);
    assert_eq!(
        audits.iter().filter(|audit| audit.rows.is_some()).count(),
        82
    );
    // Names, messages and contexts with a comma or a line end, and the lines a name made up.
    assert_eq!(
        torn.iter()
            .filter(|(_, reason)| *reason == TornReason::Fields)
            .count(),
        65
    );
    assert!(
        torn.iter()
            .any(|(text, _)| text.contains("UTC,evil\n2026-01-01"))
    );
}
