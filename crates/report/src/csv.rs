//! Comma-separated values (RFC 4180), for spreadsheets: one row a finding, and one row for every check without one.
//!
//! A spreadsheet runs a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return as a formula, also when it is
//! quoted: such a cell gets an apostrophe in front, which spreadsheets take as "this is text".

use pgattest_model::ident::{harmless_cell, visible};
use pgattest_model::{Audit, CheckResult, ObservationId};

use crate::view::{self, Member, words};

const HEADER: [&str; 15] = [
    "check",
    "title",
    "verdict",
    "severity",
    "database",
    "kind",
    "subject",
    "detail",
    "cause",
    "remediation",
    "tested",
    "criteria",
    "fingerprint",
    "observations",
    "waiver",
];

/// Renders an audit as CSV with a header, rows ended by CRLF.
pub fn render(audit: &Audit) -> String {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let rows = audit
        .assessment
        .checks
        .iter()
        .flat_map(|check| rows(check, audit));
    for row in std::iter::once(HEADER.map(str::to_owned)).chain(rows) {
        // Writing to memory fails for rows of unequal length only, and the type makes them equal.
        let _ = writer.write_record(row.map(|cell| harmless_cell(&cell).into_owned()));
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn rows(check: &CheckResult, audit: &Audit) -> Vec<[String; 15]> {
    let members: Vec<Member<'_>> = view::members(check).collect();
    if members.is_empty() {
        return vec![row(check, None, audit)];
    }
    members
        .into_iter()
        .map(|member| row(check, Some(member), audit))
        .collect()
}

fn row(check: &CheckResult, member: Option<Member<'_>>, audit: &Audit) -> [String; 15] {
    let meta = check.meta;
    let tested = view::population(check).map_or_else(String::new, words::tested);
    let criteria: Vec<&str> = meta
        .criteria
        .iter()
        .map(|criterion| criterion.id())
        .collect();
    let finding = member.map(|member| member.finding);
    let of = |value: fn(&pgattest_model::Finding) -> &str| {
        finding.map_or_else(String::new, |finding| visible(value(finding)))
    };
    let waiver = member
        .and_then(|member| member.waiver)
        .and_then(|at| audit.assessment.waivers.get(at));
    let observations = finding.map_or_else(String::new, |finding| {
        let ids: Vec<&str> = finding
            .observations
            .iter()
            .map(ObservationId::as_str)
            .collect();
        ids.join(" ")
    });
    [
        meta.id.to_owned(),
        meta.title.to_owned(),
        check.status().words().to_owned(),
        finding.map_or_else(String::new, |finding| finding.severity.to_string()),
        of(|finding| finding.subject.database.as_deref().unwrap_or_default()),
        of(|finding| finding.subject.kind.as_str()),
        of(|finding| &finding.subject.name),
        match finding {
            Some(finding) => visible(&finding.detail),
            None => view::reason(check).map_or_else(String::new, |why| visible(&why)),
        },
        of(|finding| &finding.cause),
        of(|finding| &finding.remediation),
        tested,
        criteria.join(" "),
        member.map_or_else(String::new, |member| member.fingerprint.to_owned()),
        observations,
        waiver.map_or_else(String::new, |accepted| {
            let waiver = &accepted.waiver;
            visible(&format!("until {}: {}", waiver.expires, waiver.reason))
        }),
    ]
}

#[cfg(test)]
mod tests {
    use pgattest_model::ident::harmless_cell as harmless;

    #[test]
    fn no_cell_is_a_formula() {
        assert_eq!(harmless("=cmd()"), "'=cmd()");
        assert_eq!(harmless("-1+1"), "'-1+1");
        assert_eq!(harmless("public.orders"), "public.orders");
    }
}
