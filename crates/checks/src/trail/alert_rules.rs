//! Whether rules watch the trail for what has to be seen.

use super::known::trusted;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};

declare_check! {
    /// ## What it checks
    /// The collector's configuration, as the journal has it, runs a rule for each of these: bursts of failed logins, somebody made
    /// a superuser, row-level security switched off or a policy dropped, auditing weakened, a bulk read, changes of structure
    /// outside of their window. A rule counts by its name: one of your own with the name of a shipped one takes its place.
    ///
    /// ## Why it matters
    /// A log that nobody looks at shows afterwards how it happened. A rule that looks is what stands between an incident and the day
    /// on which it is noticed. The journal says which rules look, and since when, so that nobody has to be believed.
    ///
    /// ## How to fix it
    /// `[detect]` in the collector's configuration runs all shipped rules; `without` is where one is left out. That alerts arrive is
    /// judged by MON-06.
    ///
    /// ## References
    /// - docs/trail/detect.md
    pub AlertRules {
        id: "MON-05",
        name: "alert-rules",
        title: "Rules watch the trail for logins, privileges, row-level security, auditing, bulk reads and changes",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc7_2, Criterion::Cc7_3],
        area: Area::LogReview,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

/// The rules that have to look, and for what.
const REQUIRED: [(&str, &str, Severity); 6] = [
    (
        "audit-weakened",
        "auditing that is weakened",
        Severity::High,
    ),
    ("new-superuser", "new superusers", Severity::High),
    (
        "failed-login-burst",
        "bursts of failed logins",
        Severity::Medium,
    ),
    (
        "rls-weakened",
        "row-level security that is weakened",
        Severity::Medium,
    ),
    ("bulk-read", "bulk reads", Severity::Medium),
    (
        "ddl-outside-window",
        "changes of structure outside of their window",
        Severity::Medium,
    ),
];

impl Check for AlertRules {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let trail = trusted(context)?;
        if trail.configured == 0 {
            return Err(Missing::because(
                "the journal does not say which rules look: a collector of an older version wrote it",
            )
            .seen_in(trail.from.clone()));
        }
        let rules = context.facts.trail_rules.here()?;
        let looks = |wanted: &str| {
            rules
                .value
                .iter()
                .any(|rule| rule.looks && rule.rule == wanted)
        };
        let findings = REQUIRED
            .into_iter()
            .filter(|(rule, ..)| !looks(rule))
            .map(|(rule, what, severity)| Finding {
                subject: Subject::cluster(SubjectKind::AlertRule, rule),
                cause: "no rule looks".to_owned(),
                detail: format!(
                    "the collector of trail {} runs no rule {rule}: nobody is told of {what}",
                    trail.instance
                ),
                severity,
                observations: vec![rules.from.clone()],
                remediation:
                    "[detect] in the collector's configuration runs it, unless `without` names it"
                        .to_owned(),
            })
            .collect();
        Ok(Verdict::assessed(
            REQUIRED.len(),
            "rules that have to look",
            findings,
        ))
    }
}
