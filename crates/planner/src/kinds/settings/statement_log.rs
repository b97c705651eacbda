//! What the server's own statement log repeats of data, passwords and keys.

use super::alter::cluster_wide;
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_model::plan::{Impact, ImpactKind, SettingValue, Stage};
use pgattest_model::{Missing, ObservationId, Status};

/// `log_statement`, thresholds and samples of 0, and parameters beside statements.
#[derive(Clone, Copy, Debug)]
pub struct StatementLog;

impl Kind for StatementLog {
    fn name(&self) -> &'static str {
        "statement-log"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["LOG-07", "LOG-08"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let from = planning.context.facts.settings.here()?.from;
        let mut drafts = Vec::new();
        for problem in planning.open("LOG-08") {
            let Some((name, value, lost)) = quieter(&problem.finding.subject.name) else {
                continue;
            };
            let is_only_record = name == "log_statement" && !pgaudit_records(planning);
            if is_only_record {
                drafts.push(Draft::by_hand(
                    "set log_statement to 'none'",
                    Stage::Settings,
                    "log_statement is the only record of statements until pgaudit records the required classes: close LOG-01 and LOG-02, then make a new plan",
                    vec![problem.closes()],
                ));
                continue;
            }
            let value = SettingValue::One(value.to_owned());
            let right = |value: &str| is_quiet(name, value);
            for draft in cluster_wide(planning, name, value, right)? {
                drafts.push(
                    draft
                        .approval()
                        .closing([problem.closes()])
                        .affecting([unread(lost, from)]),
                );
            }
        }
        for problem in planning.open("LOG-07") {
            drafts.extend(parameters(planning, &problem, from)?);
        }
        Ok(drafts)
    }
}

/// The value that a setting gets, and what is then no longer logged.
fn quieter(name: &str) -> Option<(&'static str, &'static str, &'static str)> {
    const SLOW: &str = "statements that take less than the threshold";
    Some(match name {
        "log_statement" => (
            "log_statement",
            "none",
            "statements as the server's own log repeats them; pgaudit records the required classes",
        ),
        "log_min_duration_statement" => ("log_min_duration_statement", "1s", SLOW),
        "log_min_duration_sample" => ("log_min_duration_sample", "-1", "samples of statements"),
        "log_transaction_sample_rate" => (
            "log_transaction_sample_rate",
            "0",
            "samples of transactions",
        ),
        "log_parameter_max_length_on_error" => (
            "log_parameter_max_length_on_error",
            "0",
            "parameters of statements that fail",
        ),
        "auto_explain.log_min_duration" => (
            "auto_explain.log_min_duration",
            "-1",
            "plans that auto_explain writes",
        ),
        _ => return None,
    })
}

/// Whether a value that lies below `ALTER ROLE ALL` is one that is not reported. No for what is not certain: it is then set, too.
fn is_quiet(name: &str, value: &str) -> bool {
    match name {
        "log_statement" => value.eq_ignore_ascii_case("none"),
        "log_transaction_sample_rate" | "log_parameter_max_length_on_error" => value == "0",
        _ => value.starts_with('-'),
    }
}

/// Whether pgaudit records what is required today.
fn pgaudit_records(planning: &Planning<'_>) -> bool {
    planning
        .assessment
        .checks
        .iter()
        .any(|result| result.meta.id == "LOG-02" && result.status() == Status::Pass)
}

/// Parameters stay out of the log: by the setting that puts them there, or, where statements are logged, by their length.
fn parameters(
    planning: &Planning<'_>,
    problem: &Problem<'_>,
    from: &ObservationId,
) -> Result<Vec<Draft>, Missing> {
    let (name, value) = match problem.finding.subject.name.as_str() {
        "pgaudit.log_parameter" => ("pgaudit.log_parameter", "off"),
        "log_parameter_max_length_on_error" => ("log_parameter_max_length_on_error", "0"),
        "log_statement" | "log_min_duration_statement" | "log_min_duration_sample" => {
            ("log_parameter_max_length", "0")
        }
        _ => return Ok(Vec::new()),
    };
    let right = |now: &str| match name {
        "pgaudit.log_parameter" => matches!(now, "off" | "false" | "no" | "0"),
        _ => now == "0",
    };
    let proposed = cluster_wide(planning, name, SettingValue::One(value.to_owned()), right)?;
    Ok(proposed
        .into_iter()
        .map(|draft| {
            draft
                .approval()
                .closing([problem.closes()])
                .affecting([unread("values of parameters", from)])
                .note("keys that were logged before stay in the log and its copies: rotate them")
        })
        .collect())
}

fn unread(lost: &str, from: &ObservationId) -> Impact {
    Impact {
        kind: ImpactKind::Unknown,
        subject: "readers of the log".to_owned(),
        detail: format!("the log no longer holds {lost}; the catalogs do not say who reads them"),
        observations: vec![from.clone()],
    }
}
