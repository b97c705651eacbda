//! The formats for other programs: nothing is dropped, and nothing hostile gets out. Their validators are run end to end.

use crate::fixture;
use pgattest_report::{csv, junit, pull_request, sarif};
use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::Value;

fn fingerprints() -> Vec<String> {
    fixture::audit()
        .assessment
        .checks
        .iter()
        .flat_map(|check| check.fingerprints.iter().map(|print| print.0.clone()))
        .collect()
}

/// No control character but line ends, and no character that turns the reading direction.
#[track_caller]
fn assert_visible(text: &str) {
    let bad = text
        .chars()
        .find(|c| (c.is_control() && !matches!(c, '\n' | '\r')) || *c == '\u{202e}');
    assert_eq!(bad, None);
}

#[test]
fn sarif_has_a_result_for_every_finding_and_a_notification_for_everything_unseen() {
    let text = sarif::render(&fixture::audit());
    assert_visible(&text);
    let log: Value = serde_json::from_str(&text).unwrap();
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    let found: Vec<&str> = results
        .iter()
        .map(|result| {
            result["partialFingerprints"]["pgattest/v1"]
                .as_str()
                .unwrap()
        })
        .collect();
    assert_eq!(found, fingerprints());
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(
            run["tool"]["driver"]["rules"][index]["id"],
            result["ruleId"]
        );
        let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
            .as_str()
            .unwrap();
        assert!(
            uri.is_ascii() && uri.starts_with("postgresql/") && !uri.contains(".."),
            "{uri}"
        );
    }
    let unseen: usize = fixture::audit()
        .assessment
        .checks
        .iter()
        .map(|check| check.verdict.unseen().len())
        .sum();
    let notifications = run["invocations"][0]["toolExecutionNotifications"]
        .as_array()
        .unwrap();
    assert!(unseen > 0 && notifications.len() == unseen);
}

#[test]
fn csv_has_a_row_for_every_finding_and_every_check_without_one() {
    let audit = fixture::audit();
    let text = csv::render(&audit);
    assert_visible(&text);
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let prints = reader
        .headers()
        .unwrap()
        .iter()
        .position(|name| name == "fingerprint")
        .unwrap();
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let found: Vec<&str> = rows
        .iter()
        .map(|row| &row[prints])
        .filter(|print| !print.is_empty())
        .collect();
    assert_eq!(found, fingerprints());
    let clean = audit
        .assessment
        .checks
        .iter()
        .filter(|check| check.verdict.findings().is_empty())
        .count();
    assert_eq!(rows.len(), found.len() + clean);
    for cell in rows.iter().flat_map(::csv::StringRecord::iter) {
        assert!(
            !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
            "{cell}"
        );
    }
}

#[test]
fn junit_has_a_case_for_every_check() {
    let audit = fixture::audit();
    let text = junit::render(&audit);
    assert_visible(&text);
    assert_eq!(
        text.matches("<testcase ").count(),
        audit.assessment.checks.len()
    );
    assert!(!text.contains("<script"));
}

#[test]
fn a_comment_on_a_pull_request_holds_no_markup_but_ours() {
    let text = pull_request::render(&fixture::audit());
    assert_visible(&text);
    for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => assert!(
                html.starts_with("<details><summary>") || html.trim() == "</details>",
                "{html}"
            ),
            Event::Start(Tag::Link { .. } | Tag::Image { .. }) => panic!("a link"),
            _ => {}
        }
    }
    // A thousand subjects of one cause are counted, not listed.
    assert!(text.len() < 65_536 && text.contains("and 990 more"));
}

#[test]
fn what_a_waiver_accepts_is_shown_as_accepted_everywhere() {
    let audit = fixture::waived();
    let log: Value = serde_json::from_str(&sarif::render(&audit)).unwrap();
    let suppressed = |result: &&Value| result["suppressions"][0]["status"] == "accepted";
    let results = log["runs"][0]["results"].as_array().unwrap();
    let accepted: usize = audit
        .assessment
        .checks
        .iter()
        .map(|check| check.accepted().count())
        .sum();
    assert!(accepted > 0);
    assert_eq!(results.iter().filter(suppressed).count(), accepted);
    let table = csv::render(&audit);
    let mut reader = ::csv::Reader::from_reader(table.as_bytes());
    let with_waiver = reader
        .records()
        .map(Result::unwrap)
        .filter(|row| row[14].starts_with("until "));
    assert_eq!(with_waiver.count(), accepted);
    assert!(pull_request::render(&audit).contains("**Waivers**: "));
    assert!(junit::render(&audit).contains("accepted by waiver"));
}

#[test]
fn the_same_audit_gives_the_same_bytes() {
    for render in [
        sarif::render,
        csv::render,
        junit::render,
        pull_request::render,
    ] {
        assert_eq!(render(&fixture::audit()), render(&fixture::audit()));
    }
}
