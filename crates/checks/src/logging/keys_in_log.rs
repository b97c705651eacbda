//! Encryption keys that the log records as parameters.

use super::pgaudit::recorded;
use super::settings::baseline;
use super::variants::{Variant, variants_of_library};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{CodeMark, DatabaseFacts};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};

declare_check! {
    /// ## What it checks
    /// Where pgcrypto is installed, the values of statements' parameters stay out of the log, because keys are among them:
    /// `pgaudit.log_parameter` is off (or pgaudit records no statements that have keys), and no statement is logged together with its
    /// parameters: by `log_statement` of `mod` or `all`, `log_min_duration_statement` or `log_min_duration_sample`, unless
    /// `log_parameter_max_length` is 0; nor by `log_parameter_max_length_on_error`, whose default is 0. Roles' and databases' own
    /// values count. Findings are of high severity where code of a database calls a pgcrypto function that takes a key, of medium where
    /// pgcrypto is there for applications to call.
    ///
    /// Not seen: a key that an application writes into the text of the statement, which every record of the statement repeats; and
    /// the library `auto_explain`.
    ///
    /// ## Why it matters
    /// The log is shipped, indexed and read by more people than the database. A key in it opens every row that was encrypted with it,
    /// for as long as the log is kept.
    ///
    /// ## How to fix it
    /// `ALTER SYSTEM SET pgaudit.log_parameter = off;`, `ALTER SYSTEM SET log_parameter_max_length = 0;`, and reload. Rotate keys that
    /// were logged. Encrypting in the application keeps keys away from the server altogether.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 20.8.3, What to Log: `log_parameter_max_length`; appendix F.28, pgcrypto (numbers of version 15)
    pub KeysInLog {
        id: "LOG-07",
        name: "keys-in-log",
        title: "Encryption keys that statements take as parameters stay out of the log",
        severity: Severity::High,
        criteria: &[Criterion::C1_1, Criterion::Cc7_2],
        area: Area::AuditLogging,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for KeysInLog {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        context.facts.databases.here()?;
        let mut uses = Uses::default();
        let mut not_seen = Vec::new();
        for database in &context.facts.inside {
            if let Err(missing) = uses.look(database) {
                not_seen.push(missing);
            }
        }
        if uses.databases.is_empty() && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "pgcrypto is installed in no database".to_owned(),
            ));
        }
        let mut findings = Vec::new();
        if !uses.databases.is_empty() {
            for name in WAYS {
                for variant in variants_of_library(context, name)? {
                    if records_parameters(context, name, variant.value)? {
                        findings.push(finding(name, variant, &uses));
                    }
                }
            }
        }
        Ok(Verdict::Assessed {
            population: Population {
                count: uses.databases.len(),
                of: "databases with pgcrypto",
            },
            findings,
            not_seen,
        })
    }
}

/// Settings that can put parameters into the log.
const WAYS: [&str; 5] = [
    "pgaudit.log_parameter",
    "log_statement",
    "log_min_duration_statement",
    "log_min_duration_sample",
    "log_parameter_max_length_on_error",
];

fn records_parameters(context: &Context<'_>, name: &str, value: &str) -> Result<bool, Missing> {
    let cluster = |name: &str| -> Result<String, Missing> {
        Ok(baseline(context, name)?
            .map(|found| found.value.to_owned())
            .unwrap_or_default())
    };
    let beside_statements = || Ok(!is_zero(&cluster("log_parameter_max_length")?));
    match name {
        "pgaudit.log_parameter" => {
            let by_class = recorded(&cluster("pgaudit.log")?).is_none_or(|classes| {
                ["function", "read", "write"]
                    .iter()
                    .any(|class| classes.contains(class))
            });
            Ok(is_on(value) && (by_class || !cluster("pgaudit.role")?.is_empty()))
        }
        "log_statement" => Ok(is_all(value) && beside_statements()?),
        "log_min_duration_statement" => Ok(!is_negative(value) && beside_statements()?),
        "log_min_duration_sample" => Ok(!is_negative(value)
            && !is_zero(&cluster("log_statement_sample_rate")?)
            && beside_statements()?),
        _ => Ok(!is_zero(value)),
    }
}

fn is_on(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    value == "1"
        || value == "on"
        || (!value.is_empty() && ("true".starts_with(&value) || "yes".starts_with(&value)))
}

fn is_all(value: &str) -> bool {
    value.eq_ignore_ascii_case("mod") || value.eq_ignore_ascii_case("all")
}

/// Negative is off for settings that hold a time or a length.
fn is_negative(value: &str) -> bool {
    value.trim_start().starts_with('-')
}

/// `0`, `0ms`, `0.0`: zero with any unit.
pub(super) fn is_zero(value: &str) -> bool {
    let number = value
        .trim()
        .trim_end_matches(|c: char| c.is_ascii_alphabetic() || c.is_whitespace());
    number.parse::<f64>().is_ok_and(|number| number == 0.0)
}

/// Where pgcrypto is.
#[derive(Default)]
struct Uses {
    databases: Vec<String>,
    /// How many pieces of code hand a key to it.
    code: usize,
    observations: Vec<ObservationId>,
}

impl Uses {
    fn look(&mut self, database: &DatabaseFacts) -> Result<(), Missing> {
        let extensions = database.extensions.here()?;
        if !extensions
            .iter()
            .any(|extension| extension.name == "pgcrypto")
        {
            return Ok(());
        }
        self.databases.push(quote_ident(&database.name));
        self.observations.push(extensions.from.clone());
        let code = database.code_marks.here()?;
        self.observations.push(code.from.clone());
        self.code += code
            .iter()
            .filter(|piece| piece.has(CodeMark::CallsPgcrypto))
            .count();
        Ok(())
    }
}

fn finding(name: &str, variant: Variant<'_>, uses: &Uses) -> Finding {
    let (cause, severity, who) = if uses.code > 0 {
        (
            "parameters are logged, and code hands keys to pgcrypto",
            Severity::High,
            format!("{} pieces of code hand keys to pgcrypto", uses.code),
        )
    } else {
        (
            "parameters are logged, and pgcrypto is there for applications to call",
            Severity::Medium,
            "pgcrypto is there for applications to call".to_owned(),
        )
    };
    let (severity, today) = if variant.used {
        (severity, "")
    } else {
        (Severity::Low, ", although no session starts with it today")
    };
    let mut observations = variant.seen_in.clone();
    observations.extend(uses.observations.iter().cloned());
    let remediation = variant.reset.clone().unwrap_or_else(|| match name {
        "pgaudit.log_parameter" => "ALTER SYSTEM SET pgaudit.log_parameter = off;".to_owned(),
        "log_parameter_max_length_on_error" => {
            "ALTER SYSTEM SET log_parameter_max_length_on_error = 0;".to_owned()
        }
        _ => "ALTER SYSTEM SET log_parameter_max_length = 0;".to_owned(),
    });
    Finding {
        subject: Subject::cluster(SubjectKind::Setting, variant.subject),
        cause: cause.to_owned(),
        detail: format!(
            "{name}, from {}, is '{}': parameters reach the log, and {who} in {}{today}",
            variant.origin,
            visible(variant.value),
            uses.databases.join(", ")
        ),
        severity,
        observations,
        remediation,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_negative, is_on, is_zero};

    #[test]
    fn values_are_read_with_their_units() {
        for zero in ["0", "0ms", " 0 s", "0.0", "0kB"] {
            assert!(is_zero(zero), "{zero}");
        }
        for other in ["", "-1", "1", "10", "250ms", "x", "0.5"] {
            assert!(!is_zero(other), "{other}");
        }
        assert!(is_negative("-1") && !is_negative("0") && !is_negative("1s"));
        assert!(is_on("on") && is_on("tr") && is_on("1") && !is_on("off") && !is_on(""));
    }
}
