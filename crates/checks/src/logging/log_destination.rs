//! Whether the log is written anywhere.

use super::destinations::Destinations;
use super::provider::provider;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};

declare_check! {
    /// ## What it checks
    /// Every destination that `log_destination` names is one that somebody writes. `csvlog` and `jsonlog` need
    /// `logging_collector = on`: without it their records fall back to standard error, as plain text. `syslog` and `eventlog` are
    /// written by the machine. `stderr` is written by the collector; without it, by whatever started the server: the container
    /// runtime, systemd, a file of `pg_ctl -l`. That cannot be seen from inside the database, so say it in `pgattest.toml`:
    /// `logging.captured_by = "journald"`. On a managed service the provider captures it.
    ///
    /// ## Why it matters
    /// A log that goes to a terminal or `/dev/null` is no evidence, whatever is logged. That a collector is off is right in a
    /// container and wrong on a server started by hand; only who runs it knows.
    ///
    /// ## How to fix it
    /// Either `logging_collector = on` (a restart) with `log_destination = 'csvlog'` or `'jsonlog'`, or `log_destination =
    /// 'stderr'` where something captures it, and a declaration of what.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 20.8.1, Where to Log (numbers of version 15)
    pub LogDestination {
        id: "LOG-12",
        name: "log-destination",
        title: "Every destination of the log is written by somebody",
        severity: Severity::High,
        criteria: &[Criterion::Cc7_2],
        area: Area::AuditLogging,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for LogDestination {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let destinations = Destinations::of(context)?;
        let observations = vec![destinations.seen_in.clone()];
        let subject = || Subject::cluster(SubjectKind::Setting, "log_destination");
        let mut findings = Vec::new();
        if destinations.listed.is_empty() {
            findings.push(Finding {
                subject: subject(),
                cause: "the log goes nowhere".to_owned(),
                detail: "log_destination is empty: nothing is written anywhere".to_owned(),
                severity: Severity::High,
                observations: observations.clone(),
                remediation: "ALTER SYSTEM SET log_destination = 'stderr';".to_owned(),
            });
        }
        for dead in destinations.dead() {
            findings.push(Finding {
                subject: subject(),
                cause: "a structured log that nobody writes".to_owned(),
                detail: format!("log_destination names {dead}, but logging_collector is off: its records fall back to standard error as plain text"),
                severity: Severity::Medium,
                observations: observations.clone(),
                remediation: "ALTER SYSTEM SET logging_collector = on; -- and restart, or set log_destination = 'stderr'".to_owned(),
            });
        }
        let mut not_seen = Vec::new();
        let on_its_own = destinations.writes_text() && !destinations.collector;
        let is_captured =
            context.policy.logging.captured_by.is_some() || provider(context).is_some();
        if on_its_own && !is_captured {
            // Without the roles it is not known whether a provider takes it.
            context.facts.roles.here()?;
            not_seen.push(
                Missing::because("what captures the server's standard error cannot be seen from inside the database; declare logging.captured_by")
                    .seen_in(destinations.seen_in.clone()),
            );
        }
        Ok(Verdict::Assessed {
            population: Population {
                count: destinations.listed.len(),
                of: "log destinations",
            },
            findings,
            not_seen,
        })
    }
}
