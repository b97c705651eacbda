//! `JUnit` XML, for continuous integration: one suite a control area, one test case a check.
//!
//! `JUnit` has three outcomes besides a pass. A check that fails is a `failure`, with its open findings. One that was not
//! assessed, has no subject, or whose findings are all accepted by waivers is `skipped`, and says which of the three it is: no
//! reader of `JUnit` counts a skipped case as passed.

use askama::filters::{Escaper, Html};
use pgattest_model::ident::visible;
use pgattest_model::{Area, Audit, CheckResult, Status};
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::view::{self, Member, words};

/// Renders an audit as `JUnit` XML.
pub fn render(audit: &Audit) -> String {
    let mut suites: BTreeMap<&'static str, Vec<&CheckResult>> = BTreeMap::new();
    for check in &audit.assessment.checks {
        suites.entry(key(check.meta.area)).or_default().push(check);
    }
    let all = Tally::of(audit.assessment.checks.iter());
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml,
        "<testsuites name=\"pgattest {}\" {all}>",
        escaped(&audit.target.name)
    );
    for (area, checks) in suites {
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{area}\" {} timestamp=\"{}\" hostname=\"{}\">",
            Tally::of(checks.iter().copied()),
            escaped(seconds(&audit.run.started_at)),
            escaped(&audit.target.name)
        );
        for check in checks {
            case(&mut xml, area, check);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn case(xml: &mut String, area: &str, check: &CheckResult) {
    let _ = write!(
        xml,
        "    <testcase classname=\"pgattest.{area}\" name=\"{} {}\" time=\"0\"",
        check.meta.id,
        escaped(check.meta.title)
    );
    let status = check.status();
    match status {
        Status::Pass => {
            let tested = view::population(check).map_or_else(String::new, words::tested);
            let _ = write!(
                xml,
                ">\n      <system-out>{}</system-out>\n    </testcase>\n",
                escaped(&tested)
            );
        }
        Status::Fail => {
            let members: Vec<Member<'_>> = view::members(check)
                .filter(|member| member.waiver.is_none())
                .collect();
            let _ = write!(
                xml,
                ">\n      <failure type=\"{}\" message=\"{}\">",
                check.meta.severity,
                words::count(members.len(), "finding")
            );
            for member in members {
                let finding = member.finding;
                let place = finding
                    .subject
                    .database
                    .as_deref()
                    .map_or_else(String::new, |database| format!("{}: ", visible(database)));
                let _ = write!(
                    xml,
                    "\n{}  {}{}\n    {}",
                    finding.severity,
                    escaped(&place),
                    escaped(&finding.detail),
                    escaped(&finding.remediation)
                );
            }
            xml.push_str("\n</failure>\n    </testcase>\n");
        }
        _ => {
            let why = match status {
                Status::Waived => format!(
                    "{} accepted by waiver",
                    words::count(check.accepted().count(), "finding")
                ),
                _ => view::reason(check).unwrap_or_default(),
            };
            let _ = write!(
                xml,
                ">\n      <skipped message=\"{}: {}\"/>\n    </testcase>\n",
                status.words(),
                escaped(&why)
            );
        }
    }
}

const fn key(area: Area) -> &'static str {
    area.key()
}

/// `tests`, `failures`, `errors` and `skipped` as attributes.
#[derive(Default)]
struct Tally {
    tests: usize,
    failures: usize,
    skipped: usize,
}

impl Tally {
    fn of<'a>(checks: impl Iterator<Item = &'a CheckResult>) -> Self {
        checks.fold(Self::default(), |mut tally, check| {
            tally.tests += 1;
            match check.status() {
                Status::Pass => {}
                Status::Fail => tally.failures += 1,
                _ => tally.skipped += 1,
            }
            tally
        })
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"0\"",
            self.tests, self.failures, self.skipped
        )
    }
}

/// The instant as `JUnit`'s schema wants it: without a fraction and a zone.
fn seconds(instant: &str) -> &str {
    instant.split_once(['.', 'Z']).map_or(instant, |(to, _)| to)
}

/// Text in an attribute or an element. What XML cannot hold at all (control characters, U+FFFE) is written out as `\u{..}`.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    let shown: String = visible(text)
        .chars()
        .map(|c| {
            if matches!(c, '\u{fffe}' | '\u{ffff}') {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    // Writing to a String cannot fail.
    let _ = Html.write_escaped_str(&mut safe, &shown);
    safe
}

#[cfg(test)]
mod tests {
    use super::{escaped, seconds};

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(escaped("a<b&\"c\""), "a&#60;b&#38;&#34;c&#34;");
        assert!(!escaped("x\u{1b}\u{0}\u{fffe}").contains(['\u{1b}', '\u{0}', '\u{fffe}']));
    }

    #[test]
    fn instants_lose_their_fraction() {
        assert_eq!(seconds("2026-03-01T09:30:00.250Z"), "2026-03-01T09:30:00");
        assert_eq!(seconds("2026-03-01T09:30:00Z"), "2026-03-01T09:30:00");
    }
}
