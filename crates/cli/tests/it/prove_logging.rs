//! `prove logging`: canaries on real servers, found where they should be, and told missing where they are.

#![expect(
    clippy::disallowed_methods,
    reason = "what other processes do is looked at again and again"
)]

use crate::small_collector::Collector;
use crate::support::{Answer, Desk, text};
use pgattest_testkit::{Cluster, PgBouncer, PoolMode, SUPERUSER, SUPERUSER_PASSWORD};
use pgattest_trail::canary::Summary;
use pgattest_trail::{JournalReader, Leaf};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The report, as its public schema has it: somebody else's validator says so.
fn report(answer: &Answer) -> Value {
    let report: Value = serde_json::from_slice(&answer.stdout).expect("the report is JSON");
    assert_eq!(report["schema"], "pgattest.prove-logging/1");
    let schema = include_str!("../../../../docs/schema/prove-logging-1.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::draft202012::new(&schema).expect("a valid schema");
    let complaints: Vec<String> = validator
        .iter_errors(&report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(complaints, Vec::<String>::new());
    let mut broken = report.clone();
    broken["lines"][0]["outcome"] = "perhaps".into();
    assert!(!validator.is_valid(&broken), "it would say if it were not");
    report
}

/// The line of a class in a place.
#[track_caller]
fn line<'r>(report: &'r Value, class: &str, place: &str) -> &'r Value {
    let mut lines = report["lines"].as_array().unwrap().iter();
    lines
        .find(|line| line["class"] == class && line["place"] == place)
        .unwrap_or_else(|| panic!("no line of {class} in {place}: {report:#}"))
}

/// Why a class was not tried.
#[track_caller]
fn not_tried<'r>(report: &'r Value, class: &str) -> &'r str {
    let mut all = report["not_tried"].as_array().unwrap().iter();
    let one = all.find(|one| one["class"] == class);
    text(&one.unwrap_or_else(|| panic!("{class} was tried: {report:#}"))["why"])
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
    assert!(answer.stderr.contains("nothing was done"), "{answer}");
    assert!(!cluster.csv_log().contains("pgattest_"), "and nothing was");

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

    assert_eq!(secret["deadline_seconds"], 60);
    assert!(secret["after_ms"].as_u64().unwrap() < 60_000);
    // Ways past pgaudit, as this server has them: tried, looked for, told, and required by nobody.
    for (class, outcome, says) in [
        ("fast-path", "missing", "log_statement = 'all'"),
        ("replication", "found", ""),
        (
            "replication-command",
            "missing",
            "log_replication_commands = on",
        ),
        ("copy-to", "missing", ""),
    ] {
        let line = line(&seen, class, "log");
        assert_eq!(
            (&line["outcome"], &line["required"]),
            (&outcome.into(), &false.into()),
            "{line:#}"
        );
        assert!(line["why"].to_string().contains(says), "{line:#}");
    }

    // The same through the connection, as the server gives its log to a superuser.
    let answer = run(&[]);
    answer.assert_code(0);
    nothing_is_left(&cluster).await;

    // For people, on narrow terminals and on wide ones.
    for width in [80, 200] {
        let mut text = desk.command(&[
            "prove",
            "logging",
            &connection,
            "--yes",
            "--deadline",
            "60",
            "--logs",
            &logs,
        ]);
        let output = text.env("COLUMNS", width.to_string()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{line}");
        }
        assert!(
            text.contains("\n  fast-path            log  not there\n"),
            "{text}"
        );
        assert!(
            text.contains("a known bypass: pgaudit records no call"),
            "{text}"
        );
        assert!(
            text.contains("Every line that is required arrived in time"),
            "{text}"
        );
    }

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
        .setting("log_replication_commands", "on")
        .setting("log_statement", "all")
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
    for class in ["pooled", "read", "parallel", "function", "misc", "copy-to"] {
        assert!(
            outcomes(&seen).contains(&format!("{class} log found")),
            "{class}"
        );
    }
    // Nobody requires these, and the server says that it logs them.
    for class in ["fast-path", "replication", "replication-command"] {
        assert_eq!(line(&seen, class, "log")["outcome"], "found", "{class}");
    }

    // A pooler that stands in the way of everything passes the fast path on, and no replication. The logins that the server sees are
    // the pooler's own: their lines never come, so that the time goes by.
    let answer = desk.run(&[
        "prove",
        "logging",
        &pooler.dsn("postgres"),
        "--yes",
        "--format",
        "json",
        "--deadline",
        "10",
        "--logs",
        &log_directory(&cluster).await,
    ]);
    let seen = report(&answer);
    assert!(not_tried(&seen, "replication").contains("passes no replication connections on"));
    assert_eq!(line(&seen, "fast-path", "log")["outcome"], "found");
}

#[tokio::test]
async fn a_role_that_may_not_replicate_is_told_what_would_let_it_and_nothing_is_passed() {
    let cluster = Cluster::builder(18)
        .csvlog()
        .setting("log_connections", "all")
        .start()
        .await
        .unwrap();
    cluster
        .execute("postgres", "CREATE ROLE \"an auditor\" LOGIN")
        .await
        .unwrap();
    let desk = Desk::new();
    let logs = log_directory(&cluster).await;
    let connection = cluster.dsn_as("an auditor", "postgres");
    let arguments = [
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
    ];
    let seen = report(&desk.run(&arguments));
    for class in ["replication", "replication-command"] {
        let why = not_tried(&seen, class);
        assert!(
            why.contains("ALTER ROLE \"an auditor\" REPLICATION"),
            "{why}"
        );
    }
    cluster
        .execute("postgres", "ALTER ROLE \"an auditor\" REPLICATION")
        .await
        .unwrap();
    let seen = report(&desk.run(&arguments));
    assert_eq!(line(&seen, "replication", "log")["outcome"], "found");
    nothing_is_left(&cluster).await;
}

#[tokio::test]
async fn journal_and_sinks_have_every_line_and_no_secret() {
    let cluster = Cluster::hardened(15).start().await.unwrap();
    let desk = Desk::new();
    let connection = cluster.dsn_tls(SUPERUSER, SUPERUSER_PASSWORD, "postgres");
    let logs = log_directory(&cluster).await;
    let run = |journal: &str, deadline: &str, more: &[&str]| {
        let arguments = [
            "prove",
            "logging",
            &connection,
            "--yes",
            "--format",
            "json",
            "--logs",
            &logs,
            "--trail",
            journal,
            "--deadline",
            deadline,
        ];
        desk.run(&[&arguments[..], more].concat())
    };
    let journal = desk.path("journal");
    let collector = Collector::start(Path::new(&logs), &journal, true);
    let answer = run("journal", "60", &["--sink", "files"]);
    answer.assert_code(0);
    let seen = report(&answer);
    assert!(outcomes(&seen).contains(&"ddl journal found".to_owned()));
    assert!(outcomes(&seen).contains(&"ddl files found".to_owned()));
    assert!(
        !answer.text().contains("nobody"),
        "only those that are named"
    );
    for line in seen["lines"].as_array().unwrap() {
        assert!(line["place"] == "log" || line["secret_readable"] == false);
        if line["kind"] == "sink" && line["outcome"] == "found" {
            assert!(
                line["record"].is_u64() && line["after_ms"].is_u64(),
                "{line:#}"
            );
        }
    }

    // Without a name every sink that the collector is told of: one of them never confirms anything, within its own deadline.
    let answer = run("journal", "60", &[]);
    answer.assert_code(1);
    let seen = report(&answer);
    assert!(missing(&seen).contains(&"ddl nobody missing".to_owned()));
    assert!(
        missing(&seen)
            .iter()
            .all(|line| line.ends_with(" nobody missing"))
    );
    let late = line(&seen, "ddl", "nobody");
    assert_eq!(
        (&late["deadline_seconds"], &late["after_ms"]),
        (&1.into(), &Value::Null)
    );
    assert!(late["record"].is_u64(), "the journal has it");
    assert_eq!(line(&seen, "ddl", "files")["deadline_seconds"], 60);

    // A name that nobody knows is refused before anything is done.
    let before = cluster.csv_log().len();
    let answer = run("journal", "60", &["--sink", "stranger"]);
    answer.assert_code(2);
    assert!(
        answer.stderr.contains("nobody knows a sink `stranger`"),
        "{answer}"
    );
    assert!(answer.stderr.contains("files, nobody"), "{answer}");
    assert_eq!(cluster.csv_log().len(), before);

    // What was found stands in the tree, with the cluster that it was found on.
    let rows = cluster
        .query_text(
            "postgres",
            "SELECT system_identifier FROM pg_control_system()",
        )
        .await
        .unwrap();
    let identifier = rows[0][0].clone();
    assert!(identifier.is_some());
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let mut summary = Summary::default();
        let reader = JournalReader::open(&journal).unwrap();
        for leaf in reader.leaves(0) {
            let leaf = leaf.unwrap().1;
            if let Leaf::Canary {
                system_identifier, ..
            } = &leaf
            {
                assert_eq!(system_identifier, &identifier, "it says which cluster");
            }
            summary.add(&leaf);
        }
        if summary.is_found("ddl", "journal") == Some(true)
            && summary.is_found("ddl", "nobody") == Some(false)
        {
            break;
        }
        assert!(Instant::now() < deadline, "{summary:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(collector);

    // Nobody collects: every line is missing in the journal, and none in the log.
    let answer = run("journal", "2", &["--sink", "files"]);
    answer.assert_code(1);
    let seen = missing(&report(&answer));
    assert!(seen.contains(&"role journal missing".to_owned()));
    assert!(seen.contains(&"role files missing".to_owned()));

    // Where no journal is, nobody can say which sinks there are: told, and no pass.
    let answer = run("nowhere", "1", &[]);
    answer.assert_code(1);
    assert!(
        report(&answer)["notes"]
            .to_string()
            .contains("No sink was looked at")
    );

    // A collector that does not redact is told.
    let leaky = desk.path("leaky");
    let collector = Collector::start(Path::new(&logs), &leaky, false);
    let answer = run("leaky", "60", &["--sink", "files"]);
    answer.assert_code(1);
    let seen = report(&answer);
    assert_eq!(missing(&seen), Vec::<String>::new());
    let leaks = seen["lines"].as_array().unwrap();
    assert!(
        leaks
            .iter()
            .any(|line| line["place"] == "journal" && line["secret_readable"] == true)
    );
    // And the tree says that it was not found as it should be.
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let mut summary = Summary::default();
        for leaf in JournalReader::open(&leaky).unwrap().leaves(0) {
            summary.add(&leaf.unwrap().1);
        }
        if let Some(found) = summary.is_found("secret", "files") {
            assert!(!found);
            assert_eq!(summary.is_found("secret", "journal"), Some(false));
            assert_eq!(summary.is_found("write", "journal"), Some(true));
            break;
        }
        assert!(Instant::now() < deadline, "{summary:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(collector);
    nothing_is_left(&cluster).await;
}

#[tokio::test]
async fn interrupted_in_the_middle_it_leaves_nothing_behind() {
    let cluster = Cluster::hardened(15).start().await.unwrap();
    let desk = Desk::new();
    let connection = cluster.dsn_tls(SUPERUSER, SUPERUSER_PASSWORD, "postgres");
    for (signal, lock) in [
        (rustix::process::Signal::INT, "pg_catalog.pg_authid"),
        (rustix::process::Signal::KILL, "pg_catalog.pg_authid"),
    ] {
        // Held: the statement that makes a role has to wait, in the middle of the transaction.
        let client = cluster
            .connect(&pgattest_testkit::Login::new(SUPERUSER).password(SUPERUSER_PASSWORD))
            .await
            .unwrap();
        client
            .batch_execute(&format!("BEGIN; LOCK TABLE {lock} IN SHARE MODE"))
            .await
            .unwrap();
        let mut child = desk
            .command(&["prove", "logging", &connection, "--yes"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_mins(1);
        let waits = "SELECT count(*)::text FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%CREATE ROLE pgattest%'";
        loop {
            if cluster.query_value("postgres", waits).await.unwrap() == "1" {
                break;
            }
            assert!(Instant::now() < deadline, "it never came to the role");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, signal).unwrap();
        child.wait().unwrap();
        client.batch_execute("ROLLBACK").await.unwrap();
        let gone =
            "SELECT count(*)::text FROM pg_stat_activity WHERE application_name LIKE 'pgattest%'";
        loop {
            if cluster.query_value("postgres", gone).await.unwrap() == "0" {
                break;
            }
            assert!(Instant::now() < deadline, "the session never ended");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        nothing_is_left(&cluster).await;
    }
}
