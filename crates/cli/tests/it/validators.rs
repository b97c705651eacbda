//! Programs that are not ours read the reports for other programs: `audit.sarif`, `audit.xml`, `audit.csv` and `audit.json`
//! on a desk, all of one audit.

use crate::support::{Desk, Report, python, sarif_multitool, text};
use serde_json::{Value, json};
use std::fs;

/// Each validator takes its report, and sees in it what the JSON report says.
#[track_caller]
pub(crate) fn accept(desk: &Desk) {
    let report = Report::read(&fs::read(desk.path("audit.json")).unwrap());
    sarif(desk, &report);
    junit_and_csv(desk, &report);
}

/// The multitool validates against the schema and the rules of the standard, and finds no error in a good log. That it would
/// find one is shown by a log with a rule index that leads nowhere.
fn sarif(desk: &Desk, report: &Report) {
    let complaints = |log: &str| {
        let output = sarif_multitool()
            .args([
                "validate",
                log,
                "--output",
                "validation.sarif",
                "--log",
                "ForceOverwrite",
            ])
            .current_dir(desk.path("."))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let validation = fs::read(desk.path("validation.sarif"))
            .unwrap_or_else(|error| panic!("{error}: {said}"));
        let validation: Value = serde_json::from_slice(&validation).unwrap();
        let results = validation["runs"][0]["results"].as_array().cloned();
        results
            .unwrap_or_default()
            .into_iter()
            .filter(|result| result["level"] == "error")
            .map(|result| result["ruleId"].to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(complaints("audit.sarif"), Vec::<String>::new());
    let bytes = fs::read(desk.path("audit.sarif")).unwrap();
    let mut log: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        log["runs"][0]["results"].as_array().unwrap().len(),
        report.findings().len()
    );
    log["runs"][0]["results"][0]["ruleIndex"] = json!(100_000);
    desk.write("broken.sarif", log.to_string());
    assert_ne!(complaints("broken.sarif"), Vec::<String>::new());
}

/// Readers of `JUnit` and CSV in another language count what we counted.
fn junit_and_csv(desk: &Desk, report: &Report) {
    const READ: &str = r#"
import csv, json
from junitparser import JUnitXml, Failure, Skipped
cases = [case for suite in JUnitXml.fromfile("audit.xml") for case in suite]
kinds = lambda kind: sum(any(isinstance(r, kind) for r in case.result) for case in cases)
rows = list(csv.DictReader(open("audit.csv", newline="", encoding="utf-8")))
print(json.dumps({
    "cases": len(cases), "failed": kinds(Failure), "skipped": kinds(Skipped),
    "subjects": [row["subject"] for row in rows if row["fingerprint"]],
    "checks": len({row["check"] for row in rows}),
    "formulas": [cell for row in rows for cell in row.values() if cell[:1] in "=+-@\t\r" and cell],
}))
"#;
    let output = python()
        .args(["-c", READ])
        .current_dir(desk.path("."))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdicts = |words: &[&str]| {
        let found = report
            .checks()
            .iter()
            .filter(|check| words.contains(&text(&check["verdict"])));
        found.count()
    };
    assert_eq!(read["cases"], json!(report.checks().len()));
    assert_eq!(read["checks"], json!(report.checks().len()));
    assert_eq!(read["failed"], json!(verdicts(&["fail"])));
    assert_eq!(
        read["skipped"],
        json!(verdicts(&["not_assessed", "not_applicable"]))
    );
    assert_eq!(read["formulas"], json!([]));
    assert_eq!(
        read["subjects"].as_array().unwrap().len(),
        report.findings().len()
    );
}
