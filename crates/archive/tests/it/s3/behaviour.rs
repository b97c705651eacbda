//! Making, asking, checking, merging, removing: the same as on a directory.

use super::Away;
use crate::support::{Kept, NOW, make, numbers, rows, told};
use pgattest_archive::compact::compact;
use pgattest_archive::make::{MakeOptions, catch_up, rebuild};
use pgattest_archive::query::render::Format as Form;
use pgattest_archive::query::{Filter, Question, TableName};
use pgattest_archive::retain;
use pgattest_archive::verify::{Fault, verify};
use pgattest_archive::{Archive, ArchiveError};
use pgattest_testkit::receivers::front::Answer;

fn small() -> MakeOptions {
    MakeOptions {
        batch_records: 60,
        ..MakeOptions::default()
    }
}

fn caught_up(away: &Away, register: &Kept) {
    catch_up(
        &away.archive(),
        &away.place.reader(),
        register,
        small(),
        NOW,
        &mut |_, _| {},
    )
    .unwrap();
}

#[test]
fn it_is_the_same_archive_byte_for_byte_and_answers_the_same() {
    let away = Away::new(150);
    let archive = away.archive();
    assert!(archive.layout().unwrap().batches.is_empty());
    let made = make(&archive, &away.place.reader(), small()).unwrap();
    assert_eq!(made, away.place.make(small()));
    let local = away.place.archive();
    assert_eq!(rows(&archive), rows(&local));
    assert_eq!(
        archive.layout().unwrap().batches,
        local.layout().unwrap().batches
    );
    for path in away.parquet() {
        let here = std::fs::read(local.store().directory().unwrap().join(&path)).unwrap();
        let there = away.s3.get(&Away::key(&path)).unwrap();
        assert_eq!(there, Some(here), "{path}");
    }
    assert_eq!(archive.listed().unwrap(), local.listed().unwrap());
    assert_eq!(Archive::instances(&away.at()).unwrap(), ["main"]);
    assert_eq!(away.s3.uploads().unwrap(), Vec::<String>::new());

    let questions = [
        Question::Touched(TableName::parse("orders").unwrap()),
        Question::Session("6b03e095.1".to_owned()),
        Question::Ddl,
        Question::Roles,
        Question::FailedLogins,
        Question::Counts,
        Question::Superusers(vec!["admin".to_owned()]),
    ];
    for question in questions {
        for form in [Form::Text, Form::Csv, Form::Json] {
            let filter = Filter::default();
            assert_eq!(
                told(&archive, &question, &filter, form),
                told(&local, &question, &filter, form),
                "{}",
                question.name()
            );
        }
    }
    let again = make(&archive, &away.place.reader(), small()).unwrap();
    assert_eq!(
        (again.records, again.files.len(), again.removed.len()),
        (0, 0, 0)
    );
}

#[test]
fn a_changed_byte_and_a_missing_object_are_found_and_made_again() {
    let away = Away::new(150);
    let register = Kept::default();
    caught_up(&away, &register);
    let check = || verify(&away.archive(), Some(&register), Some((0, 150))).unwrap();
    assert_eq!(check().faults, []);
    assert_eq!((check().by_tree, check().records), (4, 150));
    let before = rows(&away.archive());

    let key = Away::key(&away.parquet()[0]);
    let whole = away.s3.get(&key).unwrap().unwrap();
    let mut changed = whole.clone();
    changed[100] ^= 1;
    away.s3.put(&key, changed).unwrap();
    let found = check();
    assert!(
        matches!(&found.faults[..], [Fault::Changed { batch: (0, 60), .. }]),
        "{:?}",
        found.faults
    );
    rebuild(
        &away.archive(),
        &away.place.reader(),
        &register,
        small(),
        NOW,
        Some(&found.damaged()),
        &mut |_, _| {},
    )
    .unwrap();
    assert_eq!(away.s3.get(&key).unwrap(), Some(whole));

    away.s3.put(&key, Vec::new()).unwrap();
    assert_eq!(check().damaged().len(), 1, "an object without a byte");
    away.s3.delete(&key).unwrap();
    assert!(matches!(
        &check().faults[..],
        [Fault::Hole { first: 0, last: 59 }]
    ));
    caught_up(&away, &register);
    assert_eq!(check().faults, []);
    assert_eq!(rows(&away.archive()), before);
}

#[test]
fn an_archive_that_cannot_be_read_is_not_called_damaged() {
    let away = Away::new(60);
    let register = Kept::default();
    caught_up(&away, &register);
    let denied =
        "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>";
    // The names are listed, the list is read, the first file is not.
    let archive = away.archive();
    let layout = archive.layout().unwrap();
    away.s3
        .front
        .fail([pgattest_testkit::receivers::front::Fault::Answer(
            Answer::new(403, denied).with("content-type", "application/xml"),
        )]);
    let error = archive.store().open(&layout.batches[0].parts[0].0.path());
    let Err(error @ ArchiveError::Bucket(_)) = error else {
        panic!("a refusal is a failure");
    };
    let text = error.to_string();
    for part in [
        "cannot read `s3://example-archive/au dit+ü%2F/eu/instance=main/dt=2026-01-01/r",
        "AccessDenied (HTTP 403)",
        "Grant s3:GetObject",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(away.s3.front.faults_left(), 0);
}

#[test]
fn a_bucket_that_is_not_there_is_named() {
    let mut away = Away::new(20);
    away.s3.bucket = "other".to_owned();
    let error = make(&away.archive(), &away.place.reader(), small()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("s3://other/"), "{text}");
    assert!(text.contains("NoSuchBucket"), "{text}");
    assert!(text.contains("Make the bucket"), "{text}");
}

#[test]
fn a_day_that_is_over_is_merged_and_what_the_journal_lost_goes() {
    let away = Away::new(300);
    let register = Kept::default();
    caught_up(&away, &register);
    let archive = away.archive();
    let before = rows(&archive);
    let batches = archive.layout().unwrap().batches.len();
    let made = compact(&archive, &register, 256 << 20, NOW).unwrap();
    assert!(!made.removed.is_empty(), "{made:?}");
    let layout = archive.layout().unwrap();
    assert!(layout.batches.len() < batches);
    assert!(layout.superseded.is_empty(), "the small ones are removed");
    assert_eq!(rows(&archive), before);
    assert_eq!(
        verify(&archive, Some(&register), Some((0, 300)))
            .unwrap()
            .faults,
        []
    );

    let end = layout.batches[0].end;
    let removed = retain::prune(&archive, end).unwrap();
    assert_eq!(removed.len(), layout.batches[0].parts.len());
    let kept: Vec<i64> = (i64::try_from(end).unwrap()..300).collect();
    assert_eq!(numbers(&archive), kept);
    assert!(away.paths().contains(&"_archived.jsonl".to_owned()));
}
