//! Rules for everybody and everything.

use super::engine::{Engine, place};
use super::way::Way;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::RoleGraph;
use pgattest_access::hba::{Origin, Reach, Rule};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};

declare_check! {
    /// ## What it checks
    /// No rule of `pg_hba.conf` that lets somebody in from another machine says `all` both for the users and for the databases. The
    /// finding says which logins and databases that is today. It is low, and medium when a superuser or replication is among
    /// what the rule lets in. Rules for the machine itself, rules that refuse, and rules that nobody reaches are no finding; which
    /// machines a rule admits is judged elsewhere (HBA-08).
    ///
    /// ## Why it matters
    /// Such a rule admits every role that is ever made, for every database that is ever made: a reporting login reaches the
    /// production database, a leftover login stays reachable, and nobody decided it.
    ///
    /// ## How to fix it
    /// Name the databases and the roles, best a group role per application (`+shop_logins`), so that membership decides who may
    /// connect; then `SELECT pg_reload_conf();`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 21.1, The `pg_hba.conf` File (numbers of version 15)
    pub OpenToAllRoles {
        id: "HBA-09",
        name: "open-to-all-roles",
        title: "Rules for other machines name their roles or databases",
        severity: Severity::Low,
        criteria: &[Criterion::Cc6_6],
        area: Area::Boundary,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for OpenToAllRoles {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let engine = context.hba()?;
        let findings = findings(engine, context.role_graph()?);
        Ok(engine.verdict(findings))
    }
}

pub(super) fn findings(engine: &Engine, graph: &RoleGraph) -> Vec<Finding> {
    engine
        .rules()
        .filter(|(rule, _)| !rule.rejects())
        .filter_map(|(rule, reach)| finding(rule, reach, engine, graph))
        .collect()
}

fn finding(rule: &Rule, reach: &Reach, engine: &Engine, graph: &RoleGraph) -> Option<Finding> {
    let source = rule.source();
    let says_all = |names: &[String]| names.iter().any(|name| name == "all");
    if !says_all(&source.databases) || !says_all(&source.users) {
        return None;
    }
    let way = Way::through(rule, reach, |_, origin| origin == Origin::Remote)?;
    let line = place(source);
    let (cause, severity) = if way.gives_everything(graph) {
        (
            "every role, superusers among them, may come from another machine",
            Severity::Medium,
        )
    } else {
        ("every role may come from another machine", Severity::Low)
    };
    Some(Finding {
        cause: cause.to_owned(),
        detail: way.sentence("because it says all and all,", graph)
            + way.held_back(engine.listening),
        severity: way.severity(severity, engine.listening),
        observations: engine.seen_in.clone(),
        remediation: format!(
            "In {line}, name the databases and the roles or a group (+group) that use it; then SELECT pg_reload_conf();"
        ),
        subject: Subject::cluster(SubjectKind::HbaRule, line),
    })
}
