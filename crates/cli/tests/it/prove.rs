//! `prove transport`: what is tried, and what is said about it.

use crate::support::{Answer, Desk, text};
use pgattest_testkit::{Cluster, SUPERUSER, SUPERUSER_PASSWORD, Tls};
use serde_json::Value;

fn proof(answer: &Answer) -> Value {
    let proof: Value = serde_json::from_slice(&answer.stdout).expect("the proof is JSON");
    assert_eq!(proof["schema"], "pgattest.prove-transport/1");
    proof
}

/// `TLSv1.1 refused` for one kind of probe.
fn outcomes(proof: &Value, probe: &str) -> Vec<String> {
    let all = proof["handshakes"].as_array().unwrap();
    all.iter()
        .filter(|one| one["probe"] == probe)
        .map(|one| format!("{} {}", text(&one["asked"]), text(&one["outcome"])))
        .collect()
}

/// `app accepted` for each login that was tried.
fn logins(proof: &Value) -> Vec<String> {
    let all = proof["clear_logins"].as_array().unwrap();
    all.iter()
        .map(|one| format!("{} {}", text(&one["user"]), text(&one["outcome"])))
        .collect()
}

async fn hardened() -> Cluster {
    let cluster = Cluster::hardened(15).start().await.unwrap();
    let roles = "CREATE ROLE app LOGIN PASSWORD 'test-only'; CREATE ROLE nobody NOLOGIN";
    cluster.execute("postgres", roles).await.unwrap();
    cluster
}

#[tokio::test]
async fn a_hardened_cluster_refuses_everything_it_should() {
    let cluster = hardened().await;
    let desk = Desk::new();
    let connection = cluster.dsn_tls(SUPERUSER, SUPERUSER_PASSWORD, "postgres");
    let answer = desk.run(&["prove", "transport", &connection, "--format", "json"]);
    answer.assert_code(0);
    let proof = proof(&answer);
    assert_eq!(logins(&proof), ["postgres refused", "app refused"]);
    for login in proof["clear_logins"].as_array().unwrap() {
        assert_eq!(login["expected"]["admitted"], false);
        assert_eq!(login["expected"]["disagrees"], false);
    }
    assert_eq!(outcomes(&proof, "ssl-request"), ["TLS accepted"]);
    assert_eq!(
        outcomes(&proof, "tls-version"),
        [
            "TLSv1 refused",
            "TLSv1.1 refused",
            "TLSv1.2 accepted",
            "TLSv1.3 accepted"
        ]
    );
    assert_eq!(proof["certificates"]["chain"][0]["names_host"], true);
    let verdicts: Vec<_> = proof["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| format!("{} {}", text(&check["id"]), text(&check["verdict"])))
        .collect();
    assert_eq!(verdicts, ["TLS-03 pass", "TLS-04 pass", "TLS-05 pass"]);
    assert_eq!(proof["accepted"], Value::Array(Vec::new()));
    assert!(!String::from_utf8_lossy(&answer.stdout).contains(SUPERUSER_PASSWORD));

    let answer = desk.run(&["prove", "transport", &connection]);
    answer.assert_code(0);
    answer.assert_says("everything that should be refused was refused");
    answer.assert_says("alert 70 protocol_version");
    answer.assert_says("53 15 03 01 00 02 02 46");
    answer.assert_says("as pg_hba.conf says: no rule admits it");
    assert!(
        !answer.text().contains("sent, "),
        "bytes without --verbose\n{answer}"
    );
}

#[tokio::test]
async fn a_permissive_cluster_lets_in_in_clear() {
    let cluster = Cluster::builder(17).start().await.unwrap();
    let roles = "CREATE ROLE \"it's\n\" LOGIN; CREATE ROLE nobody NOLOGIN";
    cluster.execute("postgres", roles).await.unwrap();
    let desk = Desk::new();
    let connection = cluster.dsn("postgres");
    let answer = desk.run(&["prove", "transport", &connection, "--format", "json"]);
    answer.assert_code(1);
    let seen = proof(&answer);
    assert_eq!(logins(&seen), ["postgres accepted", "it's\n accepted"]);
    assert_eq!(seen["clear_logins"][0]["expected"]["disagrees"], false);
    assert!(text(&seen["clear_logins"][0]["received"]).starts_with("520000000800000000"));
    assert_eq!(outcomes(&seen, "ssl-request"), ["TLS refused"]);
    assert_eq!(
        outcomes(&seen, "gss-request"),
        ["GSSAPI encryption refused"]
    );

    let answer = desk.run(&[
        "prove",
        "transport",
        &connection,
        "--verbose",
        "--user",
        "nobody",
        "--user",
        "who?",
    ]);
    answer.assert_code(1);
    answer.assert_says("role \"nobody\" is not permitted to log in");
    answer.assert_says("role \"who?\" does not exist");
    answer.assert_says("52 00 00 00 08 00 00 00");
    answer.assert_says("    received, 1 bytes\n      4e\n");
    answer
        .assert_says("accepted, and should not be: a login as \"who?\" to postgres in clear text");
}

#[tokio::test]
async fn old_versions_that_are_accepted_are_told() {
    let cluster = Cluster::builder(18)
        .tls(Tls::new())
        .setting("ssl_min_protocol_version", "TLSv1")
        .setting("ssl_ciphers", "DEFAULT:@SECLEVEL=0")
        .hba("local all all trust\nhostssl all all all trust\n")
        .start()
        .await
        .unwrap();
    let desk = Desk::new();
    let answer = desk.run(&["prove", "transport", &cluster.dsn_socket("postgres")]);
    answer.assert_code(1);
    answer.assert_says("TLSv1.1, direct                    accepted");
    answer.assert_says("TLS-04: TLSv1 was accepted");
    answer.assert_says("TLS-04: TLSv1.1 was accepted");
}

/// Only host and port are known: what can be tried is tried.
#[tokio::test]
async fn without_a_login_the_probes_still_run() {
    let cluster = hardened().await;
    let desk = Desk::new();
    let connection = format!(
        "host=127.0.0.1 port={} user=app dbname=shop",
        cluster.port()
    );
    let answer = desk.run(&[
        "prove",
        "transport",
        &connection,
        "--format",
        "json",
        "--out",
        "proof.json",
    ]);
    answer.assert_code(0);
    assert!(answer.stdout.is_empty());
    assert!(answer.stderr.contains("could not log in"), "{answer}");
    let proof: Value =
        serde_json::from_slice(&std::fs::read(desk.path("proof.json")).unwrap()).unwrap();
    assert_eq!(logins(&proof), ["app refused"]);
    assert_eq!(
        proof["clear_logins"][0]["expected"]["admitted"],
        Value::Null
    );
}

#[tokio::test]
async fn nobody_there_is_no_proof() {
    let desk = Desk::new();
    // Port 1 of the loopback: nobody listens there.
    let answer = desk.run(&["prove", "transport", "host=127.0.0.1 port=1 user=app"]);
    answer.assert_code(2);
    assert!(
        answer
            .stderr
            .contains("nothing could be tried on 127.0.0.1:1"),
        "{answer}"
    );
    let answer = desk.run(&["prove", "transport", "host=/nowhere user=app"]);
    answer.assert_code(2);
    assert!(
        answer.stderr.contains("there is no address to probe"),
        "{answer}"
    );
}

/// An audit records the handshakes, a package verifies them again, and an audit without them does not pass.
#[tokio::test]
async fn handshakes_are_evidence() {
    let cluster = hardened().await;
    let desk = Desk::new();
    let connection = cluster.dsn_tls(SUPERUSER, SUPERUSER_PASSWORD, "postgres");
    let package = desk.seal(&connection);
    let files = crate::support::members(&package);
    let names: Vec<_> = files.keys().filter(|name| name.contains("wire-")).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let answer = desk.run(&["verify", package.to_str().unwrap()]);
    answer.assert_code(0);
    // An audit logs in as itself and as nobody else.
    assert!(
        !cluster.csv_log().contains("no pg_hba.conf entry"),
        "{}",
        cluster.csv_log()
    );

    let report = desk.audit_with(&connection, &["--no-probe"]);
    for check in ["TLS-03", "TLS-04", "TLS-05"] {
        assert_eq!(report.verdict(check), "not_assessed");
        assert!(text(&report.check(check)["reason"]).contains("the handshakes were left out"));
    }
}
