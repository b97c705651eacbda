//! Rules that an earlier rule leaves nothing to decide.

use super::engine::{Engine, place};
use super::shadow::Shadow;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::hba::{Reach, Rule};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};

declare_check! {
    /// ## What it checks
    /// Every rule of `pg_hba.conf` that lets somebody in has something left to decide. The first rule that matches decides, so a
    /// rule whose every attempt matches an earlier one is never used, whatever it says. A finding names the rules that stand before
    /// it. It is medium where one of them asks less of the client than the shadowed rule does (`trust`, or a connection without
    /// TLS where the rule says `hostssl`): whoever wrote the rule believes in a protection that is not there. Otherwise it is low.
    ///
    /// Rules that refuse and never fire are another check's business (HBA-06). A rule whose user list or database list matches
    /// nobody and nothing today is no finding: it waits for a role or database to be made.
    ///
    /// ## Why it matters
    /// A file with dead rules is read wrongly by the people who review it, and a change to the rule in front of a dead one brings
    /// it to life.
    ///
    /// ## How to fix it
    /// Remove the rule, or move it before the ones that shadow it when it is the one that is meant; then
    /// `SELECT pg_reload_conf();`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 21.1, The `pg_hba.conf` File (numbers of version 15)
    pub ShadowedRules {
        id: "HBA-05",
        name: "shadowed-rules",
        title: "Every rule that lets somebody in has something to decide",
        severity: Severity::Low,
        criteria: &[Criterion::Cc6_6],
        area: Area::Boundary,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for ShadowedRules {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let engine = context.hba()?;
        let findings = engine
            .rules()
            .filter(|(rule, _)| !rule.rejects())
            .filter_map(|(rule, reach)| finding(rule, reach, engine))
            .collect();
        Ok(engine.verdict(findings))
    }
}

fn finding(rule: &Rule, reach: &Reach, engine: &Engine) -> Option<Finding> {
    let shadow = Shadow::over(reach, engine)?;
    let line = place(rule.source());
    let weaker = shadow.rules().any(|before| asks_less(before, rule));
    let (cause, severity) = if weaker {
        (
            "rule is never used, and what stands before it asks less",
            Severity::Medium,
        )
    } else {
        ("rule is never used", Severity::Low)
    };
    Some(Finding {
        cause: cause.to_owned(),
        detail: format!("{line} is never used: {} every attempt", shadow.decides()),
        severity,
        observations: engine.seen_in.clone(),
        remediation: format!(
            "Remove {line}, or move it before {}; then SELECT pg_reload_conf();",
            shadow.first()
        ),
        subject: Subject::cluster(SubjectKind::HbaRule, line),
    })
}

fn asks_less(before: &Rule, rule: &Rule) -> bool {
    let kind = |rule: &Rule| rule.source().connection_type.clone();
    !before.rejects()
        && ((before.asks_nothing() && !rule.asks_nothing())
            || (kind(rule) == "hostssl" && kind(before) != "hostssl"))
}
