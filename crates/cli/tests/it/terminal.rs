//! The text report on terminals of several widths.

use crate::support::Desk;
use pgattest_testkit::Cluster;
use unicode_width::UnicodeWidthStr;

const POINTS: [&str; 8] = [
    "No application connects as a superuser",
    "Row-level security is enabled and forced",
    "pgaudit records ddl, write and role",
    "Logs reach a central aggregator",
    "Every connection is encrypted",
    "TLS 1.2 is the floor",
    "Storage is encrypted",
    "A quarterly access review is documented",
];

/// Long names of every kind, and wide characters.
const LONG: &str = r#"
    CREATE ROLE "a_role_whose_name_is_as_long_as_a_name_can_be_in_postgresql_63b" LOGIN SUPERUSER;
    CREATE SCHEMA "a_schema_whose_name_is_as_long_as_a_name_can_be_in_postgresql_6";
    GRANT CREATE, USAGE ON SCHEMA "a_schema_whose_name_is_as_long_as_a_name_can_be_in_postgresql_6" TO PUBLIC;
    CREATE TABLE "a_schema_whose_name_is_as_long_as_a_name_can_be_in_postgresql_6"."租户表租户表租户表租户表租户表" (tenant_id int);
    CREATE TABLE "a_schema_whose_name_is_as_long_as_a_name_can_be_in_postgresql_6"."another table" (tenant_id int);
    GRANT ALL ON ALL TABLES IN SCHEMA "a_schema_whose_name_is_as_long_as_a_name_can_be_in_postgresql_6" TO PUBLIC;
    CREATE DATABASE "a database with spaces in its name, and a comma";
"#;

#[tokio::test]
async fn no_line_is_wider_than_the_terminal_and_the_eight_points_come_first() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster.execute("postgres", LONG).await.unwrap();
    for width in [80, 200] {
        let desk = Desk::new().with("COLUMNS", &width.to_string());
        for options in [&[][..], &["--verbose"]] {
            let mut arguments = vec!["audit"];
            let connection = cluster.dsn("postgres");
            arguments.push(&connection);
            arguments.extend(options);
            let answer = desk.run(&arguments);
            answer.assert_code(1);
            let text = answer.text();
            for line in text.lines() {
                assert!(
                    line.width() <= width || is_one_quoted_word(line),
                    "{} columns on a terminal of {width}: {line}",
                    line.width()
                );
            }
            // A point's statement may be broken over lines on a narrow terminal.
            let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let places: Vec<usize> = POINTS
                .iter()
                .map(|point| {
                    flat.find(point)
                        .unwrap_or_else(|| panic!("no {point:?} in {text}"))
                })
                .collect();
            assert!(places.is_sorted(), "{text}");
            let findings = flat.find(" Findings ").expect("findings");
            assert!(places.iter().all(|place| *place < findings), "{text}");
        }
    }
}

#[tokio::test]
async fn colors_are_for_terminals() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let piped = Desk::new().with("CLICOLOR", "1");
    let mut command = piped.command(&["audit", &cluster.dsn("postgres")]);
    let output = command.env_remove("NO_COLOR").output().unwrap();
    assert!(!output.stdout.contains(&0x1b), "into a pipe");
    let forced = piped
        .command(&["audit", &cluster.dsn("postgres")])
        .env_remove("NO_COLOR")
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap();
    assert!(forced.stdout.contains(&0x1b), "when asked for");
    let plain = |bytes: &[u8]| {
        let mut text = String::new();
        let mut inside = false;
        for c in String::from_utf8(bytes.to_vec()).unwrap().chars() {
            match (inside, c) {
                (false, '\u{1b}') => inside = true,
                (true, 'm') => inside = false,
                (false, c) => text.push(c),
                (true, _) => {}
            }
        }
        text.lines()
            .filter(|line| !line.contains("20"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        plain(&output.stdout),
        plain(&forced.stdout),
        "colours change no word"
    );
}

/// Whether a line is one word of a statement, with its spaces inside quotes only: it may run over the end of the line, because
/// a name that is broken in two is another name when it is copied.
fn is_one_quoted_word(line: &str) -> bool {
    let word = line.trim().trim_start_matches("fix").trim();
    let outside = word.split(['"', '\'']).step_by(2);
    word.contains('"') && !outside.collect::<String>().contains(' ')
}
