//! Whether the trail could have been written anew.

use super::known::{DAY, of_this_cluster};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict, instant,
};

declare_check! {
    /// ## What it checks
    /// The trail's tree is as its signed checkpoint says, every block that was looked at is as the tree says, and within the last day
    /// somebody else has confirmed a checkpoint: a witness by its signature, a time-stamping authority by a token, or an object
    /// store that keeps a copy under lock.
    ///
    /// ## Why it matters
    /// A hash chain shows that nobody changed a record in the middle. Whoever holds the key and the disk can still write the whole
    /// chain anew. What they cannot do is change the copy of its head that somebody else keeps.
    ///
    /// ## How to fix it
    /// A trail that is not intact: `pgattest trail verify` names every place; restore from a sink, and treat it as an incident.
    /// No anchor: `[seal]` in the collector's configuration names a witness or a time-stamping authority; an S3 sink with Object
    /// Lock keeps checkpoints, too.
    ///
    /// ## References
    /// - RFC 6962, Certificate Transparency; C2SP tlog-witness; RFC 3161, Time-Stamp Protocol
    pub OutsideAnchor {
        id: "MON-03",
        name: "outside-anchor",
        title: "The trail is intact, and somebody else confirmed its head within a day",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc7_2, Criterion::Cc7_3],
        area: Area::LogProtection,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for OutsideAnchor {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let trail = of_this_cluster(context)?;
        let finding = |cause: &str, detail: String, severity, remediation: &str| Finding {
            subject: Subject::cluster(SubjectKind::Trail, &trail.instance),
            cause: cause.to_owned(),
            detail,
            severity,
            observations: vec![trail.from.clone()],
            remediation: remediation.to_owned(),
        };
        let mut findings = Vec::new();
        if !trail.intact {
            findings.push(finding(
                "the trail is not as it was signed",
                trail.intact_why.clone(),
                Severity::Critical,
                "pgattest trail verify -- names every place; restore it from a sink, and treat it as an incident",
            ));
        }
        let name =
            "[seal] in the collector's configuration names a witness or a time-stamping authority";
        if trail.anchored == 0 {
            findings.push(finding(
                "nobody else holds the trail's head",
                format!(
                    "no checkpoint of trail {} was confirmed by anybody outside",
                    trail.instance
                ),
                Severity::Medium,
                name,
            ));
        } else if trail.seen_at.saturating_sub(trail.anchored) > DAY {
            findings.push(finding(
                "nobody else has confirmed the trail's head for more than a day",
                format!(
                    "the last checkpoint that {} confirmed is of {}",
                    trail.anchored_by,
                    instant(trail.anchored)
                ),
                Severity::Medium,
                name,
            ));
        }
        Ok(Verdict::assessed(1, "trails", findings))
    }
}
