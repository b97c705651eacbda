//! Whether what the file says is what the server does.

use super::engine::place;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::ident::visible;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};

declare_check! {
    /// ## What it checks
    /// The server uses the rules that `pg_hba.conf` and `pg_ident.conf` hold now:
    ///
    /// - no line has an error: with one the server keeps the rules it had, and does not start at all the next time (high);
    /// - no file was changed after the server last loaded its configuration (medium).
    ///
    /// Errors in `pg_ident.conf` are seen from PostgreSQL 15 on. The time of a file is known to the second, so a change in the very
    /// second of the load is not seen. A configuration management tool that writes the same text again is seen as a change.
    ///
    /// ## Why it matters
    /// A reviewed file that is not in force protects nothing, and every judgement of the file, ours included, is about something
    /// else than what the server does. A server that does not come back after a restart is an outage.
    ///
    /// ## How to fix it
    /// Correct the line, see that `SELECT * FROM pg_hba_file_rules WHERE error IS NOT NULL` is empty, and
    /// `SELECT pg_reload_conf();`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 21.1, The `pg_hba.conf` File (numbers of version 15)
    /// - PostgreSQL documentation, chapter 54.9, `pg_hba_file_rules`
    pub FileInForce {
        id: "HBA-15",
        name: "file-in-force",
        title: "The rules in pg_hba.conf are the rules in force",
        severity: Severity::High,
        criteria: &[Criterion::Cc8_1, Criterion::Cc7_1],
        area: Area::Authentication,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for FileInForce {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let rules = context.facts.hba_rules.here()?;
        let mut findings = Vec::new();
        let mut not_seen = Vec::new();
        // A line that can match nobody (`hostssl` while ssl is off) has a message too, and keeps no file from being loaded: it
        // is read whole, method and all.
        let broken = rules
            .iter()
            .filter(|rule| !rule.is_valid() && rule.method.is_empty());
        for rule in broken {
            findings.push(Finding {
                cause: "the server cannot read a line, and keeps the rules it had".to_owned(),
                detail: format!("{} cannot be read: {}", place(rule), visible(&rule.error)),
                severity: Severity::High,
                observations: vec![rules.from.clone()],
                remediation: format!("Correct {}; then SELECT pg_reload_conf();", place(rule)),
                subject: Subject::cluster(SubjectKind::HbaRule, place(rule)),
            });
        }
        let mut count = rules.len();
        if context.version()?.major() >= 15 {
            match context.facts.ident_maps.here() {
                Ok(maps) => {
                    count += maps.len();
                    for map in maps.iter().filter(|map| !map.error.is_empty()) {
                        let line = format!("pg_ident.conf:{}", map.line);
                        findings.push(Finding {
                            cause: "the server cannot read a line of pg_ident.conf".to_owned(),
                            detail: format!("{line} cannot be read: {}", visible(&map.error)),
                            severity: Severity::High,
                            observations: vec![maps.from.clone()],
                            remediation: format!("Correct {line}; then SELECT pg_reload_conf();"),
                            subject: Subject::cluster(SubjectKind::HbaRule, line),
                        });
                    }
                }
                Err(missing) => not_seen.push(missing),
            }
        }
        match context.facts.hba_files.here() {
            Ok(files) => {
                for file in files.iter().filter(|file| file.changed_after_load) {
                    let name = visible(&file.name());
                    findings.push(Finding {
                        cause: "the file was changed after it was loaded".to_owned(),
                        detail: format!(
                            "{name} was changed after the server loaded its configuration"
                        ),
                        severity: Severity::Medium,
                        observations: vec![files.from.clone()],
                        remediation: "Review the change, then SELECT pg_reload_conf();".to_owned(),
                        subject: Subject::cluster(SubjectKind::HbaRule, name),
                    });
                }
            }
            Err(missing) => not_seen.push(missing),
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "lines of pg_hba.conf and pg_ident.conf",
            },
            findings,
            not_seen,
        })
    }
}
