//! Whether an alert reaches somebody.

use super::known::{DAY, canary_days, trusted};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict, instant,
};

/// The name of the alert that is sent on purpose.
const TEST: &str = "test";

declare_check! {
    /// ## What it checks
    /// Every alert that a rule of the trail raised was delivered, and a test alert was sent and confirmed within
    /// `logging.canary_days` (31 when nothing is said).
    ///
    /// ## Why it matters
    /// A rule that fires into a webhook that nobody renewed is worse than none: it is written down as a control. Delivered means that
    /// the receiver said so; that somebody looked is for the on-call tool to show.
    ///
    /// ## How to fix it
    /// `pgattest trail detect --test` sends one and says what came back.
    ///
    /// ## References
    /// - docs/trail/detect.md
    pub AlertDelivery {
        id: "MON-06",
        name: "alert-delivery",
        title: "Alerts are delivered, and that is tried every month",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc7_3],
        area: Area::LogReview,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for AlertDelivery {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let trail = trusted(context)?;
        let rules = context.facts.trail_rules.here()?;
        let finding = |rule: &str, cause: &str, detail, severity| Finding {
            subject: Subject::cluster(SubjectKind::AlertRule, rule),
            cause: cause.to_owned(),
            detail,
            severity,
            observations: vec![rules.from.clone()],
            remediation: "pgattest trail detect --test -- says what the receiver answered"
                .to_owned(),
        };
        let mut findings: Vec<Finding> = rules
            .value
            .iter()
            .filter(|rule| rule.undelivered > 0)
            .map(|rule| {
                finding(
                    &rule.rule,
                    "alerts were not delivered",
                    format!(
                        "{} of {} alerts of rule {} were not delivered, the last one of {}",
                        rule.undelivered,
                        rule.fired,
                        rule.rule,
                        instant(rule.last_fired)
                    ),
                    Severity::High,
                )
            })
            .collect();
        let days = canary_days(context.policy);
        let tried = rules
            .value
            .iter()
            .find(|rule| rule.rule == TEST)
            .map_or(0, |rule| rule.last_delivered);
        if trail.seen_at.saturating_sub(tried) > i64::from(days).saturating_mul(DAY) {
            let detail = match tried {
                0 => "no test alert was ever delivered".to_owned(),
                at => format!(
                    "the last test alert was delivered at {}, more than {days} days ago",
                    instant(at)
                ),
            };
            findings.push(finding(
                TEST,
                "the way of alerts was not tried lately",
                detail,
                Severity::Medium,
            ));
        }
        Ok(Verdict::assessed(
            rules.value.len().max(1),
            "rules",
            findings,
        ))
    }
}
