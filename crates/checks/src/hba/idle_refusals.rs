//! Rules that refuse, and never do.

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
    /// Every `reject` rule of `pg_hba.conf` can refuse somebody. The first rule that matches decides: a refusal that stands after
    /// rules which take everything it names never happens. It is a finding when one of the rules before it lets somebody in: then
    /// attempts that the file seems to refuse are let in. A refusal that only repeats an earlier refusal is no finding.
    ///
    /// ## Why it matters
    /// A `reject` line is written to keep somebody out. In the wrong place it keeps nobody out, and the file still reads as if it
    /// did.
    ///
    /// ## How to fix it
    /// Move the rule before the ones that shadow it, and reload: `SELECT pg_reload_conf();`. Remove it when it is a last line that
    /// only says again what happens anyway: an attempt that matches no rule is refused.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 21.1, The `pg_hba.conf` File (numbers of version 15)
    pub IdleRefusals {
        id: "HBA-06",
        name: "idle-refusals",
        title: "Every refusal in pg_hba.conf can refuse somebody",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_6],
        area: Area::Boundary,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for IdleRefusals {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let engine = context.hba()?;
        let findings = engine
            .rules()
            .filter(|(rule, _)| rule.rejects())
            .filter_map(|(rule, reach)| finding(rule, reach, engine))
            .collect();
        Ok(engine.verdict(findings))
    }
}

fn finding(rule: &Rule, reach: &Reach, engine: &Engine) -> Option<Finding> {
    let shadow = Shadow::over(reach, engine)?;
    if shadow.rules().all(Rule::rejects) {
        return None;
    }
    let line = place(rule.source());
    Some(Finding {
        cause: "refusal that never refuses anybody".to_owned(),
        detail: format!("{line} refuses nobody: {} every attempt", shadow.decides()),
        severity: Severity::Medium,
        observations: engine.seen_in.clone(),
        remediation: format!(
            "Move {line} before {}; then SELECT pg_reload_conf();",
            shadow.first()
        ),
        subject: Subject::cluster(SubjectKind::HbaRule, line),
    })
}
