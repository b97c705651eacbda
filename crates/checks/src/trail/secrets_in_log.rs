//! Whether a secret that reaches the server's log goes on from there.

use super::canaries::{Wanted, judge};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{Area, Criterion, Meta, Missing, Responsibility, Severity, Verdict};

declare_check! {
    /// ## What it checks
    /// A statement with a random secret was performed in a way that writes it into the server's log, its record was found in the
    /// journal and in every sink, and the secret was in none of them.
    ///
    /// ## Why it matters
    /// pgaudit hides the password of an `ALTER ROLE` that succeeds, and little else: a failing one, a DO block, a subscription, a user
    /// mapping stand in the log in clear, with pgaudit and without. docs/trail/secrets-in-logs.md has what each version writes. Who
    /// ships that ships passwords to everybody who may search logs.
    ///
    /// ## How to fix it
    /// Ship what the trail's journal holds, not the server's files: secrets are taken out before it is written. Set passwords by
    /// `\password`, which sends a verifier.
    ///
    /// ## References
    /// - docs/trail/secrets-in-logs.md
    pub SecretsInLog {
        id: "SEC-18",
        name: "secrets-in-log",
        title: "A secret in the server's log goes no further",
        severity: Severity::High,
        criteria: &[Criterion::C1_1, Criterion::Cc7_2],
        area: Area::KeyCustody,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for SecretsInLog {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        judge(
            context,
            &[Wanted::new(
                "secret",
                "a record with its secret taken out",
                Severity::Critical,
            )],
        )
    }
}
