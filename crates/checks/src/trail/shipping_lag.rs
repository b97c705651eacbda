//! Whether records leave the machine soon.

use super::known::{findings_of, trusted};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict, instant,
};

declare_check! {
    /// ## What it checks
    /// The collector runs, and ran all the time; at least one sink is outside of the machine; and each of those has confirmed every record that was sealed
    /// longer ago than `logging.shipping_seconds` (300 when nothing is said). Confirmed means what the sink's protocol means by it:
    /// docs/trail/sinks.md says for each what that is worth.
    ///
    /// ## Why it matters
    /// Whoever takes the server over takes its log files and the trail's journal with it. What has left by then is safe from them.
    ///
    /// ## How to fix it
    /// Name a `[[sink]]` in the collector's configuration. For one that is behind: `pgattest trail sinks` says why.
    ///
    /// ## References
    /// - docs/trail/sinks.md
    pub ShippingLag {
        id: "MON-01",
        name: "shipping-lag",
        title: "Records leave the machine within minutes",
        severity: Severity::High,
        criteria: &[Criterion::Cc7_2],
        area: Area::LogProtection,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for ShippingLag {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let trail = trusted(context)?;
        let sinks = context.facts.trail_sinks.here()?;
        let defects = context.facts.trail_defects.here()?;
        let mut findings = findings_of(Self::META.id, &defects);
        if !trail.running {
            findings.push(Finding {
                subject: Subject::cluster(SubjectKind::Trail, &trail.instance),
                cause: "the collector does not run".to_owned(),
                detail: format!(
                    "the collector of trail {} wrote its last leaf at {}",
                    trail.instance,
                    instant(trail.newest_leaf)
                ),
                severity: Severity::High,
                observations: vec![trail.from.clone()],
                remediation: "pgattest trail run --config trail.toml -- as a service that restarts"
                    .to_owned(),
            });
        }
        let outside: Vec<_> = sinks.value.iter().filter(|sink| sink.outside).collect();
        if outside.is_empty() {
            findings.push(Finding {
                subject: Subject::cluster(SubjectKind::Trail, &trail.instance),
                cause: "records stay on the machine".to_owned(),
                detail: format!("the trail {} is shipped nowhere else", trail.instance),
                severity: Severity::High,
                observations: vec![sinks.from.clone()],
                remediation:
                    "name a [[sink]] outside of this machine in the collector's configuration"
                        .to_owned(),
            });
        }
        let allowed = i64::from(context.policy.logging.shipping_seconds.unwrap_or(300));
        for sink in &outside {
            let waited = trail.seen_at.saturating_sub(sink.waiting_since) / 1000;
            if sink.waiting_since == 0 || waited <= allowed {
                continue;
            }
            let error = if sink.error.is_empty() {
                String::new()
            } else {
                format!(": {}", sink.error)
            };
            findings.push(Finding {
                subject: Subject::cluster(SubjectKind::Sink, &sink.name),
                cause: "a sink is behind".to_owned(),
                detail: format!(
                    "record {} waits for {waited} s to be confirmed by {} ({}), {allowed} s are allowed{error}",
                    sink.confirmed, sink.name, sink.kind
                ),
                severity: Severity::High,
                observations: vec![sinks.from.clone()],
                remediation: "pgattest trail sinks -- says what the sink answered".to_owned(),
            });
        }
        Ok(Verdict::assessed(
            outside.len(),
            "sinks outside of the machine",
            findings,
        ))
    }
}
