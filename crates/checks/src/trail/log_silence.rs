//! Whether a busy server fell silent.

use super::known::defects;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{Area, Criterion, Meta, Missing, Responsibility, Severity, Verdict};

declare_check! {
    /// ## What it checks
    /// No hour has far fewer audit records than the same instance writes otherwise. What is usual is the trail's own: the median of
    /// the hours before. An hour of a server that is always idle is no silence.
    ///
    /// ## Why it matters
    /// Line numbers show that nothing was lost of what was written. They do not show that what should have been written was: a
    /// superuser who sets `pgaudit.log = 'none'`, an application that connects elsewhere, a full disk.
    ///
    /// ## How to fix it
    /// Look at what was deployed or changed in that hour. If the silence was real (a maintenance window, a holiday), accept it by a
    /// waiver with that reason.
    ///
    /// ## References
    /// - `pgattest trail completeness`
    pub LogSilence {
        id: "MON-07",
        name: "log-silence",
        title: "A busy server is never silent in the trail",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc7_2],
        area: Area::LogReview,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for LogSilence {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        defects(context, Self::META.id)
    }
}
