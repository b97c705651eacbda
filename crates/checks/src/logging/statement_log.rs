//! Statements that the server logs beside pgaudit, with everything that stands in them.

use super::keys_in_log::is_zero;
use super::pgaudit::recorded;
use super::settings::baseline;
use super::variants::{Variant, variants_of_library};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::ident::visible;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};

declare_check! {
    /// ## What it checks
    /// The server's own statement log does not write down what should not be written. Of medium severity: `log_statement` of `mod` or
    /// `all`, and `log_min_duration_statement`, `log_min_duration_sample` or `auto_explain.log_min_duration` of 0, all of which log
    /// the text of ordinary statements with the values in it. Of low severity: `log_statement = ddl`, which writes the password of
    /// every `ALTER ROLE .. PASSWORD` in clear where pgaudit leaves it out; `log_transaction_sample_rate` above 0; and
    /// `log_parameter_max_length_on_error` other than 0. Roles' and databases' own values count. Where pgaudit records the same
    /// statements, the finding says so: they are logged twice.
    ///
    /// A threshold above 0 for slow statements is usual and no finding. Statements that fail are logged in full by default
    /// (`log_min_error_statement = error`), a failing `ALTER ROLE nobody PASSWORD 'x'` among them; evidence of denied access needs
    /// them, so redact them on the way to the archive.
    ///
    /// ## Why it matters
    /// The log is read, shipped and kept more widely than the tables. What stands in statements (names, card numbers, passwords) then
    /// has copies that no privilege protects and no deletion reaches.
    ///
    /// ## How to fix it
    /// Once pgaudit records what is required (LOG-02): `ALTER SYSTEM SET log_statement = 'none';`, a threshold for slow statements such
    /// as `log_min_duration_statement = '1s'`, and passwords set with `\password` in psql, which sends none in clear.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 20.8.2, When to Log, and 20.8.3, What to Log (numbers of version 15)
    pub StatementLog {
        id: "LOG-08",
        name: "statement-log",
        title: "The statement log repeats neither pgaudit nor the data",
        severity: Severity::Medium,
        criteria: &[Criterion::C1_1, Criterion::Cc7_2],
        area: Area::AuditLogging,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for StatementLog {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        // Whether pgaudit records them too is said in passing: it takes nothing away when that cannot be seen.
        let classes = baseline(context, "pgaudit.log")
            .ok()
            .flatten()
            .and_then(|found| recorded(found.value))
            .unwrap_or_default();
        let mut findings = Vec::new();
        let mut count = 0;
        for name in SETTINGS {
            let values = variants_of_library(context, name)?;
            count += values.len();
            for variant in values {
                if let Some((cause, what, severity)) = trouble(name, variant.value) {
                    let twice = name == "log_statement"
                        && doubles(variant.value)
                            .iter()
                            .any(|class| classes.contains(class));
                    findings.push(finding(name, variant, cause, what, severity, twice));
                }
            }
        }
        Ok(Verdict::assessed(
            count,
            "values of statement log settings",
            findings,
        ))
    }
}

const SETTINGS: [&str; 6] = [
    "log_statement",
    "log_min_duration_statement",
    "log_min_duration_sample",
    "log_transaction_sample_rate",
    "log_parameter_max_length_on_error",
    "auto_explain.log_min_duration",
];

fn trouble(name: &str, value: &str) -> Option<(&'static str, &'static str, Severity)> {
    let value = value.trim().to_ascii_lowercase();
    match (name, value.as_str()) {
        ("log_statement", "ddl") => Some((
            "passwords that statements set are logged in clear",
            "passwords that CREATE ROLE and ALTER ROLE set are logged in clear",
            Severity::Low,
        )),
        ("log_statement", "mod" | "all") => Some((
            "ordinary statements are logged with the values in them",
            "statements are logged with the values and passwords in them",
            Severity::Medium,
        )),
        (
            "log_min_duration_statement"
            | "log_min_duration_sample"
            | "auto_explain.log_min_duration",
            value,
        ) if is_zero(value) => Some((
            "ordinary statements are logged with the values in them",
            "statements are logged whatever they take, with the values in them",
            Severity::Medium,
        )),
        ("log_transaction_sample_rate", value) if !is_zero(value) => Some((
            "whole transactions are logged as samples",
            "the statements of sampled transactions are logged with the values in them",
            Severity::Low,
        )),
        ("log_parameter_max_length_on_error", value) if !is_zero(value) => Some((
            "parameters of failed statements are logged",
            "parameters of statements that fail are logged",
            Severity::Low,
        )),
        _ => None,
    }
}

/// The classes of pgaudit that record what this value of `log_statement` logs.
fn doubles(value: &str) -> &'static [&'static str] {
    match value.to_ascii_lowercase().as_str() {
        "ddl" => &["ddl", "role"],
        "mod" => &["ddl", "role", "write"],
        "all" => &["ddl", "role", "write", "read", "function", "misc"],
        _ => &[],
    }
}

fn finding(
    name: &str,
    variant: Variant<'_>,
    cause: &str,
    what: &str,
    severity: Severity,
    twice: bool,
) -> Finding {
    let wanted = match name {
        "log_statement" => "none",
        "log_min_duration_statement" => "1s",
        "log_transaction_sample_rate" | "log_parameter_max_length_on_error" => "0",
        _ => "-1",
    };
    let twice = if twice {
        "; pgaudit records the same statements"
    } else {
        ""
    };
    let today = if variant.used {
        ""
    } else {
        ", although no session starts with it today"
    };
    Finding {
        cause: cause.to_owned(),
        detail: format!(
            "{name}, from {}, is '{}': {what}{twice}{today}",
            variant.origin,
            visible(variant.value)
        ),
        severity: if variant.used {
            severity
        } else {
            Severity::Low
        },
        remediation: variant.remedy(name, wanted),
        observations: variant.seen_in,
        subject: Subject::cluster(SubjectKind::Setting, variant.subject),
    }
}

#[cfg(test)]
mod tests {
    use super::trouble;
    use pgattest_model::Severity;

    #[test]
    fn what_is_usual_is_no_trouble() {
        let severity = |name, value| trouble(name, value).map(|(_, _, severity)| severity);
        for (name, value) in [
            ("log_statement", "none"),
            ("log_min_duration_statement", "-1"),
            ("log_min_duration_statement", "250"),
            ("log_min_duration_statement", "1s"),
            ("log_min_duration_sample", "-1"),
            ("log_transaction_sample_rate", "0"),
            ("log_parameter_max_length_on_error", "0"),
        ] {
            assert_eq!(severity(name, value), None, "{name} {value}");
        }
        assert_eq!(severity("log_statement", "DDL"), Some(Severity::Low));
        assert_eq!(severity("log_statement", "all"), Some(Severity::Medium));
        assert_eq!(
            severity("log_min_duration_statement", "0ms"),
            Some(Severity::Medium)
        );
        assert_eq!(
            severity("log_transaction_sample_rate", "0.01"),
            Some(Severity::Low)
        );
        assert_eq!(
            severity("log_parameter_max_length_on_error", "-1"),
            Some(Severity::Low)
        );
    }
}
