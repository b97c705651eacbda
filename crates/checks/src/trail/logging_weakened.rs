//! Whether somebody turned the logging down.

use super::known::defects;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{Area, Criterion, Meta, Missing, Responsibility, Severity, Verdict};

declare_check! {
    /// ## What it checks
    /// The trail holds no record of a setting of pgaudit or of the log being changed to less: by `ALTER SYSTEM`, `ALTER ROLE`,
    /// `ALTER DATABASE`, by a reload of an edited file, or by a restart without pgaudit. Each one is a finding, whoever did it.
    ///
    /// ## Why it matters
    /// Whoever wants to do something unseen turns the light off first. Settings as they are now say nothing of yesterday: the change
    /// and its undoing leave only these records. `SET pgaudit.log = 'none'` within a superuser's own session leaves no record
    /// at all: that is why superusers must not be used (point 1), and why silence is looked for (MON-07).
    ///
    /// ## How to fix it
    /// Match each with an approved change and accept it by a waiver that names the change, or treat it as an incident.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 20.8, Error Reporting and Logging (numbers of version 15)
    pub LoggingWeakened {
        id: "LOG-21",
        name: "logging-weakened",
        title: "Nobody turned the logging down",
        severity: Severity::High,
        criteria: &[Criterion::Cc7_2, Criterion::Cc8_1],
        area: Area::LogProtection,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for LoggingWeakened {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        defects(context, Self::META.id)
    }
}
