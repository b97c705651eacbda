//! Accepted risks in the reports for people: all of them, whatever their state, and nothing of them as a pass.

use pgattest_model::Status;
use pgattest_report::view::{self, Counts};
use pgattest_report::{Package, Screen, html, readme, text};

use crate::fixture;

fn on_a_terminal(width: usize, verbose: bool) -> String {
    let screen = Screen {
        width,
        colour: false,
    };
    text::render(&fixture::waived(), &text::Options { screen, verbose })
}

fn page() -> String {
    html::render(
        &fixture::waived(),
        &fixture::crosswalk(),
        &html::Options::default(),
    )
}

fn note() -> String {
    let package = Package {
        signer: "pgattest",
        namespace: "pgattest",
        key_fingerprint: None,
    };
    readme::render(
        &fixture::waived(),
        &readme::Options {
            organization: None,
            package,
            changed: false,
        },
    )
}

#[test]
fn the_section_at_80_columns() {
    let report = on_a_terminal(80, false);
    let (_, section) = report.split_once("\nWaivers").expect("a section");
    let (section, _) = section.split_once("\nNot visible").expect("the next one");
    insta::assert_snapshot!(format!("Waivers{section}"));
}

#[test]
fn every_report_shows_every_waiver_with_who_answers_for_it() {
    for report in [
        on_a_terminal(200, false),
        on_a_terminal(80, true),
        page(),
        note(),
    ] {
        let words = report.split_whitespace().collect::<Vec<_>>().join(" ");
        for expected in [
            "Jo Doe, CISO",
            "sessions are reviewed weekly",
            "none was named",
            "2025-10-01 to 2026-12-31",
            "2026-03-01",
            "used",
            "unused",
            "unknown",
            "no check is called `RLS-1`",
            "fingerprint 0000000000000000",
        ] {
            assert!(words.contains(expected), "no {expected:?} in {report}");
        }
        for line in report.lines() {
            assert_eq!(pgattest_model::ident::visible(line), line);
        }
    }
}

#[test]
fn what_is_accepted_is_counted_apart_and_listed_with_its_waiver_only() {
    let audit = fixture::waived();
    let counts = Counts::of(&audit);
    assert_eq!((counts.waived_findings, counts.checks.waived), (2, 1));
    assert_eq!(counts.all_findings(), fixture::TABLES + 4);
    assert!(
        view::groups(&audit)
            .iter()
            .all(|group| group.meta.id != "ROL-01")
    );
    assert_eq!(audit.assessment.count(Status::Waived), 1);
    let report = on_a_terminal(80, false);
    assert!(report.contains("; 2 more accepted by waiver"), "{report}");
    let html = page();
    for finding in &audit.assessment.checks[0].fingerprints {
        assert!(html.contains(&finding.0));
    }
    assert!(html.contains("no role is called"));
    assert!(html.contains("1 waived"), "in the headline");
}

#[test]
fn an_audit_without_waivers_has_no_section_for_them_on_a_terminal() {
    let screen = Screen {
        width: 80,
        colour: false,
    };
    let options = text::Options {
        screen,
        verbose: true,
    };
    let report = text::render(&fixture::audit(), &options);
    assert!(!report.contains("Waivers") && !report.contains("waive"));
}
