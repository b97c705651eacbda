//! Whether less usual ways of running a statement are recorded, too.

use super::canaries::{Wanted, judge};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{Area, Criterion, Meta, Missing, Responsibility, Severity, Verdict};

declare_check! {
    /// ## What it checks
    /// A statement within a DO block, `COPY FROM STDIN`, a prepared statement with a parameter, and a query with parallel workers were
    /// performed on purpose, and the record of each was found in the log, the journal and every sink.
    ///
    /// Where they were tried within `logging.canary_days`, so were these; of what was not tried nothing is said: `COPY TO STDOUT` (as
    /// `pg_dump` reads, where reading is to be logged), a function call by the protocol's fast path, the login of a replication connection,
    /// and a command over it. pgaudit records neither calls by the fast path nor replication commands, whatever it is set to.
    ///
    /// Not tried, because none of them is ever audited by pgaudit and no setting changes that: rows that logical replication applies,
    /// autovacuum, and the rows themselves that COPY brings.
    ///
    /// ## Why it matters
    /// Who audits `INSERT` and not `COPY` does not audit writing. Large objects are written by the fast path, and a replication connection
    /// reads everything that is written.
    ///
    /// ## How to fix it
    /// `pgaudit.log` must hold `write` (`COPY FROM`) and `function` (`DO`); what is missing although it does is worth a look at
    /// overrides by role and database (LOG-03). `log_statement = 'all'` records calls by the fast path, `log_replication_commands = on` what
    /// replication connections are told; where that is too much, a waiver says why.
    ///
    /// ## References
    /// - docs/trail.md
    pub AuditBypass {
        id: "LOG-25",
        name: "audit-bypass",
        title: "COPY, DO, prepared and parallel statements are in the trail",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc7_2],
        area: Area::AuditLogging,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

/// Ways past pgaudit that it has no setting for: class, what was done, what would record it.
const BYPASSES: [(&str, &str, &str); 3] = [
    (
        "fast-path",
        "a function call by the protocol's fast path",
        "log_statement = 'all' records each such call; without it, revoke EXECUTE on what nobody needs (lo_export, lowrite) and say so \
         in a waiver",
    ),
    (
        "replication",
        "the login of a replication connection",
        "log_connections = on",
    ),
    (
        "replication-command",
        "a command over a replication connection",
        "log_replication_commands = on",
    ),
];

impl Check for AuditBypass {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let medium = |(class, what)| Wanted::new(class, what, Severity::Medium);
        let mut wanted: Vec<Wanted> = [
            ("in-do", "an INSERT within a DO block"),
            ("copy", "a COPY FROM STDIN"),
            ("prepared", "a prepared statement"),
        ]
        .map(medium)
        .into();
        // Reading is recorded only where that is asked for.
        let classes = context.policy.logging.classes.as_ref();
        if classes.is_some_and(|classes| classes.contains("read") || classes.contains("all")) {
            wanted.push(medium(("parallel", "a query with parallel workers")));
            wanted.push(Wanted {
                once_tried: Some(
                    "pgaudit.log has to hold read; look at overrides by role and database (LOG-03)",
                ),
                ..medium(("copy-to", "a COPY TO STDOUT"))
            });
        }
        // Older versions performed none of these, and not every role may: nothing is said of what was not tried.
        for (class, what, remediation) in BYPASSES {
            wanted.push(Wanted {
                once_tried: Some(remediation),
                ..Wanted::new(class, what, Severity::Low)
            });
        }
        judge(context, &wanted)
    }
}
