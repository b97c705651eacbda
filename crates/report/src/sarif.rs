//! SARIF 2.1.0, for code scanning dashboards: one rule a check, one result a finding. A finding that a waiver accepts is a
//! suppressed result with the waiver's reason.
//!
//! SARIF knows files, and a database has none: a subject is given as a logical location with its qualified name, and, because
//! most dashboards refuse a result without a file, as the path `postgresql/<database>/<kind>/<name>`, percent-encoded. A check
//! that could not be assessed is no result but a notification of the run, which dashboards show as a problem of the tool: an
//! absent result must not read as "nothing wrong".

use pgattest_model::ident::visible;
use pgattest_model::{Audit, CheckResult, Severity, Status, Subject, WaiverResult};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::view::{self, Member};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Renders an audit as a SARIF 2.1.0 log with one run.
pub fn render(audit: &Audit) -> String {
    let log = Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [run(audit)],
    };
    // The types hold strings, numbers and lists only, so there is nothing that could fail to serialise.
    let mut text = serde_json::to_string_pretty(&log).unwrap_or_default();
    text.push('\n');
    text
}

fn run(audit: &Audit) -> Run {
    let checks = &audit.assessment.checks;
    Run {
        tool: Tool {
            driver: Driver {
                name: "pgattest",
                version: visible(&audit.run.tool_version),
                rules: checks.iter().map(rule).collect(),
            },
        },
        automation_details: AutomationDetails {
            // The trailing slash: a category of runs, not the name of this one.
            id: format!("pgattest/{}/", segment(&audit.target.name)),
        },
        invocations: [Invocation {
            execution_successful: true,
            start_time_utc: audit.run.started_at.clone(),
            end_time_utc: audit.run.finished_at.clone(),
            tool_execution_notifications: notifications(checks),
        }],
        column_kind: "unicodeCodePoints",
        results: checks
            .iter()
            .enumerate()
            .flat_map(|(index, check)| {
                view::members(check).map(move |member| result(index, check, member, audit))
            })
            .collect(),
    }
}

fn rule(check: &CheckResult) -> Rule {
    let meta = check.meta;
    Rule {
        id: meta.id,
        name: pascal(meta.name),
        short_description: Text::of(meta.title),
        full_description: Text::of(&format!("{}.", meta.title)),
        help: Help {
            text: meta.docs.to_owned(),
            markdown: meta.docs.to_owned(),
        },
        default_configuration: Configuration {
            level: level(meta.severity),
        },
        properties: RuleProperties {
            tags: meta
                .criteria
                .iter()
                .map(|criterion| criterion.id().to_owned())
                .chain(["security".to_owned()])
                .collect(),
            security_severity: score(meta.severity),
        },
    }
}

fn result(index: usize, check: &CheckResult, member: Member<'_>, audit: &Audit) -> SarifResult {
    let finding = member.finding;
    SarifResult {
        rule_id: check.meta.id,
        rule_index: index,
        level: level(finding.severity),
        message: Text::of(&format!("{}.", finding.detail)),
        locations: [location(&finding.subject)],
        partial_fingerprints: (!member.fingerprint.is_empty())
            .then(|| BTreeMap::from([("pgattest/v1", member.fingerprint.to_owned())])),
        suppressions: member
            .waiver
            .and_then(|at| audit.assessment.waivers.get(at))
            .map(suppression)
            .into_iter()
            .collect(),
        properties: ResultProperties {
            severity: finding.severity.as_str(),
            cause: visible(&finding.cause),
            remediation: visible(&finding.remediation),
            observations: finding
                .observations
                .iter()
                .map(|id| id.as_str().to_owned())
                .collect(),
        },
    }
}

fn suppression(accepted: &WaiverResult) -> Suppression {
    let waiver = &accepted.waiver;
    Suppression {
        kind: "external",
        status: "accepted",
        justification: visible(&format!(
            "{} (owner {}, approved by {}, until {})",
            waiver.reason, waiver.owner, waiver.approver, waiver.expires
        )),
    }
}

fn notifications(checks: &[CheckResult]) -> Vec<Notification> {
    checks
        .iter()
        .enumerate()
        .filter(|(_, check)| {
            check.status() == Status::NotAssessed || !check.verdict.unseen().is_empty()
        })
        .flat_map(|(index, check)| {
            check.verdict.unseen().iter().map(move |missing| {
                let opened = missing
                    .grant
                    .as_deref()
                    .map_or_else(String::new, |grant| format!("; opened by {grant}"));
                Notification {
                    level: "warning",
                    descriptor: Descriptor { id: "not-assessed" },
                    associated_rule: Associated {
                        id: check.meta.id,
                        index,
                    },
                    message: Text::of(&format!(
                        "{} was not assessed, at least in part: {}{opened}.",
                        check.meta.id, missing.why
                    )),
                }
            })
        })
        .collect()
}

fn location(subject: &Subject) -> Location {
    let kind = subject.kind.as_str();
    let database = subject.database.as_deref();
    let path: Vec<String> = std::iter::once("postgresql".to_owned())
        .chain(database.map(segment))
        .chain([segment(kind), segment(&subject.name)])
        .collect();
    let name = visible(&subject.name);
    Location {
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation {
                uri: path.join("/"),
            },
            region: Region { start_line: 1 },
        },
        logical_locations: [LogicalLocation {
            fully_qualified_name: database.map_or_else(
                || name.clone(),
                |database| format!("{}:{name}", visible(database)),
            ),
            name,
            kind: kind.to_owned(),
        }],
    }
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// The number that dashboards sort by, in the middle of what they take each word to mean.
const fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
    }
}

/// `superuser-roles` as rules are named: `SuperuserRoles`.
fn pascal(name: &str) -> String {
    name.split('-')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map(|first| first.to_ascii_uppercase())
                .into_iter()
                .chain(letters)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// One part of a path: everything but letters, digits, `-`, `_`, `.` and `~` percent-encoded, so that no name can add a part,
/// go up, or be more than a name.
fn segment(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            b'.' if name.bytes().any(|byte| byte != b'.') => encoded.push('.'),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[derive(Serialize)]
struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    automation_details: AutomationDetails,
    invocations: [Invocation; 1],
    column_kind: &'static str,
    results: Vec<SarifResult>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    version: String,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    name: String,
    short_description: Text,
    full_description: Text,
    help: Help,
    default_configuration: Configuration,
    properties: RuleProperties,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

impl Text {
    fn of(text: &str) -> Self {
        Self {
            text: visible(text),
        }
    }
}

#[derive(Serialize)]
struct Help {
    text: String,
    markdown: String,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct RuleProperties {
    tags: Vec<String>,
    #[serde(rename = "security-severity")]
    security_severity: &'static str,
}

#[derive(Serialize)]
struct AutomationDetails {
    id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    start_time_utc: String,
    end_time_utc: String,
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    level: &'static str,
    descriptor: Descriptor,
    associated_rule: Associated,
    message: Text,
}

#[derive(Serialize)]
struct Descriptor {
    id: &'static str,
}

#[derive(Serialize)]
struct Associated {
    id: &'static str,
    index: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: [Location; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    partial_fingerprints: Option<BTreeMap<&'static str, String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Suppression>,
    properties: ResultProperties,
}

#[derive(Serialize)]
struct Suppression {
    kind: &'static str,
    status: &'static str,
    justification: String,
}

#[derive(Serialize)]
struct ResultProperties {
    severity: &'static str,
    cause: String,
    remediation: String,
    observations: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    logical_locations: [LogicalLocation; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    name: String,
    fully_qualified_name: String,
    kind: String,
}

#[cfg(test)]
mod tests {
    use super::{pascal, segment};

    #[test]
    fn a_name_stays_one_part_of_a_path() {
        assert_eq!(segment("public.orders"), "public.orders");
        assert_eq!(segment(".."), "%2E%2E");
        assert_eq!(segment("a/../b"), "a%2F..%2Fb");
        assert_eq!(segment("tablé\n"), "tabl%C3%A9%0A");
    }

    #[test]
    fn rules_are_named_in_pascal_case() {
        assert_eq!(pascal("superuser-roles"), "SuperuserRoles");
    }
}
