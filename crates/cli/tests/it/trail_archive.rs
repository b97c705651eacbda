//! `pgattest trail archive | query | hold | prune`, as an operator calls them.

#![allow(
    clippy::disallowed_methods,
    reason = "the program under test is another program"
)]

use pgattest_evidence::KeyStore;
use pgattest_parse::audit_log::Format;
use pgattest_trail::block::FileId;
use pgattest_trail::{Block, Journal, JournalOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Place {
    folder: tempfile::TempDir,
}

const STATEMENTS: [&str; 3] = [
    "2026-01-01 12:00:00.000 UTC,\"app\",\"shop\",7,\"10.0.0.1:5000\",6b03e095.7,1,\"SELECT\",2026-01-01 11:00:00 UTC,3/4,0,LOG,00000,\"AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.orders,select 1 from orders,<none>\",,,,,,,,,\"psql\",\"client backend\",,7\n",
    "2026-01-02 12:00:00.000 UTC,\"=app\",\"shop\",8,\"10.0.0.1:5000\",6b03e095.8,1,\"SELECT\",2026-01-01 11:00:00 UTC,3/4,0,ERROR,42501,\"permission denied for table orders\",,,,,,\"select * from orders\",,,\"psql\",\"client backend\",,7\n",
    "2026-01-02 12:00:01.000 UTC,\"app\",\"shop\",8,\"10.0.0.1:5000\",6b03e095.8,2,\"CREATE TABLE\",2026-01-01 11:00:00 UTC,3/4,0,LOG,00000,\"AUDIT: SESSION,1,1,DDL,CREATE TABLE,TABLE,public.t,create table t (),<none>\",,,,,,,,,\"psql\",\"client backend\",,7\n",
];

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let key = KeyStore::new(place.path("home").join("keys"))
            .load_or_create()
            .unwrap()
            .key;
        let mut journal =
            Journal::open(&place.path("journal"), key, JournalOptions::default()).unwrap();
        let file = FileId::new("postgresql.csv", 1, 2, b"");
        let block = Block::of_records(file, 0, Format::Csvlog { columns: 26 }, STATEMENTS);
        journal.append(&block).unwrap();
        journal.commit().unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pgattest"))
            .arg("trail")
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PGATTEST_HOME", self.path("home"))
            .output()
            .unwrap()
    }

    fn says(&self, arguments: &[&str], code: i32) -> (String, String) {
        let output = self.run(arguments);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
        (out, err)
    }
}

const ARCHIVE: [&str; 5] = ["archive", "--journal", "journal", "--archive", "archive"];

#[test]
fn what_was_archived_is_asked_for_checked_and_repaired() {
    let place = Place::new();
    let (out, _) = place.says(&ARCHIVE, 0);
    assert_eq!(
        out,
        "3 records archived in 2 files; 0 files removed; the archive of `main` holds 3 records\n"
    );
    let (out, err) = place.says(
        &[
            "query",
            "touched",
            "orders",
            "--archive",
            "archive",
            "--format",
            "csv",
        ],
        0,
    );
    assert_eq!(out.lines().count(), 3, "{out}");
    assert!(out.contains("\"'=app\""), "{out}");
    assert!(err.contains("2 of 3 records of `main`"), "{err}");
    assert!(err.contains("attempted, not that it was done"), "{err}");
    let (out, _) = place.says(
        &[
            "query",
            "ddl",
            "--archive",
            "archive",
            "--format",
            "json",
            "--from",
            "2026-01-02",
        ],
        0,
    );
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["rows"][0]["record_number"], 2);
    assert_eq!(answer["population"]["records"], 2, "of the second day only");

    let check = [&ARCHIVE[..], &["--check"]].concat();
    let (out, _) = place.says(&check, 0);
    assert!(
        out.contains("3 records are as they were written: 2 files by the journal's tree"),
        "{out}"
    );
    let file = first_file(&place.path("archive"));
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let (out, _) = place.says(&check, 1);
    assert!(out.starts_with("changed  instance=main/dt="), "{out}");
    place.says(&[&ARCHIVE[..], &["--repair"]].concat(), 0);
    place.says(&check, 0);
}

#[test]
fn questions_that_cannot_be_asked_say_what_to_do() {
    let place = Place::new();
    let (_, err) = place.says(&["query", "ddl", "--archive", "archive"], 2);
    assert!(err.contains("there is no archive of `main`"), "{err}");
    place.says(&ARCHIVE, 0);
    let (_, err) = place.says(&["query", "touched", "--archive", "archive"], 2);
    assert!(err.contains("the question needs a table"), "{err}");
    let (_, err) = place.says(&["query", "superusers", "--archive", "archive"], 2);
    assert!(err.contains("--superuser ROLE"), "{err}");
    std::fs::write(
        place.path("pgattest.toml"),
        "[[classification]]\nclass = \"pii\"\ncolumns = [\"public.orders.email\"]\n",
    )
    .unwrap();
    let (out, _) = place.says(&["query", "classified", "--archive", "archive"], 0);
    assert!(
        out.contains("classified: pii public.orders: none named"),
        "{out}"
    );
    assert!(out.contains("classified: pii public.orders: *"), "{out}");
}

#[test]
fn a_hold_and_the_floor_keep_what_is_there() {
    let place = Place::new();
    place.says(&ARCHIVE, 0);
    let prune = ["prune", "--journal", "journal", "--archive", "archive"];
    let (out, err) = place.says(&prune, 0);
    assert_eq!(out, "no record was sealed more than 365 days ago\n");
    assert!(err.contains("Nothing was removed"), "{err}");
    let (_, err) = place.says(&[&prune[..], &["--older-than", "10"]].concat(), 2);
    assert!(err.contains("`retention_days` is the floor"), "{err}");
    place.says(
        &[
            "hold",
            "set",
            "matter 7",
            "--reason",
            "counsel",
            "--journal",
            "journal",
        ],
        0,
    );
    let (_, err) = place.says(&[&prune[..], &["--yes"]].concat(), 2);
    assert!(err.contains("`matter 7` (counsel)"), "{err}");
    let (out, _) = place.says(&["hold", "list", "--journal", "journal"], 0);
    assert!(out.starts_with("matter 7  since "), "{out}");
    place.says(
        &[
            "hold",
            "lift",
            "matter 7",
            "--reason",
            "settled",
            "--journal",
            "journal",
        ],
        0,
    );
    place.says(&[&prune[..], &["--yes"]].concat(), 0);
    let (out, _) = place.says(&["query", "counts", "--archive", "archive"], 0);
    assert!(out.contains("2026-01-01  app  READ  1  0  0"), "{out}");
}

fn first_file(folder: &Path) -> PathBuf {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            return first_file(&path);
        }
        if path.extension().is_some_and(|ending| ending == "parquet") {
            return path;
        }
    }
    panic!("no file in {}", folder.display());
}
