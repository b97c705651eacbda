//! The same questions, answered by somebody else: `DuckDB` on the same Parquet, and on the log as a few lines of Python read it.

use crate::support::{CSVLOG, Place, ask, sample, seal, statements};
use pgattest_archive::make::MakeOptions;
use pgattest_archive::query::{ClassifiedTable, Filter, Question, TableName};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A question, and how the oracle is asked the same.
struct Asked {
    question: Question,
    filter: Filter,
    json: Value,
}

fn named(schema: &str, name: &str) -> TableName {
    TableName::new(Some(schema.to_owned()), name.to_owned()).unwrap()
}

/// Every built-in question, with and without what narrows it.
fn questions(table: &str, role: &str, session: &str, from: i64, to: i64) -> Vec<Asked> {
    let classified = ClassifiedTable {
        class: "pii".to_owned(),
        database: None,
        table: named("public", table),
        columns: Vec::new(),
    };
    let tables = json!([["public", table]]);
    let plain = [
        (
            Question::Touched(named("public", table)),
            json!({"question": "touched", "tables": tables}),
        ),
        (
            Question::Touched(TableName::new(None, table.to_owned()).unwrap()),
            json!({"question": "touched", "tables": [[null, table]]}),
        ),
        (Question::Ddl, json!({"question": "ddl"})),
        (Question::Roles, json!({"question": "roles"})),
        (Question::FailedLogins, json!({"question": "failed-logins"})),
        (
            Question::Superusers(vec![role.to_owned(), "nobody".to_owned()]),
            json!({"question": "superusers", "roles": [role, "nobody"]}),
        ),
        (
            Question::Classified(vec![classified]),
            json!({"question": "classified", "tables": tables}),
        ),
        (
            Question::Session(session.to_owned()),
            json!({"question": "session", "session": session}),
        ),
        (Question::Counts, json!({"question": "counts"})),
    ];
    let mut asked = Vec::new();
    for (question, json) in plain {
        let mut narrow = json.clone();
        narrow["from"] = json!(from);
        narrow["to"] = json!(to);
        narrow["users"] = json!([role]);
        narrow["table"] = json!([null, table]);
        asked.push(Asked {
            question: question.clone(),
            filter: Filter::default(),
            json,
        });
        asked.push(Asked {
            question,
            filter: Filter {
                from: Some(from),
                to: Some(to),
                users: vec![role.to_owned()],
                database: None,
                table: Some(TableName::new(None, table.to_owned()).unwrap()),
            },
            json: narrow,
        });
    }
    asked
}

/// Our answer in the oracle's form: texts, times in milliseconds, in the order of records.
fn ours(place: &Place, asked: &Asked) -> Vec<Vec<Option<String>>> {
    let (answer, population) = ask(&place.archive(), &asked.question, &asked.filter);
    let columns: Vec<&str> = asked
        .question
        .columns()
        .unwrap()
        .into_iter()
        // Made of the policy's words, not of the log.
        .filter(|column| *column != "classified")
        .collect();
    let number = |row: &Value| {
        let first = row.get("record_number").or(row.get("first_record"));
        first.and_then(Value::as_i64).unwrap()
    };
    let mut rows = answer["rows"].as_array().unwrap().clone();
    assert_eq!(population.matched, u64::try_from(rows.len()).unwrap());
    rows.sort_by_key(number);
    let text = |column: &str, value: &Value| match value {
        Value::Null => None,
        Value::String(text) if column == "log_time" => {
            let at: jiff::Timestamp = text.parse().unwrap();
            Some(at.as_millisecond().to_string())
        }
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    rows.iter()
        .map(|row| columns.iter().map(|name| text(name, &row[name])).collect())
        .collect()
}

/// A Python environment of script/bootstrap.
fn python(name: &str) -> PathBuf {
    let tools = std::env::var_os("PGATTEST_TOOLS")
        .map_or_else(|| PathBuf::from("/var/cache/pgattest-tools"), PathBuf::from);
    tools.join(name).join("bin/python")
}

fn theirs(kind: &str, path: &Path, asked: &[Asked]) -> Vec<Vec<Vec<Option<String>>>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/answers.py");
    let environment = if kind == "spark" {
        "python-spark"
    } else {
        "python-archive"
    };
    let mut child = Command::new(python(environment))
        .arg(script)
        .arg(kind)
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script/bootstrap installs Python with DuckDB");
    let questions: Vec<&Value> = asked.iter().map(|asked| &asked.json).collect();
    let text = serde_json::to_vec(&questions).unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the oracle of {kind} failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn compare(place: &Place, kind: &str, path: &Path, asked: &[Asked]) {
    let theirs = theirs(kind, path, asked);
    assert_eq!(theirs.len(), asked.len());
    let mut found = 0;
    for (asked, theirs) in asked.iter().zip(theirs) {
        let ours = ours(place, asked);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs, "{kind}: {}", asked.json);
        }
        assert_eq!(ours.len(), theirs.len(), "{kind}: {}", asked.json);
        found += ours.len();
    }
    assert!(found > 100, "questions that find something: {found}");
}

struct Made {
    place: Place,
    log: PathBuf,
}

fn made(log: &[u8]) -> Made {
    let place = Place::new();
    seal(&place.journal(), "pg.csv", log, &CSVLOG, 1_000);
    place.make(MakeOptions {
        batch_records: 4_000,
        ..MakeOptions::default()
    });
    let path = place.folder.path().join("pg.csv");
    std::fs::write(&path, log).unwrap();
    Made { place, log: path }
}

fn of_the_sample() -> (Made, Vec<Asked>) {
    let made = made(&sample("csvlog.csv"));
    let first = ours(
        &made.place,
        &Asked {
            question: Question::FailedLogins,
            filter: Filter::default(),
            json: Value::Null,
        },
    );
    let session = first.last().unwrap()[5].clone().unwrap();
    // 2026-11-23, 06:50 to 07:30 UTC.
    let (from, to) = (1_795_416_600_000, 1_795_419_000_000);
    (made, questions("account", "postgres", &session, from, to))
}

fn generated() -> (Made, Vec<Asked>) {
    let made = made(statements(6_000, 86_400 - 3_000).as_bytes());
    let midnight = 1_767_225_600_000 + 86_400_000;
    let asked = questions(
        "people",
        "admin",
        "6b03e095.3c",
        midnight - 600_000,
        midnight + 600_000,
    );
    (made, asked)
}

#[test]
fn duckdb_answers_the_same_from_the_same_files_and_from_the_log() {
    for (made, asked) in [of_the_sample(), generated()] {
        let glob = made.place.root().join("instance=*/dt=*/*.parquet");
        compare(&made.place, "duckdb", &glob, &asked);
        compare(&made.place, "csvlog", &made.log, &asked);
    }
}

/// Runs with `script/test --full` only: a Java machine, a master and two workers.
mod full {
    use super::{compare, generated, of_the_sample};

    #[test]
    fn spark_in_a_cluster_of_two_workers_answers_the_same() {
        for (made, asked) in [of_the_sample(), generated()] {
            compare(&made.place, "spark", &made.place.root(), &asked);
        }
    }
}
