//! `prove logging`: canaries on real servers, found where they should be, and told missing where they are.

use crate::support::{Answer, Desk, text};
use pgattest_testkit::{Cluster, PgBouncer, PoolMode, SUPERUSER, SUPERUSER_PASSWORD};
use serde_json::Value;
use std::path::PathBuf;

fn report(answer: &Answer) -> Value {
    let report: Value = serde_json::from_slice(&answer.stdout).expect("the report is JSON");
    assert_eq!(report["schema"], "pgattest.prove-logging/1");
    report
}

/// `ddl log found` for each required line.
fn outcomes(report: &Value) -> Vec<String> {
    let lines = report["lines"].as_array().unwrap();
    lines
        .iter()
        .filter(|line| line["required"] == true)
        .map(|line| {
            format!(
                "{} {} {}",
                text(&line["class"]),
                text(&line["place"]),
                text(&line["outcome"])
            )
        })
        .collect()
}

fn missing(report: &Value) -> Vec<String> {
    outcomes(report)
        .into_iter()
        .filter(|line| !line.ends_with(" found"))
        .collect()
}

/// Where a hardened cluster of testkit writes its log: beside its data.
async fn log_directory(cluster: &Cluster) -> String {
    let rows = cluster
        .query_text("postgres", "SHOW log_directory")
        .await
        .unwrap();
    let directory = PathBuf::from(rows[0][0].clone().unwrap());
    cluster.data_dir().join(directory).display().to_string()
}

/// Nothing of ours is left: no role, no table.
async fn nothing_is_left(cluster: &Cluster) {
    let sql = "SELECT count(*) FROM (SELECT rolname FROM pg_roles UNION ALL SELECT relname FROM pg_class) AS all_names (name) \
               WHERE name LIKE 'pgattest%'";
    let rows = cluster.query_text("postgres", sql).await.unwrap();
    assert_eq!(rows[0][0].as_deref(), Some("0"));
}

#[tokio::test]
async fn every_required_line_of_a_hardened_server_is_found() {
    let cluster = Cluster::hardened(15).start().await.unwrap();
    let desk = Desk::new();
    let connection = cluster.dsn_tls(SUPERUSER, SUPERUSER_PASSWORD, "postgres");
    let answer = desk.run(&["prove", "logging", &connection]);
    answer.assert_code(2);
    answer.assert_says("nothing was done");

    let logs = log_directory(&cluster).await;
    let json = ["--yes", "--format", "json", "--deadline", "60"];
    let run = |more: &[&str]| {
        let arguments = [&["prove", "logging", &connection][..], &json, more].concat();
        desk.run(&arguments)
    };
    let answer = run(&["--logs", &logs]);
    answer.assert_code(0);
    let seen = report(&answer);
    assert_eq!(
        outcomes(&seen),
        [
            "write log found",
            "ddl log found",
            "role log found",
            "in-do log found",
            "copy log found",
            "prepared log found",
            "refused log found",
            "login log found",
            "logout log found",
            "wrong-password log found",
            "unknown-role log found",
            "secret log found"
        ]
    );
    let secret = seen["lines"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["class"] == "secret")
        .unwrap();
    assert_eq!(
        secret["secret_readable"], true,
        "PostgreSQL writes a failing statement into its log as it is"
    );

    // The same through the connection, as the server gives its log to a superuser.
    let answer = run(&[]);
    answer.assert_code(0);
    nothing_is_left(&cluster).await;

    // Switched off for the role that looks: told, not passed.
    cluster
        .execute("postgres", "ALTER ROLE postgres SET pgaudit.log = 'none'")
        .await
        .unwrap();
    let answer = desk.run(&[
        "prove",
        "logging",
        &connection,
        "--yes",
        "--format",
        "json",
        "--deadline",
        "2",
        "--logs",
        &logs,
    ]);
    answer.assert_code(1);
    assert_eq!(
        missing(&report(&answer)),
        [
            "write log missing",
            "ddl log missing",
            "role log missing",
            "in-do log missing",
            "copy log missing",
            "prepared log missing"
        ]
    );
}

#[tokio::test]
async fn what_a_server_does_not_log_is_missing() {
    let cluster = Cluster::builder(18).csvlog().start().await.unwrap();
    let desk = Desk::new();
    let connection = cluster.dsn("postgres");
    let logs = log_directory(&cluster).await;
    let answer = desk.run(&[
        "prove",
        "logging",
        &connection,
        "--yes",
        "--format",
        "json",
        "--deadline",
        "2",
        "--logs",
        &logs,
    ]);
    answer.assert_code(1);
    let seen = report(&answer);
    assert!(missing(&seen).contains(&"login log missing".to_owned()));
    assert!(missing(&seen).contains(&"ddl log missing".to_owned()));
    assert!(outcomes(&seen).contains(&"refused log found".to_owned()));
    let not_tried = seen["not_tried"].as_array().unwrap();
    let wrong = not_tried
        .iter()
        .find(|one| one["class"] == "wrong-password");
    assert!(
        text(&wrong.unwrap()["why"]).contains("asks for no password"),
        "pg_hba.conf trusts everybody here"
    );
}

#[tokio::test]
async fn a_directory_of_another_server_tells_nothing() {
    let cluster = Cluster::builder(13).csvlog().start().await.unwrap();
    let desk = Desk::new();
    let connection = cluster.dsn("postgres");
    std::fs::create_dir(desk.path("elsewhere")).unwrap();
    for directory in ["elsewhere", "nowhere"] {
        let answer = desk.run(&[
            "prove",
            "logging",
            &connection,
            "--yes",
            "--deadline",
            "1",
            "--logs",
            directory,
        ]);
        answer.assert_code(2);
        answer.assert_says(directory);
        answer.assert_says("It could not be told");
    }
    nothing_is_left(&cluster).await;
}

#[tokio::test]
async fn a_line_arrives_through_the_pooler() {
    let cluster = Cluster::builder(15)
        .csvlog()
        .preload("pgaudit")
        .setting("pgaudit.log", "all")
        .setting("log_connections", "on")
        .setting("log_disconnections", "on")
        .start()
        .await
        .unwrap();
    let pooler = PgBouncer::start(&cluster, PoolMode::Transaction)
        .await
        .unwrap();
    let desk = Desk::new();
    let connection = cluster.dsn("postgres");
    let policy = desk.write("pgattest.toml", "[logging]\nclasses = [\"all\"]\n");
    let answer = desk.run(&[
        "prove",
        "logging",
        &connection,
        "--yes",
        "--format",
        "json",
        "--deadline",
        "60",
        "--pooler",
        &pooler.dsn("postgres"),
        "--policy",
        policy.to_str().unwrap(),
    ]);
    // Everybody is trusted here, so no login can fail.
    answer.assert_code(2);
    let seen = report(&answer);
    assert_eq!(missing(&seen), Vec::<String>::new());
    for class in ["pooled", "read", "parallel", "function", "misc"] {
        assert!(
            outcomes(&seen).contains(&format!("{class} log found")),
            "{class}"
        );
    }
}
