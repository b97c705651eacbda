//! Whether what was refused is recorded.

use super::canaries::{Wanted, judge};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{Area, Criterion, Meta, Missing, Responsibility, Severity, Verdict};

declare_check! {
    /// ## What it checks
    /// A statement that permissions refused, a login with a wrong password, and a login of a role that does not exist were performed
    /// on purpose, and each was found in the log, the journal and every sink.
    ///
    /// ## Why it matters
    /// pgaudit records none of the three: it writes a statement down when it is executed, and it knows no logins. They are records of
    /// the server's own, lost to whoever ships the records of pgaudit alone. Refused attempts are what an attacker leaves first.
    ///
    /// ## How to fix it
    /// Ship the server's whole log. `log_min_messages` at `warning` or lower, `log_min_error_statement` at `error` or lower, so that the
    /// statement stands beside its refusal.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 20.8.2, When to Log (numbers of version 15)
    pub DeniedActions {
        id: "LOG-24",
        name: "denied-actions",
        title: "Refused statements and failed logins are in the trail",
        severity: Severity::High,
        criteria: &[Criterion::Cc7_2],
        area: Area::AuditLogging,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for DeniedActions {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let wanted = [
            ("refused", "a statement that permissions refuse"),
            ("wrong-password", "a login with a wrong password"),
            ("unknown-role", "a login of a role that does not exist"),
        ]
        .map(|(class, what)| Wanted::new(class, what, Severity::High));
        judge(context, &wanted)
    }
}
