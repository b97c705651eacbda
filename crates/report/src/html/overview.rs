//! The first pages: scope, the eight points, the numbers, the criteria and the crosswalk.

use pgattest_model::ident::visible;
use pgattest_model::{Audit, Crosswalk, Status};

use super::{Badge, tested};
use crate::view::{self, Counts, StatusCounts, words};

pub(super) struct ControlLine {
    pub(super) number: u8,
    pub(super) statement: &'static str,
    pub(super) criteria: String,
    pub(super) badge: Badge,
    pub(super) reason: String,
    /// Empty for a point that fails: its findings say more.
    pub(super) tested: String,
    /// Empty unless the point passes.
    pub(super) limits: &'static str,
}

pub(super) struct Tally {
    pub(super) of: &'static str,
    pub(super) pass: usize,
    pub(super) fail: usize,
    pub(super) not_assessed: usize,
    pub(super) waived: usize,
    pub(super) not_applicable: usize,
    pub(super) total: usize,
}

pub(super) struct CriterionLine {
    pub(super) id: &'static str,
    pub(super) paraphrase: &'static str,
    /// Check identifiers by verdict, only the verdicts that occur; empty when no check gives evidence.
    pub(super) verdicts: Vec<(Badge, Vec<&'static str>)>,
}

pub(super) struct AreaLine {
    pub(super) title: String,
    pub(super) checks: Vec<(&'static str, Badge)>,
    pub(super) numbers: Vec<String>,
}

pub(super) fn scope(audit: &Audit) -> Vec<(&'static str, String)> {
    let target = &audit.target;
    let said = |text: &str| {
        if text.is_empty() {
            "not said by the server".to_owned()
        } else {
            visible(text)
        }
    };
    let databases: Vec<String> = target
        .databases
        .iter()
        .map(|name| words::database(name))
        .collect();
    let databases = if databases.is_empty() {
        "none was looked into".to_owned()
    } else {
        format!(
            "{}: {}",
            words::thousands(databases.len()),
            databases.join(", ")
        )
    };
    vec![
        ("Cluster", visible(&target.name)),
        ("System identifier", said(&target.system_identifier)),
        ("Server", words::server(target)),
        ("Its own description", said(&target.version_text)),
        ("Databases looked into", databases),
        ("Role used", said(&target.role)),
        ("Looked at", words::period(&audit.run)),
        ("Policy", words::policy(&audit.run).to_owned()),
        (
            "Tool",
            format!("pgattest {}", visible(&audit.run.tool_version)),
        ),
    ]
}

pub(super) fn headline(counts: &Counts) -> String {
    let StatusCounts {
        fail,
        not_assessed,
        waived,
        pass,
        not_applicable,
    } = counts.controls;
    let mut parts = vec![format!("{pass} of {} points pass", counts.controls.total())];
    for (number, words) in [
        (fail, "fail"),
        (not_assessed, "not assessed"),
        (waived, "waived"),
        (not_applicable, "not applicable"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {words}"));
        }
    }
    let waived = match counts.waived_findings {
        0 => String::new(),
        number => format!(", {} more accepted by waiver", words::thousands(number)),
    };
    format!(
        "{}; {}{waived}",
        parts.join(", "),
        words::count(counts.all_findings(), "finding")
    )
}

pub(super) fn controls(audit: &Audit) -> Vec<ControlLine> {
    view::control_rows(audit)
        .into_iter()
        .map(|row| {
            let control = row.result.control;
            let criteria: Vec<&str> = control
                .criteria
                .iter()
                .map(|criterion| criterion.id())
                .collect();
            ControlLine {
                number: control.number,
                statement: control.statement,
                criteria: criteria.join(", "),
                badge: row.result.status.into(),
                reason: visible(&row.result.reason),
                tested: if row.result.status == Status::Fail {
                    String::new()
                } else {
                    row.tested().join(" · ")
                },
                limits: if row.result.status == Status::Pass {
                    control.limits
                } else {
                    ""
                },
            }
        })
        .collect()
}

pub(super) fn tallies(counts: &Counts) -> Vec<Tally> {
    let tally = |of, counts: StatusCounts| {
        let StatusCounts {
            fail,
            not_assessed,
            waived,
            pass,
            not_applicable,
        } = counts;
        Tally {
            of,
            pass,
            fail,
            not_assessed,
            waived,
            not_applicable,
            total: counts.total(),
        }
    };
    vec![
        tally("Points of the checklist", counts.controls),
        tally("Checks", counts.checks),
    ]
}

pub(super) fn criteria(audit: &Audit) -> Vec<CriterionLine> {
    const ORDER: [Status; 5] = [
        Status::Fail,
        Status::NotAssessed,
        Status::Waived,
        Status::Pass,
        Status::NotApplicable,
    ];
    view::criterion_rows(audit)
        .into_iter()
        .map(|row| CriterionLine {
            id: row.criterion.id(),
            paraphrase: row.criterion.paraphrase(),
            verdicts: ORDER
                .into_iter()
                .map(|status| (Badge::from(status), row.with(status)))
                .filter(|(_, ids)| !ids.is_empty())
                .collect(),
        })
        .collect()
}

pub(super) fn areas(audit: &Audit, crosswalk: &Crosswalk) -> Vec<AreaLine> {
    crosswalk
        .areas
        .iter()
        .map(|area| AreaLine {
            title: visible(&area.title),
            checks: audit
                .assessment
                .checks
                .iter()
                .filter(|check| check.meta.area.key() == area.key)
                .map(|check| (check.meta.id, check.status().into()))
                .collect(),
            numbers: (0..crosswalk.frameworks.len())
                .map(|column| {
                    area.numbers
                        .get(column)
                        .map_or_else(String::new, |numbers| visible(numbers))
                })
                .collect(),
        })
        .collect()
}

/// What a check's row says it tested.
pub(super) fn population(result: &pgattest_model::CheckResult) -> String {
    let tested = tested(result);
    if tested.is_empty() {
        "nothing was tested".to_owned()
    } else {
        tested
    }
}
