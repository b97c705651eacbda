//! A real server, the real collector with a sink and rules, canaries through all of it, and an audit with the trail.

use crate::support::{Answer, Desk, Report, text};
use crate::trail_desk::{TrailDesk, wait};
use pgattest_testkit::{Cluster, SUPERUSER, SUPERUSER_PASSWORD};
use pgattest_trail::Leaf;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

const TABLES: &str = "text_logs = false\n[sink.copy]\nkind = \"file\"\npath = \"copy.jsonl\"\n\
                      [sink.nobody]\nkind = \"file\"\npath = \"nowhere/copy.jsonl\"\ndeadline_seconds = 1\n\
                      [detect]\nalert_files = [\"alerts.jsonl\"]\ntest_hours = 24\n";

#[test]
fn canaries_go_through_the_collector_to_a_sink_and_into_an_audit() {
    let cluster = Cluster::hardened(15).start_blocking().unwrap();
    let (desk, collector) = TrailDesk::beside(Desk::new(), &cluster, TABLES);

    let connection = cluster.dsn_tls(SUPERUSER, SUPERUSER_PASSWORD, "postgres");
    let proven = prove(
        &desk,
        &connection,
        &["--sink", "copy", "--trail", "journal"],
    );
    proven.assert_code(0);
    let lines = serde_json::from_slice::<Value>(&proven.stdout).unwrap();
    let found = |place: &str| {
        let lines = lines["lines"].as_array().unwrap().iter();
        lines
            .filter(|line| line["place"] == place && line["outcome"] == "found")
            .count()
    };
    assert!(found("copy") > 10, "{proven}");
    assert_eq!(found("copy"), found("journal"), "{proven}");
    // The sink's own file has what was confirmed.
    let copy = fs::read_to_string(desk.desk.path("copy.jsonl")).unwrap();
    assert!(copy.contains("AUDIT: SESSION"), "{copy}");

    // Every sink, when none is named: one without a folder never has anything, by its own deadline. As the configuration names
    // them, and as the journal does.
    for place in [["--config", "trail.toml"], ["--trail", "journal"]] {
        let never = prove(&desk, &connection, &place);
        never.assert_code(1);
        let lines = serde_json::from_slice::<Value>(&never.stdout).unwrap();
        let mut lines = lines["lines"].as_array().unwrap().iter();
        let ddl = lines.find(|line| line["place"] == "nobody" && line["class"] == "ddl");
        assert_eq!(ddl.unwrap()["deadline_seconds"], 1, "{never}");
        assert!(
            lines.all(|line| line["required"] == false
                || line["outcome"] == "found"
                || line["place"] == "nobody"),
            "{never}"
        );
    }

    wait("the canaries in the tree", || {
        desk.leaves().iter().any(|leaf| {
            matches!(leaf, Leaf::Canary { place, class, found: false, .. } if place == "nobody" && class == "ddl")
        })
    });
    let report = desk.desk.audit_with(
        &connection,
        &[
            "--trail",
            "journal",
            "--trail-key",
            "keys/pgattest_ed25519.pub",
        ],
    );
    for (check, verdict) in [
        ("LOG-19", "pass"),
        ("MON-05", "pass"),
        ("MON-06", "pass"),
        // A file is on the same machine.
        ("MON-01", "fail"),
    ] {
        assert_eq!(report.verdict(check), verdict, "{}", report.check(check));
    }
    // The canary in the sink that nobody has counts, and is the only one that is missed.
    assert_eq!(report.verdict("LOG-18"), "fail");
    assert_missed_only(&report, "nobody");
    // So do ways past pgaudit that were tried, as this server is set: not as failures of what has to be logged.
    let bypass = report.check("LOG-25");
    let bypasses = bypass["findings"].as_array().unwrap().iter();
    let low: BTreeSet<&str> = bypasses
        .filter(|finding| {
            finding["severity"] == "low" && !text(&finding["detail"]).contains("nobody")
        })
        .map(|finding| text(&finding["subject"]["name"]))
        .collect();
    assert_eq!(
        low,
        BTreeSet::from(["fast-path", "replication-command"]),
        "{bypass:#}"
    );
    collector.stop();

    // Where nothing ties the trail to a cluster, who proves is told so.
    cluster
        .execute_blocking(
            "postgres",
            "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_control_system() FROM PUBLIC;
             CREATE ROLE prover LOGIN PASSWORD 'prover-of-lines'",
        )
        .unwrap();
    let plain = cluster.dsn_tls("prover", "prover-of-lines", "postgres");
    let answer = prove(
        &desk,
        &plain,
        &["--trail", "journal", "--sink", "nobody", "--deadline", "2"],
    );
    assert!(
        answer.stderr.contains("may not call pg_control_system()")
            && answer
                .stderr
                .contains("GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system()"),
        "{answer}"
    );
}

#[track_caller]
fn assert_missed_only(report: &Report, place: &str) {
    for finding in report.check("LOG-18")["findings"].as_array().unwrap() {
        assert!(text(&finding["detail"]).contains(place), "{finding}");
    }
}

fn prove(desk: &TrailDesk, connection: &str, more: &[&str]) -> Answer {
    let logs = desk.desk.path("log").display().to_string();
    let mut arguments = vec!["prove", "logging", connection, "--yes", "--format", "json"];
    arguments.extend(["--logs", &logs]);
    arguments.extend(more);
    if !more.contains(&"--deadline") {
        arguments.extend(["--deadline", "60"]);
    }
    desk.desk.run(&arguments)
}
