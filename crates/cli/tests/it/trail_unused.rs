//! Grants that nobody used: a real server's grants against its own log.

use crate::support::Desk;
use pgattest_testkit::{Cluster, Login, SUPERUSER, SUPERUSER_PASSWORD};
use serde_json::Value;

const ROLES: &str = "
    CREATE ROLE reader LOGIN PASSWORD 'reader';
    CREATE ROLE writer LOGIN PASSWORD 'writer';
    CREATE ROLE idle LOGIN PASSWORD 'idle';
    CREATE ROLE helpers;
    CREATE ROLE helper LOGIN PASSWORD 'helper' IN ROLE helpers;
    CREATE TABLE orders (id int, note text);
    GRANT SELECT ON orders TO reader, helpers, idle;
    GRANT SELECT, UPDATE ON orders TO writer;
    GRANT TRUNCATE, SELECT (note) ON orders TO idle;
";

#[tokio::test]
async fn grants_are_used_unused_or_unknown_and_never_unused_without_proof() {
    let cluster = Cluster::hardened(15)
        .setting("pgaudit.log", "read, write, ddl, role")
        .setting("log_timezone", "UTC")
        .start()
        .await
        .unwrap();
    let desk = Desk::new();
    let logs = cluster.scratch_dir().join("log").display().to_string();
    desk.write(
        "trail.toml",
        format!(
            "instance = \"main\"\njournal = \"journal\"\nkeys = \"home/keys\"\n[capture]\nlogs = [\"{logs}\"]\n\
             [archive]\ndir = \"archive\"\nevery_minutes = 1\n"
        ),
    );
    let collect = || {
        desk.run(&["trail", "run", "--config", "trail.toml", "--once"])
            .assert_code(0);
    };
    cluster.execute("postgres", ROLES).await.unwrap();
    collect();
    let from = jiff::Timestamp::now().to_string();
    for (role, sql) in [
        ("reader", "SELECT * FROM orders"),
        ("writer", "UPDATE orders SET id = 1 WHERE id = 2"),
        ("helper", "SELECT id FROM orders"),
        ("idle", "SELECT 1"),
    ] {
        let login = Login::new(role).password(role).tls();
        cluster.execute_as(&login, sql).await.unwrap();
    }
    let connection = cluster.dsn_tls(SUPERUSER, SUPERUSER_PASSWORD, "postgres");
    let package = desk.seal(&connection).display().to_string();
    collect();

    let ask = |more: &[&str]| {
        let base = [
            "trail",
            "query",
            "unused-grants",
            "--archive",
            "archive",
            "--package",
            &package,
            "--from",
            &from,
            "--table",
            "public.orders",
            "--format",
            "json",
        ];
        let answer = desk.run(&[&base[..], more].concat());
        answer.assert_code(0);
        let said: Value = serde_json::from_slice(&answer.stdout).unwrap();
        let rows = said["rows"].as_array().unwrap();
        rows.iter()
            .map(|row| {
                let word = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
                (
                    format!(
                        "{} {} {}",
                        word("grantee"),
                        word("privilege"),
                        word("column_name")
                    ),
                    word("verdict"),
                    word("detail"),
                )
            })
            .collect::<Vec<_>>()
    };
    let answer = ask(&["--journal", "journal"]);
    let verdicts: Vec<String> = answer
        .iter()
        .map(|(grant, verdict, _)| format!("{grant}: {verdict}"))
        .collect();
    assert_eq!(
        verdicts,
        [
            "helpers SELECT -: used",
            "idle SELECT -: unused",
            "idle TRUNCATE -: unknown",
            "idle SELECT note: unused",
            "reader SELECT -: used",
            "writer SELECT -: unknown",
            "writer UPDATE -: used",
        ],
        "{answer:#?}"
    );
    assert!(
        answer[2].2.contains("does not say on which table"),
        "{answer:#?}"
    );
    assert!(answer[5].2.contains("may have needed it"), "{answer:#?}");

    // Nobody looked whether the log is complete: nothing is unused.
    let answer = ask(&[]);
    assert!(
        answer.iter().all(|(_, verdict, _)| verdict != "unused"),
        "{answer:#?}"
    );
    assert!(answer[1].2.contains("--journal"), "{answer:#?}");

    // Ninety days, of which the trail has a moment.
    let answer = desk.run(&[
        "trail",
        "query",
        "unused-grants",
        "--archive",
        "archive",
        "--package",
        &package,
        "--journal",
        "journal",
        "--format",
        "csv",
    ]);
    answer.assert_code(0);
    let text = String::from_utf8(answer.stdout).unwrap();
    assert!(!text.contains("\"unused\""), "{text}");
    assert!(
        text.contains("the journal begins after the period does"),
        "{text}"
    );
    // And without a package there are no grants to ask about.
    let answer = desk.run(&["trail", "query", "unused-grants", "--archive", "archive"]);
    answer.assert_code(2);
    assert!(answer.stderr.contains("--package"), "{answer}");
}
