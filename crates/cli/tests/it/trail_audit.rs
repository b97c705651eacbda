//! A real server, the real collector with a sink and rules, canaries through all of it, and an audit with the trail.

use crate::support::{Answer, Report, text};
use crate::trail_desk::{TrailDesk, wait};
use pgattest_testkit::{Cluster, SUPERUSER, SUPERUSER_PASSWORD};
use pgattest_trail::Leaf;
use serde_json::Value;
use std::fs;

const TABLES: &str = "text_logs = false\n[sink.copy]\nkind = \"file\"\npath = \"copy.jsonl\"\n\
                      [detect]\nalert_files = [\"alerts.jsonl\"]\ntest_hours = 24\n";

#[test]
fn canaries_go_through_the_collector_to_a_sink_and_into_an_audit() {
    let cluster = Cluster::hardened(15).start_blocking().unwrap();
    let desk = TrailDesk::new(TABLES);
    fs::remove_dir(desk.desk.path("log")).unwrap();
    std::os::unix::fs::symlink(cluster.scratch_dir().join("log"), desk.desk.path("log")).unwrap();
    let collector = desk.collector();
    wait("the journal", || {
        desk.desk.path("journal/checkpoint").exists()
    });

    let connection = cluster.dsn_tls(SUPERUSER, SUPERUSER_PASSWORD, "postgres");
    let proven = prove(&desk, &connection, "copy");
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

    // A sink that the collector does not have never has anything.
    let never = prove(&desk, &connection, "nobody");
    never.assert_code(1);

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
    let answer = prove(&desk, &plain, "nobody");
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

fn prove(desk: &TrailDesk, connection: &str, sink: &str) -> Answer {
    let deadline = if sink == "copy" { "60" } else { "2" };
    let logs = desk.desk.path("log").display().to_string();
    desk.desk.run(&[
        "prove",
        "logging",
        connection,
        "--yes",
        "--format",
        "json",
        "--logs",
        &logs,
        "--trail",
        "journal",
        "--sink",
        sink,
        "--deadline",
        deadline,
    ])
}
