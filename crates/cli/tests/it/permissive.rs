//! The cluster of `script/demo`: everything that is wrong with it is found, and the evidence convinces whoever checks it.

use crate::support::{Desk, Report, members, packages, python, repository, start};
use pgattest_testkit::{Cluster, Login};
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

/// What `script/demo.d` does wrong, and nothing else: a line too many is a false finding, a line too few a miss.
const PLANTED: &str = include_str!("permissive.txt");

/// The small `SaaS` of the demo, set up in a hurry.
pub(crate) async fn demo(major: u32) -> Cluster {
    let read = |name: &str| fs::read_to_string(repository("script/demo.d").join(name)).unwrap();
    let cluster = Cluster::builder(major)
        .csvlog()
        .hba(&read("permissive.hba"))
        // Whoever runs the tests may be postgres, as whoever runs the demo may.
        .ident("demo /^.*$ postgres\n")
        .start()
        .await
        .unwrap();
    cluster
        .execute("postgres", &read("roles.sql"))
        .await
        .unwrap();
    let worker = Login::new("shop_worker").database("shop");
    cluster
        .execute_as(&worker, &read("shop.sql"))
        .await
        .unwrap();
    cluster
}

fn as_worker(cluster: &Cluster) -> String {
    cluster.dsn_as("shop_worker", "shop")
}

#[tokio::test]
async fn every_fault_is_found_and_nothing_else() {
    let cluster = demo(15).await;
    let desk = Desk::new();
    let answer = desk.run(&["audit", &as_worker(&cluster), "--format", "json"]);
    answer.assert_code(1);
    let report = Report::read(&answer.stdout);
    let mut found = report.findings().join("\n");
    found.push_str("\n\n");
    for line in report.undecided() {
        found.push_str(&line);
        found.push('\n');
    }
    if std::env::var_os("PGATTEST_UPDATE").is_some() {
        fs::write(repository("crates/cli/tests/it/permissive.txt"), &found).unwrap();
        return;
    }
    assert_eq!(found, PLANTED);
    assert_eq!(
        report.checklist(),
        [
            "1 fail",
            "2 fail",
            "3 fail",
            // No program here has seen the aggregator, the volumes or the review.
            "4 not_assessed",
            "5 fail",
            "6 fail",
            "7 not_assessed",
            "8 not_assessed",
        ]
    );
}

#[tokio::test]
async fn all_reports_and_the_package_come_from_one_run() {
    let cluster = demo(15).await;
    let desk = Desk::new();
    let answer = desk.run(&[
        "audit",
        &as_worker(&cluster),
        "--format",
        "text",
        "--format",
        "json=audit.json",
        "--format",
        "html=report.html",
        "--out",
        "out",
    ]);
    answer.assert_code(1);
    answer.assert_says("shop_worker");

    let json = fs::read(desk.path("audit.json")).unwrap();
    assert_valid(&json);
    let html = fs::read_to_string(desk.path("report.html")).unwrap();
    assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"));

    let package = packages(&desk.path("out")).remove(0);
    let files = members(&package);
    assert_eq!(
        files["verdicts.json"], json,
        "the report that was written is the one that was sealed"
    );
    for name in ["README.txt", "report.html", "observations.jsonl"] {
        assert!(!files[name].is_empty(), "{name}");
    }
    // The four queries of the guide are there by name, for the auditor who knows it.
    for name in ["ssl", "ssl-min-protocol-version", "pgaudit", "grants"] {
        let suffix = format!("/guide-{name}.csv");
        assert!(
            files.keys().any(|path| path.ends_with(&suffix)),
            "{suffix} is not in the package"
        );
    }
    let fingerprint = desk.run(&["key"]).text();
    let fingerprint = fingerprint.lines().last().unwrap().trim();
    assert!(
        answer.stderr.contains(fingerprint),
        "the auditor is told the key\n{answer}"
    );
}

#[tokio::test]
async fn a_good_package_convinces_every_verifier() {
    let cluster = demo(15).await;
    let desk = Desk::new();
    let package = desk.seal(&as_worker(&cluster));
    // Everything from here on is offline.
    drop(cluster);

    let ours = desk.run(&["verify", package.to_str().unwrap()]);
    ours.assert_code(0);
    ours.assert_says(
        "every verdict and the report, computed again from the observations, are the same",
    );
    assert!(!ours.text().contains("not checked"), "{ours}");

    let key = desk.key_file("openssh");
    let theirs = python()
        .arg(repository("verifier/pgattest_verify.py"))
        .arg(&package)
        .arg("--key")
        .arg(&key)
        .output()
        .unwrap();
    assert_eq!(
        theirs.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&[theirs.stdout, theirs.stderr].concat())
    );

    let signers = desk.key_file("allowed-signers");
    let unpacked = desk.path("unpacked");
    fs::create_dir(&unpacked).unwrap();
    let files = members(&package);
    for name in ["manifest.json", "manifest.sshsig"] {
        fs::write(unpacked.join(name), &files[name]).unwrap();
    }
    assert!(ssh_keygen_accepts(&signers, &unpacked));
    let mut edited = files["manifest.json"].clone();
    *edited.last_mut().unwrap() = b' ';
    fs::write(unpacked.join("manifest.json"), edited).unwrap();
    assert!(
        !ssh_keygen_accepts(&signers, &unpacked),
        "an edited manifest"
    );
}

fn ssh_keygen_accepts(signers: &Path, folder: &Path) -> bool {
    start(Path::new("ssh-keygen"))
        .args(["-Y", "verify", "-I", "pgattest", "-n", "pgattest", "-f"])
        .arg(signers)
        .arg("-s")
        .arg(folder.join("manifest.sshsig"))
        .stdin(File::open(folder.join("manifest.json")).unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

#[track_caller]
pub(crate) fn assert_valid(json: &[u8]) {
    let schema = fs::read(repository("docs/schema/audit-1.schema.json")).unwrap();
    let schema = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::draft202012::new(&schema).expect("a valid schema");
    let document = serde_json::from_slice(json).expect("the report is JSON");
    let problems: Vec<String> = validator
        .iter_errors(&document)
        .map(|problem| format!("{}: {problem}", problem.instance_path()))
        .collect();
    assert_eq!(problems, Vec::<String>::new());
}
