//! The statement classes that pgaudit records.

use super::pgaudit::{DECIDING, Loss, SessionAudit, required};
use super::settings::{Baseline, baseline};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::BTreeSet;

declare_check! {
    /// ## What it checks
    /// A session whose role and database override nothing has every required class of statements recorded: `pgaudit.log` is
    /// read as pgaudit reads it (the classes in their order, `all`, exclusions such as `-misc`; `none` neither adds nor clears),
    /// and the records are not below the level from which the server logs (`log_min_messages`; with `pgaudit.log_client = on`
    /// also `pgaudit.log_level`). Required are `logging.classes` in `pgattest.toml`; without them `ddl`, `role` and `write`.
    ///
    /// ## Why it matters
    /// An auditor asks who changed the schema, who changed data and who was given which right. A class that is not recorded
    /// cannot be reconstructed later.
    ///
    /// ## How to fix it
    /// `ALTER SYSTEM SET pgaudit.log = 'ddl, role, write';` and reload; on a managed service in the parameter group. `read` costs
    /// most and is better done for classified tables only, with `pgaudit.role`.
    ///
    /// ## References
    /// - PostgreSQL 16 documentation, chapter 20.8, Error Reporting and Logging
    pub PgauditClasses {
        id: "LOG-02",
        name: "pgaudit-classes",
        title: "pgaudit records every required class of statements",
        severity: Severity::High,
        criteria: &[Criterion::Cc7_2, Criterion::Cc7_3],
        area: Area::AuditLogging,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for PgauditClasses {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let required = required(context.policy);
        let findings = match AuditBaseline::of(context)? {
            None => vec![not_loaded(&required, context.facts.settings.here()?.from)],
            Some(baseline) => {
                let losses = baseline.session().losses(&required);
                if losses.contains(&Loss::NotUnderstood) {
                    return Err(baseline.not_understood());
                }
                losses
                    .iter()
                    .map(|loss| finding(&baseline, loss, &required))
                    .collect()
            }
        };
        Ok(Verdict::assessed(
            required.len(),
            "required statement classes",
            findings,
        ))
    }
}

/// The settings that decide what is recorded, as sessions without overrides get them.
pub(super) struct AuditBaseline<'a> {
    values: [Baseline<'a>; 4],
}

impl<'a> AuditBaseline<'a> {
    /// `None` when pgaudit is not loaded: the server then does not know its settings.
    pub(super) fn of(context: &Context<'a>) -> Result<Option<Self>, Missing> {
        let [log, log_client, log_level, log_min_messages] =
            DECIDING.map(|name| baseline(context, name));
        let Some(log) = log? else { return Ok(None) };
        let needed = |value: Option<Baseline<'a>>, name| {
            value.ok_or_else(|| Missing::because(format!("this server has no setting `{name}`")))
        };
        let [_, client, level, minimum] = DECIDING;
        Ok(Some(Self {
            values: [
                log,
                needed(log_client?, client)?,
                needed(log_level?, level)?,
                needed(log_min_messages?, minimum)?,
            ],
        }))
    }

    pub(super) const fn session(&self) -> SessionAudit<'a> {
        let [log, log_client, log_level, log_min_messages] = &self.values;
        SessionAudit {
            log: log.value,
            log_client: log_client.value,
            log_level: log_level.value,
            log_min_messages: log_min_messages.value,
        }
    }

    /// The observations that show the baseline, each once.
    pub(super) fn seen_in(&self) -> Vec<ObservationId> {
        let seen: BTreeSet<&ObservationId> = self
            .values
            .iter()
            .flat_map(|value| &value.seen_in)
            .collect();
        seen.into_iter().cloned().collect()
    }

    fn not_understood(&self) -> Missing {
        let [log, ..] = &self.values;
        Missing::because(format!(
            "pgaudit.log has a value that no known pgaudit understands: `{}`",
            log.value
        ))
    }
}

fn not_loaded(required: &BTreeSet<&'static str>, from: &ObservationId) -> Finding {
    Finding {
        cause: "pgaudit is not loaded".to_owned(),
        detail: format!(
            "pgaudit is not loaded: {} are not recorded",
            in_words(required.iter().copied())
        ),
        severity: Severity::High,
        observations: vec![from.clone()],
        remediation: "load pgaudit (see LOG-01), then set pgaudit.log".to_owned(),
        subject: Subject::cluster(SubjectKind::Setting, "pgaudit.log"),
    }
}

fn finding(
    baseline: &AuditBaseline<'_>,
    loss: &Loss,
    required: &BTreeSet<&'static str>,
) -> Finding {
    let [log, log_client, log_level, minimum] = &baseline.values;
    let (subject, cause, detail, remediation) = match loss {
        Loss::Classes(classes) => (
            "pgaudit.log",
            "required classes of statements are not recorded",
            format!(
                "pgaudit.log is '{}' (from {}): {} not recorded",
                log.value,
                log.origin,
                are(classes)
            ),
            format!(
                "ALTER SYSTEM SET pgaudit.log = '{}';",
                with_required(log.value, required)
            ),
        ),
        Loss::Level | Loss::NotUnderstood => (
            "log_min_messages",
            "audit records are below the level from which the server logs",
            format!(
                "log_min_messages is '{}', pgaudit.log_client '{}' and pgaudit.log_level '{}': no audit record reaches the log",
                minimum.value, log_client.value, log_level.value
            ),
            "set log_min_messages to 'warning' and pgaudit.log_level to 'log'".to_owned(),
        ),
    };
    Finding {
        cause: cause.to_owned(),
        detail,
        severity: Severity::High,
        observations: baseline.seen_in(),
        remediation,
        subject: Subject::cluster(SubjectKind::Setting, subject),
    }
}

/// What is recorded now and what is required, as one value of `pgaudit.log`.
fn with_required(value: &str, required: &BTreeSet<&'static str>) -> String {
    let mut classes = super::pgaudit::recorded(value).unwrap_or_default();
    classes.extend(required);
    classes.into_iter().collect::<Vec<_>>().join(", ")
}

/// `ddl is` or `ddl and role are`.
pub(super) fn are(classes: &[&str]) -> String {
    let verb = if classes.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", in_words(classes.iter().copied()))
}

fn in_words<'a>(classes: impl Iterator<Item = &'a str>) -> String {
    let classes: Vec<&str> = classes.collect();
    match classes.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}
