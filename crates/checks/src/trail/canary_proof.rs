//! Whether a known statement of each class arrives in the log, the journal and every sink.

use super::canaries::{Wanted, judge};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{Area, Criterion, Meta, Missing, Responsibility, Severity, Verdict};
use std::collections::BTreeSet;

declare_check! {
    /// ## What it checks
    /// For each class of statements that pgaudit must record (`logging.classes`; `ddl`, `write` and `role` when nothing is said), and
    /// for logging in and out, a canary was performed on this cluster within `logging.canary_days` (31 when nothing is said), and its
    /// record was found, with the right role, database, session and object, in the server's log, in the journal, and in every sink.
    /// The latest one counts: found once and missed since is missed.
    ///
    /// ## Why it matters
    /// Settings say what should be logged. Between a setting and a record that an auditor can read stand a restart that was forgotten,
    /// a role's override, a full disk, a shipper's filter, an expired token. A canary goes the whole way.
    ///
    /// ## How to fix it
    /// `pgattest prove logging --trail DIR` performs them again and says for each place which one is missing. Run it monthly, by cron.
    ///
    /// ## References
    /// - docs/trail.md
    pub CanaryProof {
        id: "LOG-18",
        name: "canary-proof",
        title: "A known statement of every required class was found in the log, the journal and every sink",
        severity: Severity::High,
        criteria: &[Criterion::Cc7_2, Criterion::Cc7_3],
        area: Area::AuditLogging,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

/// What `all` stands for.
const ALL: [&str; 6] = ["ddl", "function", "misc", "read", "role", "write"];

impl Check for CanaryProof {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let mut classes: BTreeSet<&str> = match &context.policy.logging.classes {
            None => ["ddl", "role", "write"].into(),
            Some(classes) => classes.iter().map(String::as_str).collect(),
        };
        if classes.remove("all") {
            classes.extend(ALL);
        }
        // A SET is of class MISC: no canary of its own.
        classes.remove("misc_set");
        let mut wanted: Vec<Wanted> = classes
            .into_iter()
            .map(|class| {
                let what = format!("a statement of class {class}");
                Wanted::new(class, &what, Severity::High)
            })
            .collect();
        for (class, what) in [("login", "a login"), ("logout", "the end of a session")] {
            wanted.push(Wanted::new(class, what, Severity::High));
        }
        judge(context, &wanted)
    }
}
