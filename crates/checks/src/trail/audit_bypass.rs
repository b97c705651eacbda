//! Whether less usual ways of running a statement are recorded, too.

use super::canaries::{Wanted, judge};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{Area, Criterion, Meta, Missing, Responsibility, Severity, Verdict};

declare_check! {
    /// ## What it checks
    /// A statement within a DO block, `COPY FROM STDIN`, a prepared statement with a parameter, and a query with parallel workers were
    /// performed on purpose, and the record of each was found in the log, the journal and every sink. Not tried, because none of them
    /// is ever audited by pgaudit and no setting changes that: rows that logical replication applies, autovacuum, and the rows
    /// themselves that COPY brings.
    ///
    /// ## Why it matters
    /// Who audits `INSERT` and not `COPY` does not audit writing.
    ///
    /// ## How to fix it
    /// `pgaudit.log` must hold `write` (`COPY FROM`) and `function` (`DO`); what is missing although it does is worth a look at
    /// overrides by role and database (LOG-03).
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

impl Check for AuditBypass {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let mut wanted = vec![
            ("in-do", "an INSERT within a DO block"),
            ("copy", "a COPY FROM STDIN"),
            ("prepared", "a prepared statement"),
        ];
        // Reading is recorded only where that is asked for.
        let classes = context.policy.logging.classes.as_ref();
        if classes.is_some_and(|classes| classes.contains("read") || classes.contains("all")) {
            wanted.push(("parallel", "a query with parallel workers"));
        }
        let wanted: Vec<Wanted> = wanted
            .into_iter()
            .map(|(class, what)| Wanted {
                class: class.to_owned(),
                what: what.to_owned(),
                severity: Severity::Medium,
            })
            .collect();
        judge(context, &wanted)
    }
}
