//! Logins and logouts in the log.

use super::settings::{Baseline, baseline, list_elements};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};

declare_check! {
    /// ## What it checks
    /// `log_connections` records who was authenticated and what was authorized, and `log_disconnections` when the session ended.
    /// From PostgreSQL 18 `log_connections` is a list: it has to hold `authentication` and `authorization`, or `all`, or one of
    /// the old booleans that mean on.
    ///
    /// ## Why it matters
    /// pgaudit records no logins. Without these lines nobody can tell who was connected when, from which address and by which
    /// method, or match an audit record to a person. Without the end of a session a log that was cut off looks like a log of a
    /// session that did nothing more.
    ///
    /// ## How to fix it
    /// `ALTER SYSTEM SET log_connections = on;` and `ALTER SYSTEM SET log_disconnections = on;`, then reload: it counts for
    /// sessions that begin afterwards. Neither can be switched off for one role or one database.
    ///
    /// ## References
    /// - PostgreSQL 16 documentation, chapter 20.8.3, What To Log
    pub ConnectionLog {
        id: "LOG-09",
        name: "connection-log",
        title: "Logins and logouts are logged",
        severity: Severity::High,
        criteria: &[Criterion::Cc7_2, Criterion::Cc6_1],
        area: Area::AuditLogging,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for ConnectionLog {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let needed = |name: &str| {
            baseline(context, name)?
                .ok_or_else(|| Missing::because(format!("this server has no setting `{name}`")))
        };
        let (connections, disconnections) =
            (needed("log_connections")?, needed("log_disconnections")?);
        let mut findings = Vec::new();
        let lost = not_recorded(connections.value);
        if !lost.is_empty() {
            findings.push(finding(
                "log_connections",
                &connections,
                &lost.join(" and "),
                Severity::High,
            ));
        }
        if disconnections.value != "on" {
            findings.push(finding(
                "log_disconnections",
                &disconnections,
                "the end of sessions",
                Severity::Medium,
            ));
        }
        Ok(Verdict::assessed(2, "settings", findings))
    }
}

/// The stages of a login that a value of `log_connections` does not record, of those an auditor needs. Up to 17 the value is `on`
/// or `off`; from 18 a list of stages, in which a boolean may only stand alone.
fn not_recorded(value: &str) -> Vec<&'static str> {
    const NEEDED: [&str; 2] = ["authentication", "authorization"];
    let stages: Vec<String> = list_elements(value)
        .iter()
        .map(|stage| stage.to_ascii_lowercase())
        .collect();
    let all = match stages.as_slice() {
        [only] => matches!(only.as_str(), "on" | "true" | "yes" | "1" | "all"),
        several => several.iter().any(|stage| stage == "all"),
    };
    NEEDED
        .into_iter()
        .filter(|needed| !all && !stages.iter().any(|stage| stage == needed))
        .collect()
}

fn finding(name: &str, baseline: &Baseline<'_>, lost: &str, severity: Severity) -> Finding {
    Finding {
        cause: format!("{name} does not record {lost}"),
        detail: format!("{name}, from {}, does not record {lost}", baseline.origin),
        severity,
        observations: baseline.seen_in.clone(),
        remediation: format!("ALTER SYSTEM SET {name} = on;"),
        subject: Subject::cluster(SubjectKind::Setting, name),
    }
}

#[cfg(test)]
mod tests {
    use super::not_recorded;

    #[test]
    fn booleans_and_lists_of_stages() {
        for complete in [
            "on",
            "all",
            "yes",
            "1",
            "authentication,authorization",
            "Authorization, receipt ,AUTHENTICATION",
            "receipt, all",
        ] {
            assert_eq!(not_recorded(complete), [""; 0], "{complete}");
        }
        for nothing in [
            "off",
            "",
            "receipt",
            "0",
            "false",
            "setup_durations,receipt",
            "\"on, off\"",
        ] {
            assert_eq!(
                not_recorded(nothing),
                ["authentication", "authorization"],
                "{nothing}"
            );
        }
        assert_eq!(not_recorded("receipt,authorization"), ["authentication"]);
        assert_eq!(not_recorded("authentication"), ["authorization"]);
    }
}
