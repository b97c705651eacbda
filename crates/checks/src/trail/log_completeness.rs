//! Whether every record that the server wrote is in the trail.

use super::known::defects;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{Area, Criterion, Meta, Missing, Responsibility, Severity, Verdict};

declare_check! {
    /// ## What it checks
    /// The server numbers the records of each session from 1, without a gap. A number that is not in the trail is a record that was
    /// written and lost, or never reached the file. Also reported: bytes that are no record (torn, or glued to another one when the
    /// log volume was full), files that were deleted or cut before they were read, numbers that were used twice, and sessions that
    /// end without a record of their end although `log_disconnections` is on. The verdict is `pass` only for the records that the
    /// trail holds; when the collector did not run, and the files it missed are gone, the trail says so.
    ///
    /// ## Why it matters
    /// A log without gaps is the difference between "nothing happened" and "nothing was kept". An auditor asks for completeness of
    /// the population before looking at a single record of it.
    ///
    /// ## How to fix it
    /// A hole cannot be filled. Say what happened (log volume full, collector stopped, a crash), keep what shows it, and accept it
    /// with a waiver that names the cause. Then remove the cause: room on the log volume, `log_truncate_on_rotation = off`, file
    /// names that do not repeat within the retention of the files, the collector as a service that restarts.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 20.8.4, Using CSV-Format Log Output: `session_line_num` (numbers of version 15)
    /// - `pgattest trail completeness` lists every hole with the records around it
    pub LogCompleteness {
        id: "LOG-19",
        name: "log-completeness",
        title: "Every record that the server numbered is in the trail",
        severity: Severity::High,
        criteria: &[Criterion::Cc7_2, Criterion::Cc7_3],
        area: Area::LogProtection,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for LogCompleteness {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        defects(context, Self::META.id)
    }
}
