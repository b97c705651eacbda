//! Accepted risks, from the policy file to the package that an auditor verifies.

use crate::support::{Desk, Report, members, packages, repository, text};
use crate::tamper::reseal;
use pgattest_testkit::Cluster;
use serde_json::{Value, json};
use std::path::PathBuf;

/// One waiver in each state: `loader` is accepted, `former` is a superuser no more, `laoder` is a slip, `old` had its time.
/// The name in the last one starts a new line and colours a terminal.
const POLICY: &str = r#"#:schema https://example.com/pgattest.toml.schema.json
[access]
superusers = ["postgres", "dba"]

[[waiver]]
check = "ROL-01"
subject = "loader"
reason = "the vendor's tool needs it until version 9"
compensating_control = "logs in from one address only"
owner = "data platform"
approver = "Jo Doe, CISO"
issued = 2026-01-01
expires = 9999-12-31

[[waiver]]
check = "superuser-roles"
subject = "former"
reason = "until it is replaced"
owner = "data platform"
approver = "Jo Doe, CISO"
expires = 9999-12-31

[[waiver]]
check = "ROL-01"
subject = "laoder"
reason = "a slip of the pen"
owner = "data platform"
approver = "Jo Doe, CISO"
expires = 9999-12-31

[[waiver]]
check = "ROL-01"
subject = "\"o\nl\u001B[31md\""
reason = "r\u001B[2J"
owner = "o\nPASS"
approver = "a\u202E"
expires = 2020-12-31
"#;

/// What standard error says of it, with nothing in the way of who reads it on 80 columns.
const REMARKS: &str = include_str!("waivers.stderr.txt");

async fn cluster() -> Cluster {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster
        .execute(
            "postgres",
            "CREATE ROLE dba SUPERUSER LOGIN; CREATE ROLE loader SUPERUSER LOGIN; CREATE ROLE former LOGIN; \
             CREATE ROLE \"o\nl\u{1b}[31md\" SUPERUSER LOGIN",
        )
        .await
        .unwrap();
    cluster
}

fn desk() -> Desk {
    let desk = Desk::new().with("COLUMNS", "80");
    desk.write("pgattest.toml", POLICY);
    desk
}

fn sealed(desk: &Desk, cluster: &Cluster) -> PathBuf {
    desk.seal(&cluster.dsn("postgres"))
}

#[tokio::test]
async fn each_state_is_shown_in_the_lines_of_the_file_and_in_every_report() {
    let cluster = cluster().await;
    let desk = desk();
    let dsn = cluster.dsn("postgres");
    let answer = desk.run(&[
        "audit",
        &dsn,
        "--fail-on",
        "none",
        "--format",
        "text",
        "--format",
        "json=audit.json",
        "--format",
        "html=audit.html",
    ]);
    answer.assert_code(0);
    let remarks: String = answer
        .stderr
        .split_inclusive("\n\n")
        .filter(|block| block.starts_with("warning: ") && block.contains(" --> "))
        .collect();
    if std::env::var_os("PGATTEST_UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(
            repository("crates/cli/tests/it/waivers.stderr.txt"),
            &remarks,
        )
        .unwrap();
    } else {
        assert_eq!(
            remarks, REMARKS,
            "run this test with PGATTEST_UPDATE=1 to accept"
        );
    }
    assert!(!answer.stderr.contains("note: "), "notes are for --verbose");

    let report = Report::read(&std::fs::read(desk.path("audit.json")).unwrap());
    let waivers: Vec<String> = report.0["waivers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|waiver| format!("{} {}", text(&waiver["state"]), text(&waiver["subject"])))
        .collect();
    assert_eq!(
        waivers,
        [
            "used loader",
            "unused former",
            "unknown laoder",
            "expired \"o\nl\u{1b}[31md\"",
        ]
    );
    // One superuser is accepted, the other one not any more: the check fails, by one finding.
    assert_eq!(report.verdict("ROL-01"), "fail");
    assert_eq!(report.find("ROL-01", "loader").unwrap()["waiver"], json!(0));
    let open = report.find("ROL-01", "\"o\nl\u{1b}[31md\"").unwrap();
    assert_eq!(open["waiver"], Value::Null);
    assert_eq!(
        report.0["waivers"][0]["covers"][0],
        report.find("ROL-01", "loader").unwrap()["fingerprint"]
    );
    assert_eq!(report.0["waivers"][3]["covers"][0], open["fingerprint"]);
    assert_eq!(
        report.0["summary"]["waivers"],
        json!({"used": 1, "unused": 1, "unknown": 1, "expired": 1})
    );
    assert_eq!(report.0["summary"]["findings"]["waived"], json!(1));
    let diagnostics = report.0["policy_diagnostics"].as_array().unwrap();
    assert_eq!(diagnostics.len(), 4);
    let levels: Vec<&str> = diagnostics.iter().map(|one| text(&one["level"])).collect();
    assert_eq!(levels, ["note", "warning", "warning", "warning"]);
    let at =
        |number: &str| usize::try_from(diagnostics[0]["place"][number].as_u64().unwrap()).unwrap();
    assert_eq!(&POLICY[at("start")..at("end")], "\"loader\"");
    assert_eq!((at("line"), at("column")), (7, 11));

    let html = std::fs::read_to_string(desk.path("audit.html")).unwrap();
    for report in [&answer.text(), &html] {
        for word in [
            "Waivers",
            "Jo Doe, CISO",
            "9999-12-31",
            "unused",
            "unknown",
            "expired",
            "none was named",
        ] {
            assert!(report.contains(word), "no {word} in {report}");
        }
        assert!(!report.contains('\u{1b}') && !report.contains('\u{202e}'));
    }
    assert!(html.contains("logs in from one address only"));
    assert!(!answer.stderr.contains('\u{1b}') && !answer.stderr.contains('\u{202e}'));

    let verbose = desk.run(&["audit", &dsn, "--fail-on", "none", "--verbose"]);
    assert!(
        verbose
            .stderr
            .contains("note: used waiver: accepts 1 finding of ROL-01 until 9999-12-31"),
        "{verbose}"
    );
}

#[tokio::test]
async fn accepted_findings_do_not_fail_the_audit_and_are_no_pass() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster
        .execute("postgres", "CREATE ROLE loader SUPERUSER LOGIN")
        .await
        .unwrap();
    let dsn = cluster.dsn("postgres");
    let desk = desk();
    desk.write("pgattest.toml", "");
    let before = desk.audit(&dsn);
    // Every finding of every check, by its fingerprint.
    let entry = |check: &Value, finding: &Value| {
        format!(
            "[[waiver]]\ncheck = {}\nfingerprint = {}\nreason = \"r\"\nowner = \"o\"\napprover = \"a\"\nexpires = 9999-12-31\n",
            check["id"], finding["fingerprint"]
        )
    };
    let policy: String = before
        .checks()
        .iter()
        .flat_map(|check| {
            let findings = check["findings"].as_array().unwrap();
            findings.iter().map(move |finding| entry(check, finding))
        })
        .collect();
    desk.write("pgattest.toml", &policy);
    let answer = desk.run(&[
        "audit",
        &dsn,
        "--fail-on",
        "low",
        "--format",
        "json",
        "--out",
        "out",
    ]);
    answer.assert_code(0);
    let after = Report::read(&answer.stdout);
    assert_eq!(after.findings(), before.findings());
    assert_eq!(after.verdict("ROL-01"), "waived");
    for (check, earlier) in after.checks().iter().zip(before.checks()) {
        let expected = match text(&earlier["verdict"]) {
            "fail" if !earlier["not_seen"].as_array().unwrap().is_empty() => "not_assessed",
            "fail" => "waived",
            other => other,
        };
        assert_eq!(check["verdict"], expected, "{}", check["id"]);
    }
    let point = &after.0["checklist"][0];
    assert_eq!(point["verdict"], "waived");
    assert!(
        text(&point["reason"]).ends_with("accepted by waiver until 9999-12-31"),
        "{point}"
    );
    let package = packages(&desk.path("out")).remove(0);
    desk.run(&["verify", package.to_str().unwrap()])
        .assert_code(0);
    let schema: Value = serde_json::from_slice(
        &std::fs::read(repository("docs/schema/audit-1.schema.json")).unwrap(),
    )
    .unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let verdicts: Value = serde_json::from_slice(&members(&package)["verdicts.json"]).unwrap();
    let wrong: Vec<String> = validator
        .iter_errors(&verdicts)
        .map(|error| error.to_string())
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test]
async fn a_package_shows_what_was_accepted_and_holds_against_who_would_extend_it() {
    let cluster = cluster().await;
    let desk = desk();
    let package = sealed(&desk, &cluster);
    desk.run(&["verify", package.to_str().unwrap()])
        .assert_code(0);
    let readme = String::from_utf8(members(&package)["README.txt"].clone()).unwrap();
    for word in [
        "RISKS THAT WERE ACCEPTED",
        "Jo Doe, CISO",
        "expired",
        "logs in from one address only",
    ] {
        assert!(readme.contains(word), "{readme}");
    }

    // Whoever holds the key extends a waiver, or writes one, afterwards.
    for (from, to, word) in [
        (
            "expires = 2020-12-31",
            "expires = 9999-12-31",
            "/checks/ROL-01/verdict: ROL-01: stored fail, recomputed waived",
        ),
        (
            "subject = \"loader\"",
            "subject = \"*\"",
            "/checks/ROL-01/verdict: ROL-01: stored fail, recomputed waived",
        ),
        ("Jo Doe, CISO", "Somebody else", "/waivers/0/approver"),
        (
            "subject = \"loader\"",
            "subject = \"nobody\"",
            "/waivers/0/state",
        ),
    ] {
        let forged = reseal(&desk, &package, |forged| {
            forged.replace("policy.toml", from, to);
        });
        let answer = desk.run(&["verify", forged.to_str().unwrap()]);
        answer.assert_code(1);
        assert!(answer.text().contains(word), "{to}: no {word:?}\n{answer}");
        answer.assert_says("not verified ");
    }

    // Or tells another day for the audit: then the documents say what the observations do not.
    let earlier = reseal(&desk, &package, |forged| {
        forged.request.started_at = "2020-06-01T00:00:00Z".parse().unwrap();
    });
    let answer = desk.run(&["verify", earlier.to_str().unwrap()]);
    answer.assert_code(1);
    answer.assert_says("/started_at");
    assert!(
        !answer.text().contains("/checks/ROL-01/verdict"),
        "the server's clock told the day\n{answer}"
    );
}

/// The example is for copying: everything in it exists in this version.
#[test]
fn the_documented_example_names_checks_that_exist_and_is_valid_by_the_published_schema() {
    let example = std::fs::read_to_string(repository("docs/pgattest.toml")).unwrap();
    let policy = pgattest_parse::policy::parse(&example).unwrap();
    for waiver in &policy.waivers {
        assert!(
            pgattest_checks::registry::find(&waiver.check).is_some(),
            "{}",
            waiver.check
        );
    }
    let published =
        std::fs::read_to_string(repository("docs/schema/pgattest.toml.schema.json")).unwrap();
    let checks = pgattest_checks::CHECKS
        .iter()
        .map(|check| (check.meta().id, check.meta().name));
    assert!(
        published == pgattest_parse::policy::schema(checks),
        "run: cargo xtask gen"
    );
}
