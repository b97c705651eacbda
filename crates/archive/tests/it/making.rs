//! What the journal holds is in the archive: all of it, once, with the way back to its proof.

use crate::support::Kept;
use crate::support::{CSVLOG, Line, NOW, Place, make, numbers, rows, sample, seal, statements};
use pgattest_archive::make::{MakeOptions, rebuild};
use pgattest_archive::name::PartName;
use pgattest_parse::audit_log::{Format, decode};
use pgattest_trail::PieceKind;

fn small() -> MakeOptions {
    MakeOptions {
        batch_records: 100,
        ..MakeOptions::default()
    }
}

#[test]
fn every_record_of_a_real_log_is_a_row_that_leads_to_its_proof() {
    let place = Place::new();
    seal(
        &place.journal(),
        "pg.csv",
        &sample("csvlog.csv"),
        &CSVLOG,
        1_000,
    );
    let made = place.make(MakeOptions::default());
    let reader = place.reader();
    let archive = place.archive();
    let count = reader.next_record().unwrap();
    assert_eq!(made.records, count);
    let expected: Vec<i64> = (0..i64::try_from(count).unwrap()).collect();
    assert_eq!(numbers(&archive), expected);

    // A row says where its record is; the record there has the fields of the row.
    let rows = rows(&archive);
    for number in [0, 965, 5_000, count - 1] {
        let (leaf, manifest) = reader.find_record(number).unwrap().unwrap();
        let block = reader.block(&manifest).unwrap();
        let index = number - manifest.first_record;
        let (piece, bytes) = block.iter().nth(usize::try_from(index).unwrap()).unwrap();
        let row = &rows[usize::try_from(number).unwrap()];
        let fields: Vec<&str> = row.splitn(6, '|').collect();
        assert!(fields[0].ends_with(&format!(" {number}")), "{row}");
        assert_eq!(fields[1], manifest.block.to_string());
        assert_eq!(fields[2], index.to_string());
        assert_eq!(fields[3], leaf.to_string());
        assert_eq!(piece.kind, PieceKind::Record);
        let record = decode(&block.format, bytes).unwrap();
        let session = String::from_utf8(record.session.unwrap().into_owned()).unwrap();
        assert!(row.contains(&session), "{row}");
    }
}

#[test]
fn what_is_no_utf_8_or_no_record_keeps_its_bytes() {
    let place = Place::new();
    let mut log = Line::default().text().into_bytes();
    log.extend_from_slice(
        &Line {
            message: "caf\u{e9}",
            ..Line::default()
        }
        .text()
        .chars()
        .map(|c| u8::try_from(c).unwrap())
        .collect::<Vec<u8>>(),
    );
    log.extend_from_slice(b"this is no record\n");
    log.extend_from_slice(Line::default().text().as_bytes());
    seal(&place.journal(), "pg.csv", &log, &CSVLOG, 10);
    place.make(MakeOptions::default());
    let rows = rows(&place.archive());
    let hex_of = hex::encode::<&[u8]>;
    assert!(rows[1].contains("caf\u{fffd}"), "{}", rows[1]);
    assert!(rows[1].contains(&hex_of(b"caf\xe9")), "{}", rows[1]);
    assert!(
        rows[2].contains(&hex_of(b"this is no record\n")),
        "{}",
        rows[2]
    );
    assert!(!rows[3].contains(&hex_of(b"hello")), "{}", rows[3]);
}

#[test]
fn a_row_lies_with_its_day_or_with_the_day_of_sealing() {
    let place = Place::new();
    let mut log = String::new();
    for time in [
        "2026-01-01 23:59:59.999 UTC",
        "2026-01-02 00:00:00.000 UTC",
        "2026-01-01 23:59:59.998 UTC",
        "2026-01-02 08:00:00.000 CST",
    ] {
        log += &Line {
            time,
            ..Line::default()
        }
        .text();
    }
    seal(&place.journal(), "pg.csv", log.as_bytes(), &CSVLOG, 10);
    let made = place.make(MakeOptions::default());
    let days: Vec<String> = made
        .files
        .iter()
        .map(|file| {
            let path = file.strip_prefix("instance=main/").unwrap();
            PartName::parse(path).unwrap().day.to_string()
        })
        .collect();
    let (_, manifest) = place.reader().find_record(0).unwrap().unwrap();
    let sealed = pgattest_archive::name::day(manifest.sealed_at).unwrap();
    assert_eq!(days, ["2026-01-01", "2026-01-02", &sealed.to_string()]);
    assert_eq!(numbers(&place.archive()), [0, 1, 2, 3]);
}

#[test]
fn a_block_of_many_days_is_written_day_by_day() {
    let place = Place::new();
    let mut log = statements(10, 0);
    for day in 1..29 {
        log += &Line {
            time: &format!("2025-02-{day:02} 12:00:00.000 UTC"),
            ..Line::default()
        }
        .text();
    }
    log += &statements(10, 0);
    seal(&place.journal(), "pg.csv", log.as_bytes(), &CSVLOG, 16);
    let made = place.make(MakeOptions::default());
    assert!(made.files.len() > 28, "{:?}", made.files);
    assert_eq!(numbers(&place.archive()), (0..48).collect::<Vec<_>>());
    let before = rows(&place.archive());
    let again = rebuild(
        &place.archive(),
        &place.reader(),
        &Kept::default(),
        MakeOptions::default(),
        NOW,
        None,
        &mut |_, _| {},
    )
    .unwrap();
    assert_eq!(again.records, 48);
    assert_eq!(rows(&place.archive()), before);
}

#[test]
fn what_comes_later_is_added_and_nothing_is_written_twice() {
    let place = Place::new();
    seal(
        &place.journal(),
        "a.csv",
        statements(250, 0).as_bytes(),
        &CSVLOG,
        20,
    );
    let first = place.make(small());
    assert_eq!(first.records, 250);
    assert_eq!(place.make(small()).files, Vec::<String>::new());
    seal(
        &place.journal(),
        "b.csv",
        statements(130, 500).as_bytes(),
        &CSVLOG,
        20,
    );
    assert_eq!(place.make(small()).records, 130);
    assert_eq!(numbers(&place.archive()), (0..380).collect::<Vec<_>>());
}

#[test]
fn made_again_it_has_the_same_rows() {
    let place = Place::new();
    seal(
        &place.journal(),
        "pg.csv",
        &sample("csvlog.csv"),
        &CSVLOG,
        1_000,
    );
    place.make(MakeOptions {
        batch_records: 5_000,
        ..MakeOptions::default()
    });
    let before = rows(&place.archive());
    std::fs::remove_dir_all(place.root()).unwrap();
    place.make(MakeOptions::default());
    assert_eq!(rows(&place.archive()), before, "whatever the batches");
    let again = rebuild(
        &place.archive(),
        &place.reader(),
        &Kept::default(),
        MakeOptions::default(),
        NOW,
        None,
        &mut |_, _| {},
    )
    .unwrap();
    assert_eq!(again.removed, Vec::<String>::new());
    assert_eq!(rows(&place.archive()), before);
}

#[test]
fn every_form_of_log_becomes_rows() {
    for (name, format) in [
        ("jsonlog.json", Format::Jsonlog),
        ("pgauditlogtofile-1.5.11.csv", Format::PgauditlogtofileCsv),
        (
            "stderr.log",
            Format::Stderr {
                prefix: "%m [%p] %q%u@%d ".to_owned(),
            },
        ),
    ] {
        let place = Place::new();
        seal(&place.journal(), name, &sample(name), &format, 4_096);
        let made = place.make(MakeOptions::default());
        assert!(made.records > 800, "{name}: {}", made.records);
        let numbers = numbers(&place.archive());
        assert_eq!(
            numbers.len(),
            usize::try_from(made.records).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn two_writers_do_not_meet() {
    let place = Place::new();
    seal(
        &place.journal(),
        "pg.csv",
        statements(10, 0).as_bytes(),
        &CSVLOG,
        20,
    );
    place.make(small());
    let path = place.archive().store().directory().unwrap().join(".lock");
    let held = std::fs::File::open(path).unwrap();
    held.lock().unwrap();
    let error = make(&place.archive(), &place.reader(), small()).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    drop(held);
    assert!(make(&place.archive(), &place.reader(), small()).is_ok());
}
