//! `prove logging`: canaries on real servers, found where they should be, and told missing where they are.

#![expect(
    clippy::disallowed_methods,
    reason = "a stand-in for the collector looks again and again"
)]

use crate::support::{Answer, Desk, text};
use pgattest_ledger::SigningKey;
use pgattest_parse::audit_log::redact::redact;
use pgattest_parse::audit_log::{Cut, Format, Splitter};
use pgattest_testkit::{Cluster, PgBouncer, PoolMode, SUPERUSER, SUPERUSER_PASSWORD};
use pgattest_trail::block::FileId;
use pgattest_trail::canary::Summary;
use pgattest_trail::{
    Block, Journal, JournalOptions, JournalReader, Leaf, Piece, PieceKind, inbox,
};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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

/// A collector in small: the csvlog of one server into a journal, until it is told to stop.
struct Collector {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Collector {
    /// `redacts`: as a collector does; without it, one that is broken.
    fn start(logs: &Path, journal: &Path, redacts: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let (logs, dir) = (logs.to_owned(), journal.to_owned());
        let key = SigningKey::from_seed(&[7; 32]);
        let mut journal = Journal::open(&dir, key, JournalOptions::default()).unwrap();
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                collect(&logs, &dir, &mut journal, redacts);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn collect(logs: &Path, dir: &Path, journal: &mut Journal, redacts: bool) {
    let format = Format::Csvlog { columns: 26 };
    for entry in std::fs::read_dir(logs).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "csv") {
            continue;
        }
        let file = FileId {
            name: path.display().to_string(),
            device: 1,
            inode: 1,
            fingerprint: "0".repeat(64),
            fingerprint_length: 0,
        };
        let offset = journal.sealed(&file).unwrap_or_default();
        let bytes = std::fs::read(&path).unwrap();
        let new = &bytes[usize::try_from(offset).unwrap()..];
        let mut splitter = Splitter::new(format.clone());
        let (mut at, mut out, mut pieces) = (0, Vec::new(), Vec::new());
        while let Cut::Record(length) | Cut::Torn(length, _) = splitter.next(&new[at..], false) {
            let raw = &new[at..at + length];
            let kept = if redacts {
                redact(&format, raw).0
            } else {
                raw.into()
            };
            pieces.push(Piece {
                length: u32::try_from(kept.len()).unwrap(),
                kind: PieceKind::Record,
                original: None,
            });
            out.extend_from_slice(&kept);
            at += length;
        }
        if pieces.is_empty() {
            continue;
        }
        let block = Block {
            file,
            offset,
            source_length: at as u64,
            format: format.clone(),
            bytes: out,
            pieces,
            times: None,
        };
        journal.append(&block).unwrap();
        let next = journal.next_record();
        let watermark = Leaf::Watermark {
            at: 0,
            sink: "files".to_owned(),
            next,
        };
        journal.note(&watermark).unwrap();
        journal.commit().unwrap();
    }
    let waiting = inbox::pending(dir).unwrap();
    for one in &waiting.leaves {
        journal.note(&one.leaf).unwrap();
    }
    if !waiting.leaves.is_empty() {
        journal.commit().unwrap();
    }
    for one in waiting.leaves {
        one.done().unwrap();
    }
}

#[tokio::test]
async fn journal_and_sinks_have_every_line_and_no_secret() {
    let cluster = Cluster::hardened(15).start().await.unwrap();
    let desk = Desk::new();
    let connection = cluster.dsn_tls(SUPERUSER, SUPERUSER_PASSWORD, "postgres");
    let logs = log_directory(&cluster).await;
    let run = |journal: &str, sink: &str, deadline: &str| {
        desk.run(&[
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
            "--sink",
            sink,
            "--deadline",
            deadline,
        ])
    };
    let journal = desk.path("journal");
    let collector = Collector::start(Path::new(&logs), &journal, true);
    let answer = run("journal", "files", "60");
    answer.assert_code(0);
    let seen = report(&answer);
    assert!(outcomes(&seen).contains(&"ddl journal found".to_owned()));
    assert!(outcomes(&seen).contains(&"ddl files found".to_owned()));
    for line in seen["lines"].as_array().unwrap() {
        assert!(line["place"] == "log" || line["secret_readable"] == false);
    }

    // A sink that never confirmed anything.
    let answer = run("journal", "nobody", "2");
    answer.assert_code(1);
    assert!(missing(&report(&answer)).contains(&"ddl nobody missing".to_owned()));

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
    let answer = run("journal", "files", "2");
    answer.assert_code(1);
    assert!(missing(&report(&answer)).contains(&"role journal missing".to_owned()));

    // A collector that does not redact is told.
    let leaky = desk.path("leaky");
    let collector = Collector::start(Path::new(&logs), &leaky, false);
    let answer = run("leaky", "files", "60");
    answer.assert_code(1);
    let seen = report(&answer);
    assert_eq!(missing(&seen), Vec::<String>::new());
    let leaks = seen["lines"].as_array().unwrap();
    assert!(
        leaks
            .iter()
            .any(|line| line["place"] == "journal" && line["secret_readable"] == true)
    );
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
