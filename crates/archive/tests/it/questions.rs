//! The questions: what is found, what is left out, what an answer says of itself, and what hostile text does to a reader: nothing.

use crate::support::{CSVLOG, Line, Place, ask, rows, seal, statements, told};
use pgattest_archive::make::MakeOptions;
use pgattest_archive::query::render::Format as Form;
use pgattest_archive::query::{ClassifiedTable, Filter, Question, TableName};
use rstest::rstest;
use serde_json::Value;

fn table(name: &str) -> TableName {
    TableName::parse(name).unwrap()
}

fn place(log: &str) -> Place {
    let place = Place::new();
    seal(&place.journal(), "pg.csv", log.as_bytes(), &CSVLOG, 50);
    place.make(MakeOptions {
        batch_records: 100,
        ..MakeOptions::default()
    });
    place
}

fn audited(class: &str, command: &str, object: &str, statement: &str) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    format!(
        "AUDIT: SESSION,1,1,{class},{command},TABLE,{},{},<none>",
        if object.is_empty() {
            String::new()
        } else {
            quoted(object)
        },
        quoted(statement)
    )
}

fn line(message: &str) -> String {
    Line {
        message,
        ..Line::default()
    }
    .text()
}

fn refused(statement: &str, tag: &str, state: &str) -> String {
    Line {
        message: "permission denied for table people",
        statement: Some(statement),
        tag,
        state,
        ..Line::default()
    }
    .text()
}

/// The record numbers of an answer.
fn found(place: &Place, question: &Question) -> Vec<i64> {
    numbers(&ask(&place.archive(), question, &Filter::default()).0)
}

fn numbers(answer: &Value) -> Vec<i64> {
    let rows = answer["rows"].as_array().unwrap();
    rows.iter()
        .map(|row| row["record_number"].as_i64().unwrap())
        .collect()
}

#[test]
fn who_touched_a_table_counts_attempts_of_every_kind() {
    let place = place(
        &[
            line(&audited("READ", "SELECT", "public.people", "select 1")),
            line(&audited(
                "READ",
                "SELECT",
                "public.orders",
                "select * from people",
            )),
            // pgaudit did not say which table: the statement does.
            line(&audited("READ", "SELECT", "", "select * from PEOPLE")),
            line(&audited("READ", "SELECT", "", "select * from people_old")),
            refused("delete from public.people", "DELETE", "42501"),
            refused("delete from public.orders", "DELETE", "42501"),
            line("people: a message is no statement"),
            line(&audited(
                "DDL",
                "ALTER TABLE",
                "c on public.people",
                "alter table people drop c",
            )),
        ]
        .concat(),
    );
    let question = Question::Touched(table("public.people"));
    assert_eq!(found(&place, &question), [0, 2, 4, 7]);
    let (answer, _) = ask(&place.archive(), &question, &Filter::default());
    let hows: Vec<_> = answer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["how"].as_str().unwrap())
        .collect();
    assert_eq!(
        hows,
        ["audited", "audited, object not named", "failed", "audited"]
    );
    assert_eq!(answer["rows"][2]["sqlstate"], "42501");
    assert!(
        answer["limits"][0]
            .as_str()
            .unwrap()
            .contains("attempted, not that it was done")
    );
}

#[test]
fn changes_of_structure_and_of_rights_are_two_questions() {
    let place = place(
        &[
            line(&audited(
                "DDL",
                "CREATE TABLE",
                "public.t",
                "create table t ()",
            )),
            line(&audited("ROLE", "GRANT", "", "grant select on t to app")),
            refused("drop table t", "DROP TABLE", "42501"),
            refused("alter role app superuser", "ALTER ROLE", "42501"),
            refused("drop view v", "DROP VIEW", "01000"),
            refused("select 1", "SELECT", "42501"),
        ]
        .concat(),
    );
    assert_eq!(found(&place, &Question::Ddl), [0, 2]);
    assert_eq!(found(&place, &Question::Roles), [1, 3]);
}

#[test]
fn reads_of_classified_tables_say_which_columns_they_name() {
    let place = place(
        &[
            line(&audited(
                "READ",
                "SELECT",
                "public.people",
                "select Email from people",
            )),
            line(&audited(
                "READ",
                "SELECT",
                "public.people",
                "select * from people",
            )),
            line(&audited(
                "READ",
                "SELECT",
                "public.people",
                "select id from people",
            )),
            line(&audited(
                "WRITE",
                "UPDATE",
                "public.people",
                "update people set email = ''",
            )),
            refused("select phone, email from people", "SELECT", "42501"),
            line(&audited(
                "READ",
                "SELECT",
                "public.orders",
                "select email from orders",
            )),
        ]
        .concat(),
    );
    let classified = |database: &str| {
        Question::Classified(vec![ClassifiedTable {
            class: "pii".to_owned(),
            database: Some(database.to_owned()),
            table: table("public.people"),
            columns: vec!["email".to_owned(), "phone".to_owned()],
        }])
    };
    let (answer, _) = ask(&place.archive(), &classified("shop"), &Filter::default());
    assert_eq!(numbers(&answer), [0, 1, 2, 4]);
    let said: Vec<_> = (0..4)
        .map(|at| answer["rows"][at]["classified"].as_str().unwrap())
        .collect();
    assert_eq!(
        said,
        [
            "pii public.people: email",
            "pii public.people: *",
            "pii public.people: none named",
            "pii public.people: email, phone"
        ]
    );
    assert_eq!(found(&place, &classified("other")), Vec::<i64>::new());
}

#[test]
fn a_session_over_midnight_is_told_in_its_order() {
    let mut log = String::new();
    for (number, time) in [
        "2026-01-01 23:59:58.000 UTC",
        "2026-01-02 00:00:01.000 UTC",
        // The clock was set back.
        "2026-01-01 23:59:59.000 UTC",
        "2026-01-02 00:00:02.000 UTC",
    ]
    .iter()
    .enumerate()
    {
        log += &Line {
            time,
            number: u64::try_from(number).unwrap() + 1,
            ..Line::default()
        }
        .text();
        log += &Line {
            session: "6b03e095.2",
            ..Line::default()
        }
        .text();
    }
    let place = place(&log);
    let question = Question::Session("6b03e095.1".to_owned());
    let (answer, population) = ask(&place.archive(), &question, &Filter::default());
    let lines: Vec<_> = (0..4)
        .map(|at| answer["rows"][at]["session_line_num"].as_i64().unwrap())
        .collect();
    assert_eq!(lines, [1, 2, 3, 4]);
    assert_eq!(population.matched, 4);
}

#[test]
fn an_answer_states_what_it_rests_on() {
    let place = place(&statements(500, 0));
    let archive = place.archive();
    let layout = archive.layout().unwrap();
    let lost = archive
        .store()
        .directory()
        .unwrap()
        .join(layout.batches[2].parts[0].0.path());
    std::fs::remove_file(lost).unwrap();
    let question = Question::Touched(table("orders"));
    let (answer, population) = ask(&archive, &question, &Filter::default());
    assert_eq!(population.holes, [(200, 299)]);
    assert_eq!(population.looked.sums.rows, 400);
    assert_eq!(
        answer["population"]["holes"],
        serde_json::json!([[200, 299]])
    );
    assert_eq!(answer["population"]["last_record"], 499);
    assert_eq!(
        answer["population"]["first_time"],
        "2026-01-01T00:00:00.000Z"
    );
    let (text, _) = told(&archive, &question, &Filter::default(), Form::Text);
    assert!(
        text.starts_with("record_number  log_time  user_name"),
        "{text}"
    );
}

#[test]
fn no_archive_is_not_an_empty_answer() {
    let place = Place::new();
    let error = pgattest_archive::query::answer(
        &place.archive(),
        &Question::Ddl,
        &Filter::default(),
        &mut |_| Ok(()),
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("there is no archive of `main`"),
        "{error}"
    );
}

#[test]
fn only_the_files_row_groups_and_rows_that_can_matter_are_read() {
    let place = place(&statements(500, 0));
    let archive = place.archive();
    let (answer, population) = ask(
        &archive,
        &Question::Session("6b03e095.3".to_owned()),
        &Filter::default(),
    );
    assert_eq!(numbers(&answer), (150..200).collect::<Vec<_>>());
    assert_eq!(population.looked.read, 100, "one of five row groups");
    let (_, population) = ask(
        &archive,
        &Question::Touched(table("public.nothing_like_it")),
        &Filter::default(),
    );
    assert_eq!(population.matched, 0);
    // 2026-01-01T00:01:40Z and a hundred seconds.
    let filter = Filter {
        from: Some(1_767_225_600_000 + 100_000),
        to: Some(1_767_225_600_000 + 199_999),
        ..Filter::default()
    };
    let (answer, population) = ask(
        &archive,
        &Question::Superusers(vec!["admin".into(), "app".into()]),
        &filter,
    );
    assert_eq!(numbers(&answer), (100..200).collect::<Vec<_>>());
    assert_eq!(population.looked.read, 100);
}

#[test]
fn a_period_keeps_records_of_unknown_time() {
    let place = place(
        &[
            line("a"),
            Line {
                time: "2026-01-01 12:00:00.000 CST",
                ..Line::default()
            }
            .text(),
        ]
        .concat(),
    );
    let (_, manifest) = place.reader().find_record(0).unwrap().unwrap();
    let question = Question::Session("6b03e095.1".to_owned());
    let filter = Filter {
        from: Some(manifest.sealed_at),
        ..Filter::default()
    };
    let (answer, population) = ask(&place.archive(), &question, &filter);
    assert_eq!(numbers(&answer), [1], "nobody knows that it is older");
    assert_eq!(answer["rows"][0]["log_time"], Value::Null);
    assert_eq!(population.looked.sums.time_unknown, 1);
}

#[rstest]
#[case::text(Form::Text)]
#[case::csv(Form::Csv)]
#[case::json(Form::Json)]
fn hostile_text_does_nothing_to_its_reader(#[case] form: Form) {
    let evil = "=cmd|'/c calc'!A1\u{1b}[2J\u{202e}\r\n\"x\",y";
    let log = Line {
        user: evil,
        message: &audited("READ", "SELECT", "public.people", evil),
        ..Line::default()
    }
    .text();
    let place = place(&log);
    let (text, _) = told(
        &place.archive(),
        &Question::Touched(table("people")),
        &Filter::default(),
        form,
    );
    let acts = |c: char| c != '\n' && c != '\r' && pgattest_model::ident::is_invisible(c);
    assert!(!text.contains(acts), "{text:?}");
    match form {
        Form::Csv => {
            assert!(text.contains("\"'=cmd|"), "{text}");
            assert!(text.ends_with("y\"\r\n"), "{text}");
            assert_eq!(text.matches("\r\n").count(), 2, "a header and a row");
        }
        Form::Json => {
            let answer: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(answer["rows"][0]["user_name"], evil);
            assert_eq!(answer["rows"][0]["statement"], evil);
        }
        Form::Text => assert_eq!(text.lines().count(), 3, "{text}"),
    }
}

#[test]
fn counts_add_up() {
    let mut log = statements(200, 86_400 - 100);
    log += &refused("select 1", "SELECT", "42501");
    log += "no record\n";
    let place = place(&log);
    let (answer, _) = ask(&place.archive(), &Question::Counts, &Filter::default());
    let sum: i64 = answer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["records"].as_i64().unwrap())
        .sum();
    assert_eq!(sum, i64::try_from(rows(&place.archive()).len()).unwrap());
    let failed = answer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["class"] == "(failed)")
        .unwrap();
    assert_eq!(failed["first_record"], 200);
    assert_eq!(failed["user_name"], "app");
}
