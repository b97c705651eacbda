//! Reading by ranges: a question brings the end of a file and what it needs of it, and a large file is sent in parts.

use super::Away;
use crate::support::{CSVLOG, Kept, Line, NOW, Place, ask, seal, told};
use pgattest_archive::make::{MakeOptions, catch_up};
use pgattest_archive::query::render::Format as Form;
use pgattest_archive::query::{Filter, Question, TableName};
use pgattest_archive::verify::verify;
use pgattest_testkit::S3;
use std::fmt::Write as _;

/// Hexadecimal digits without any order, so that they take half their length.
struct Digits(u64);

impl Digits {
    fn take(&mut self, length: usize) -> String {
        let mut text = String::new();
        while text.len() < length {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            write!(text, "{:016x}", self.0).unwrap();
        }
        text
    }
}

/// So many records whose statements no compression makes small, in sessions of 50.
fn large(records: u64) -> String {
    let mut digits = Digits(88_172_645_463_325_252);
    let mut log = String::new();
    for at in 0..records {
        let message = format!(
            "AUDIT: SESSION,{},1,READ,SELECT,TABLE,public.t{},select '{}',<none>",
            at + 1,
            at / 1_000,
            digits.take(1_600)
        );
        log += &Line {
            session: &format!("6b03e095.{:x}", at / 50),
            number: at % 50 + 1,
            message: &message,
            ..Line::default()
        }
        .text();
    }
    log
}

#[test]
fn a_question_brings_what_it_needs_of_a_large_file() {
    let place = Place::new();
    let log = large(24_000);
    seal(&place.journal(), "pg.csv", log.as_bytes(), &CSVLOG, 4_000);
    let away = Away {
        place,
        s3: S3::start(|_| None, |_| true).unwrap(),
    };
    let register = Kept::default();
    let archive = away.archive();
    catch_up(
        &archive,
        &away.place.reader(),
        &register,
        MakeOptions::default(),
        NOW,
        &mut |_, _| {},
    )
    .unwrap();
    let layout = archive.layout().unwrap();
    let size = layout.batches[0].bytes();
    assert!(size > 17 << 20, "{size} bytes: sent in parts");
    let parts =
        away.s3.front.seen().into_iter().filter(|(request, _)| {
            request.method == "PUT" && request.target.contains("partNumber=")
        });
    let parts: Vec<_> = parts.collect();
    assert_eq!(parts.len(), 2);
    for (part, _) in parts {
        assert!(part.header("x-amz-checksum-sha256").is_some());
    }
    assert_eq!(away.s3.uploads().unwrap(), Vec::<String>::new());

    let local = away.place.archive();
    away.place.make(MakeOptions::default());
    for question in [
        Question::Session("6b03e095.77".to_owned()),
        Question::Touched(TableName::parse("public.t7").unwrap()),
        Question::Ddl,
    ] {
        let archive = away.archive();
        let filter = Filter::default();
        let (there, population) = told(&archive, &question, &filter, Form::Text);
        assert_eq!(
            (there, population),
            told(&local, &question, &filter, Form::Text)
        );
        let traffic = archive.store().traffic().unwrap();
        assert!(
            traffic.bytes < size / 4 && traffic.requests < 60,
            "{}: {traffic:?} of {size}",
            question.name()
        );
    }
    // What the archive itself counts is what went over the network.
    let archive = away.archive();
    let seen = away.s3.front.seen().len();
    ask(&archive, &Question::Roles, &Filter::default());
    let gets = away.s3.front.seen().split_off(seen);
    let gets = gets
        .iter()
        .filter(|(request, _)| request.method == "GET" && !request.target.contains("list-type"));
    let ranges: Vec<&str> = gets
        .map(|(request, _)| request.header("range").unwrap())
        .collect();
    let traffic = archive.store().traffic().unwrap();
    assert_eq!(u64::try_from(ranges.len()).unwrap(), traffic.requests);
    assert_eq!(ranges[0], "bytes=-262144", "the end first");

    assert_eq!(
        verify(&archive, Some(&register), Some((0, 24_000)))
            .unwrap()
            .faults,
        []
    );
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_ends_the_answer() {
    let place = Place::new();
    seal(
        &place.journal(),
        "pg.csv",
        large(2_000).as_bytes(),
        &CSVLOG,
        500,
    );
    let away = Away {
        place,
        s3: S3::start(|_| None, |_| true).unwrap(),
    };
    let archive = away.archive();
    crate::support::make(&archive, &away.place.reader(), MakeOptions::default()).unwrap();
    let path = away.parquet().remove(0);
    let reading = archive.store().open(&path).unwrap();
    let bytes = away.s3.get(&Away::key(&path)).unwrap().unwrap();
    let mut other = bytes.clone();
    other[9] ^= 1;
    away.s3.put(&Away::key(&path), other).unwrap();
    let error = parquet::file::reader::ChunkReader::get_bytes(&reading, 4, 100).unwrap_err();
    assert!(
        error.to_string().contains("changed while it was read"),
        "{error}"
    );
    // The end was read before, with its version.
    assert!(
        parquet::file::reader::ChunkReader::get_bytes(&reading, bytes.len() as u64 - 8, 8).is_ok()
    );
}
