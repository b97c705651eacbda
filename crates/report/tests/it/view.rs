use pgattest_model::{Missing, NotVisible, Severity, Status};
use pgattest_report::view::{self, Counts};

use crate::fixture;

#[test]
fn findings_are_grouped_by_check_severity_and_cause_the_worst_first() {
    let audit = fixture::audit();
    let groups: Vec<(&str, Severity, usize)> = view::groups(&audit)
        .iter()
        .map(|group| (group.meta.id, group.severity, group.members.len()))
        .collect();
    assert_eq!(
        groups,
        [
            ("ROL-01", Severity::Critical, 2),
            ("HBA-01", Severity::Critical, 1),
            ("RLS-01", Severity::High, fixture::TABLES),
            ("LOG-01", Severity::High, 2),
            ("LOG-01", Severity::Low, 1),
        ]
    );
}

#[test]
fn the_order_of_collection_does_not_show() {
    let (one, mut other) = (fixture::audit(), fixture::audit());
    for check in &mut other.assessment.checks {
        if let pgattest_model::Verdict::Assessed { findings, .. } = &mut check.verdict {
            findings.reverse();
        }
        check.fingerprints.reverse();
    }
    other.not_visible.reverse();
    other.observations.reverse();
    other.assessment.controls.reverse();
    assert_eq!(
        pgattest_report::json::render(&one),
        pgattest_report::json::render(&other)
    );
    let html = |audit| {
        pgattest_report::html::render(
            audit,
            &fixture::crosswalk(),
            &pgattest_report::html::Options::default(),
        )
    };
    assert_eq!(html(&one), html(&other));
}

#[test]
fn a_group_keeps_each_finding_with_its_own_fingerprint() {
    let audit = fixture::audit();
    let check = audit
        .assessment
        .checks
        .iter()
        .find(|check| check.meta.id == "RLS-01")
        .expect("in the fixture");
    let groups = view::groups(&audit);
    let members = &groups
        .iter()
        .find(|group| group.meta.id == "RLS-01")
        .expect("in the fixture")
        .members;
    let names: Vec<&str> = members
        .iter()
        .map(|member| member.finding.subject.name.as_str())
        .collect();
    assert!(names.is_sorted());
    for (finding, fingerprint) in check.verdict.findings().iter().zip(&check.fingerprints) {
        let member = members
            .iter()
            .find(|member| member.finding == finding)
            .expect("nothing is dropped");
        assert_eq!(member.fingerprint, fingerprint.0);
    }
}

#[test]
fn gaps_that_one_statement_opens_are_one() {
    let mut audit = fixture::audit();
    audit.assessment.checks.clear();
    let entry = |why: &str, check| NotVisible {
        missing: Missing::because(why).opened_by("GRANT pg_monitor TO auditor"),
        wanted_by: vec![check],
    };
    audit.not_visible = vec![
        entry("settings are hidden", "LOG-09"),
        entry("sessions are hidden", "TLS-08"),
        entry("settings are hidden", "LOG-02"),
    ];
    let gaps = view::gaps(&audit);
    let [gap] = gaps.as_slice() else {
        panic!("{gaps:?}")
    };
    assert_eq!(gap.whys, ["sessions are hidden", "settings are hidden"]);
    assert_eq!(gap.wanted_by, ["LOG-02", "LOG-09", "TLS-08"]);
}

#[test]
fn what_a_verdict_could_not_see_is_a_gap_even_when_the_collector_did_not_report_it() {
    let mut audit = fixture::audit();
    audit.not_visible.clear();
    let gaps = view::gaps(&audit);
    let wanted: Vec<_> = gaps.iter().map(|gap| gap.wanted_by.clone()).collect();
    assert_eq!(wanted.len(), 2, "{gaps:?}");
    assert!(
        wanted.contains(&vec!["SEC-01"]) && wanted.contains(&vec!["FUN-01"]),
        "{gaps:?}"
    );
}

#[test]
fn counts_add_up() {
    let counts = Counts::of(&fixture::audit());
    assert_eq!(counts.findings, [3, fixture::TABLES + 2, 0, 1]);
    assert_eq!(
        (
            counts.checks.fail,
            counts.checks.not_assessed,
            counts.checks.pass,
            counts.checks.not_applicable
        ),
        (4, 2, 2, 1)
    );
    assert_eq!((counts.checks.total(), counts.controls.total()), (9, 8));
}

#[test]
fn a_criterion_without_evidence_is_listed_as_such() {
    let audit = fixture::audit();
    let rows = view::criterion_rows(&audit);
    let row = |id: &str| {
        rows.iter()
            .find(|row| row.criterion.id() == id)
            .expect("every criterion is listed")
    };
    assert!(row("CC6.2").checks.is_empty());
    assert_eq!(row("CC6.3").with(Status::Fail), ["ROL-01"]);
    assert_eq!(row("CC6.3").with(Status::Pass), ["ROL-02"]);
}
