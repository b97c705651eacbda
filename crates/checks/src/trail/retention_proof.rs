//! Whether records are kept as long as they must be.

use super::known::{DAY, days_to_keep, trusted};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict, instant,
};

declare_check! {
    /// ## What it checks
    /// The trail and at least one sink outside of the machine are told to keep records for `logging.retention_days` (365 when nothing
    /// is said), and the oldest record that can still be read proves it: it is that old, or as old as the trail itself. A sink that
    /// does not say how long it keeps is not assessed, and does not count.
    ///
    /// ## Why it matters
    /// A Type II report covers up to twelve months. A retention setting is a promise about the future; the oldest record that can be
    /// read today is the proof of the past.
    ///
    /// ## How to fix it
    /// `[archive] retention_days` in the collector's configuration; the log group's or bucket's own retention for a sink. What has
    /// been deleted does not come back: say so, and from when on the period is covered.
    ///
    /// ## References
    /// - PCI DSS 4.0.1, 10.5.1: twelve months, the last three at hand
    /// - docs/trail/archive.md
    pub RetentionProof {
        id: "MON-04",
        name: "retention-proof",
        title: "Records are kept as long as the policy asks, and the oldest one proves it",
        severity: Severity::High,
        criteria: &[Criterion::Cc7_2, Criterion::C1_2],
        area: Area::LogRetention,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for RetentionProof {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let trail = trusted(context)?;
        let sinks = context.facts.trail_sinks.here()?;
        let days = days_to_keep(context.policy);
        let mut findings = Vec::new();
        let mut not_seen = Vec::new();
        let mut report = |subject, from: &pgattest_model::ObservationId, cause: &str, detail| {
            findings.push(Finding {
                subject,
                cause: cause.to_owned(),
                detail,
                severity: Severity::High,
                observations: vec![from.clone()],
                remediation: format!("keep {days} days: docs/trail/archive.md says where"),
            });
        };

        let own = || Subject::cluster(SubjectKind::Trail, &trail.instance);
        if trail.retention_days < days {
            let told = match trail.retention_days {
                0 => "is not told how long to keep records".to_owned(),
                told => format!("is told to keep records for {told} days"),
            };
            let detail = format!(
                "trail {} {told}; the policy asks for {days}",
                trail.instance
            );
            report(
                own(),
                trail.from,
                "records are not kept long enough",
                detail,
            );
        }
        let age = trail.seen_at.saturating_sub(trail.oldest_record);
        if trail.oldest_record == 0 {
            not_seen.push(
                Missing::because(
                    "no record of the trail can be read, or none says when it was made",
                )
                .seen_in(trail.from.clone()),
            );
        } else if age < i64::from(days).saturating_mul(DAY)
            && trail.oldest_record > trail.began.saturating_add(DAY)
        {
            let detail = format!(
                "the trail began at {} and its oldest record is of {}",
                instant(trail.began),
                instant(trail.oldest_record)
            );
            report(own(), trail.from, "older records are gone", detail);
        }

        let outside: Vec<_> = sinks.value.iter().filter(|sink| sink.outside).collect();
        let mut kept_outside = false;
        for sink in &outside {
            if sink.retention_days == 0 {
                not_seen.push(
                    Missing::because(format!(
                        "{} ({}) does not say how long it keeps records",
                        sink.name, sink.kind
                    ))
                    .seen_in(sinks.from.clone()),
                );
            } else if sink.retention_days < days {
                let detail = format!(
                    "{} ({}) keeps records for {} days; the policy asks for {days}",
                    sink.name, sink.kind, sink.retention_days
                );
                let subject = Subject::cluster(SubjectKind::Sink, &sink.name);
                report(
                    subject,
                    sinks.from,
                    "a sink does not keep records long enough",
                    detail,
                );
            } else {
                kept_outside = true;
            }
        }
        if outside.is_empty() {
            let detail = format!("the trail {} is kept on this machine only", trail.instance);
            report(own(), sinks.from, "records are kept nowhere else", detail);
        }
        if kept_outside {
            // One that says is enough; the others may be for reading only.
            not_seen.retain(|missing| missing.observation.as_ref() != Some(sinks.from));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count: 1 + outside.len(),
                of: "places that keep records",
            },
            findings,
            not_seen,
        })
    }
}
