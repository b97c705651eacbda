//! Whether as many rows were audited as were changed.

use super::known::trusted;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{TrailChange, TrailComparison};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Responsibility, Severity, Subject,
    SubjectKind, Verdict, instant,
};

declare_check! {
    /// ## What it checks
    /// PostgreSQL counts the rows that are inserted, updated and deleted in each table, whether or not anybody audits them. Each audit
    /// writes these counters into its evidence. `pgattest audit --trail DIR --since evidence-earlier.zip` takes those of the earlier
    /// package and those of now, and compares the difference with the writes that the trail holds of the time between. A table is
    /// covered when as many rows were audited as were changed, which takes `pgaudit.log_relation` and `pgaudit.log_rows`. Without
    /// them, after the counters were reset, or when the trail does not reach over that time, the verdict is *not assessed*.
    ///
    /// ## Why it matters
    /// Line numbers show that nothing was lost of what was logged. They say nothing of what a superuser changed after
    /// `SET pgaudit.log = 'none'`, which leaves no record at all. The counters do.
    ///
    /// ## How to fix it
    /// What was not audited cannot be audited later. Find who could have done it (LOG-03, SUP-01), and what happened then: a session
    /// without audit records, a bulk load, a restore. Rows that logical replication applies, that statements changed before they
    /// failed, or that moved to another partition (they count twice) are differences without a fault: accept those by a waiver that
    /// names the cause.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 28.2.18, `pg_stat_all_tables` (numbers of version 15)
    /// - docs/trail/completeness.md, "Rows changed against rows audited"
    pub RowsAudited {
        id: "LOG-20",
        name: "rows-audited",
        title: "As many rows were audited as were changed",
        severity: Severity::High,
        criteria: &[Criterion::Cc7_2],
        area: Area::AuditLogging,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for RowsAudited {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let classes = context.policy.logging.classes.as_ref();
        if classes.is_some_and(|classes| !classes.contains("write") && !classes.contains("all")) {
            return Ok(Verdict::NotApplicable(
                "the policy does not ask for writes to be audited".to_owned(),
            ));
        }
        trusted(context)?;
        let changes = context.facts.trail_changes.here()?;
        let findings: Vec<Finding> = changes
            .value
            .iter()
            .filter_map(|change| finding(change, changes.from))
            .collect();
        let untold = changes.value.iter().filter(|change| is_untold(change));
        let count = untold.clone().count();
        // A finding stands whatever else is not known; nothing else does.
        if let Some(first) = untold.clone().next().filter(|_| findings.is_empty()) {
            let what = if first.table.is_empty() {
                format!("database `{}`", first.database)
            } else {
                format!("{} in `{}`", first.table, first.database)
            };
            let more = match count {
                1 => String::new(),
                all => format!("; and {} more", all - 1),
            };
            return Err(Missing::because(format!("{what}: {}{more}", first.detail))
                .seen_in(changes.from.clone()));
        }
        let compared = changes.value.len() - count;
        Ok(Verdict::assessed(
            compared,
            "tables whose rows changed",
            findings,
        ))
    }
}

fn is_untold(change: &TrailChange) -> bool {
    matches!(
        change.result,
        TrailComparison::StatementsOnly | TrailComparison::Unknown
    )
}

fn finding(change: &TrailChange, from: &ObservationId) -> Option<Finding> {
    let (cause, severity) = match change.result {
        TrailComparison::Unaudited => ("rows changed and no write was audited", Severity::High),
        TrailComparison::FewerRows => ("fewer rows were audited than changed", Severity::Medium),
        TrailComparison::Covered | TrailComparison::StatementsOnly | TrailComparison::Unknown => {
            return None;
        }
    };
    Some(Finding {
        subject: Subject::in_database(SubjectKind::Relation, &change.database, &change.table),
        cause: cause.to_owned(),
        detail: format!(
            "{} to {}: {}",
            instant(change.from),
            instant(change.until),
            change.detail
        ),
        severity,
        observations: vec![from.clone()],
        remediation: "find the session that changed them without a record, or accept it by a waiver that names the cause".to_owned(),
    })
}
