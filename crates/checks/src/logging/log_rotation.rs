//! Whether the server overwrites its own log before the retention ends.

use super::destinations::Destinations;
use super::provider::provider;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::ident::visible;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};

declare_check! {
    /// ## What it checks
    /// Where the server writes log files of its own: it does not overwrite one before `logging.retention_days` of `pgattest.toml`
    /// (without it 365 days) are over. It overwrites when `log_truncate_on_rotation` is on, files are changed by time
    /// (`log_rotation_age` is not 0), and the names that `log_filename` makes come back: `postgresql-%a.log` after a week,
    /// `postgresql-%d.log` after a month. Names with a year never come back; without truncation a file that comes back is appended
    /// to.
    ///
    /// Not seen: what deletes files from outside (logrotate, cron, a full disk), and whether the log is shipped elsewhere before it
    /// is overwritten. Shipping is judged by what the archive holds, not here. A managed service deletes files by a rule of its own.
    ///
    /// ## Why it matters
    /// An auditor samples days of the whole period. Files that are overwritten after a week leave a week, unless every line was
    /// shipped before, and a shipper that stood still for a week has lost them for good.
    ///
    /// ## How to fix it
    /// `ALTER SYSTEM SET log_filename = 'postgresql-%Y-%m-%d_%H%M%S.log';`, or `log_truncate_on_rotation = off`; and let the shipper
    /// remove what it has delivered.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 20.8.1, Where to Log: `log_filename`, `log_truncate_on_rotation` (numbers of version 15)
    pub LogRotation {
        id: "LOG-13",
        name: "log-rotation",
        title: "The server does not overwrite its log before the retention ends",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc7_2, Criterion::A1_2],
        area: Area::AuditLogging,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

/// How long logs must be kept when the policy does not say.
const RETENTION_DAYS: u32 = 365;

impl Check for LogRotation {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let destinations = Destinations::of(context)?;
        if !destinations.writes_files() {
            return Ok(Verdict::NotApplicable(
                "the server writes no log files of its own".to_owned(),
            ));
        }
        if let Some(provider) = provider(context) {
            return Ok(Verdict::NotAssessed(
                Missing::because(format!("{provider} deletes log files by a rule of its own, which the database does not show"))
                    .seen_in(destinations.seen_in),
            ));
        }
        let (pattern, from) = context.setting("log_filename")?;
        let (truncate, _) = context.setting("log_truncate_on_rotation")?;
        let (age, _) = context.setting("log_rotation_age")?;
        let wanted = context
            .policy
            .logging
            .retention_days
            .unwrap_or(RETENTION_DAYS);
        let by_time = age.value != "0";
        let kept = days_until_it_returns(&pattern.value)
            .filter(|days| truncate.is_on() && by_time && *days < wanted);
        let findings = kept.map(|days| Finding {
            subject: Subject::cluster(SubjectKind::Setting, "log_filename"),
            cause: "log files are overwritten before the retention ends".to_owned(),
            detail: format!(
                "log_filename is '{}' and log_truncate_on_rotation is on: files are overwritten after {}, and {wanted} days must be kept",
                visible(&pattern.value),
                in_words(days)
            ),
            severity: Severity::Medium,
            observations: vec![from.clone()],
            remediation: "ALTER SYSTEM SET log_filename = 'postgresql-%Y-%m-%d_%H%M%S.log';".to_owned(),
        });
        Ok(Verdict::assessed(
            3,
            "settings of rotation",
            findings.into_iter().collect(),
        ))
    }
}

fn in_words(days: u32) -> String {
    match days {
        0 => "less than a day".to_owned(),
        1 => "a day".to_owned(),
        days => format!("{days} days"),
    }
}

/// After how many days a name that the pattern makes comes back with another day's records; 0 is less than a day. `None`: never,
/// or the name is always the same, and then the server appends to it.
fn days_until_it_returns(pattern: &str) -> Option<u32> {
    let mut escapes = Vec::new();
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        if c == '%' {
            // Modifiers of strftime: `%-d`, `%_d`, `%Ey`, `%Od`.
            let escape = characters.find(|c| !matches!(c, '-' | '_' | '^' | '#' | '0' | 'E' | 'O'));
            escapes.extend(escape.filter(|escape| !matches!(escape, '%' | 'n' | 't')));
        }
    }
    let has = |any: &str| any.chars().any(|escape| escapes.contains(&escape));
    if escapes.is_empty() || has("YyGgsDFxc+") {
        return None;
    }
    if has("jmbBhUVW") {
        return Some(365);
    }
    if has("de") {
        return Some(28);
    }
    if has("aAuw") {
        return Some(7);
    }
    if has("HIklrRTXp") {
        return Some(1);
    }
    has("MS").then_some(0)
}

#[cfg(test)]
mod tests {
    use super::days_until_it_returns;

    #[test]
    fn names_come_back_after_the_coarsest_unit_in_them() {
        for (pattern, days) in [
            ("postgresql-%Y-%m-%d_%H%M%S.log", None),
            ("postgresql-%y%m%d.log", None),
            ("%F.log", None),
            ("%s.log", None),
            ("postgresql.log", None),
            ("100%%.log", None),
            ("postgresql-%j.log", Some(365)),
            ("postgresql-%m-%d.log", Some(365)),
            ("postgresql-%d.log", Some(28)),
            ("postgresql-%-d.log", Some(28)),
            ("postgresql-%a.log", Some(7)),
            ("postgresql-%a-%H.log", Some(7)),
            ("postgresql-%H.log", Some(1)),
            ("%M.log", Some(0)),
            ("%", None),
        ] {
            assert_eq!(days_until_it_returns(pattern), days, "{pattern}");
        }
    }
}
