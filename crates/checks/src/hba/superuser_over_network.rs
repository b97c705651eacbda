//! Superusers that can log in over the network.

use super::engine::{Engine, place};
use super::way::Way;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::RoleGraph;
use pgattest_access::hba::{Arrival, ClientCertificate, Connection, Origin, Reach, Rule};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};
use std::collections::BTreeSet;

declare_check! {
    /// ## What it checks
    /// No superuser can log in from another machine. Every rule of `pg_hba.conf` is followed as the server follows it, with `all`
    /// and groups resolved to the roles that are superuser. It is high, and medium where the rule asks for a client certificate that
    /// names the role. Superusers in `access.break_glass` of `pgattest.toml` may come over TLS or GSSAPI encryption.
    ///
    /// Roles that become superuser after they have logged in are ROL-02's business.
    ///
    /// ## Why it matters
    /// A superuser passes every privilege, every policy and the audit log itself. Reachable from the network, one guessed or
    /// stolen password is the whole cluster. Over the Unix socket it takes an account on the machine first.
    ///
    /// ## How to fix it
    /// Put a rule that refuses before the ones that let them in, one for each superuser: `host all postgres all reject`, or better,
    /// name the application's roles in the rules instead of `all`. Administer over the socket (`local all postgres peer`); then
    /// `SELECT pg_reload_conf();`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 21.1, The `pg_hba.conf` File (numbers of version 15)
    pub SuperuserOverNetwork {
        id: "HBA-10",
        name: "superuser-over-network",
        title: "No superuser can log in from another machine",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::Cc6_6],
        area: Area::Authentication,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for SuperuserOverNetwork {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let engine = context.hba()?;
        let approved = context
            .policy
            .access
            .break_glass
            .clone()
            .unwrap_or_default();
        let findings = findings(engine, context.role_graph()?, &approved);
        Ok(engine.verdict(findings))
    }
}

pub(super) fn findings(
    engine: &Engine,
    graph: &RoleGraph,
    approved: &BTreeSet<String>,
) -> Vec<Finding> {
    engine
        .rules()
        .filter(|(rule, _)| !rule.rejects())
        .filter_map(|(rule, reach)| finding(rule, reach, engine, graph, approved))
        .collect()
}

fn finding(
    rule: &Rule,
    reach: &Reach,
    engine: &Engine,
    graph: &RoleGraph,
    approved: &BTreeSet<String>,
) -> Option<Finding> {
    let way = Way::through(rule, reach, |_, origin| origin == Origin::Remote)?;
    let superusers: BTreeSet<String> = reach
        .arrivals()
        .iter()
        .filter(|arrival| arrival.origin == Origin::Remote)
        .flat_map(|arrival| refused(arrival, graph, approved))
        .collect();
    let first = superusers.first()?;
    let others = match superusers.len() - 1 {
        0 => String::new(),
        1 => " and another superuser".to_owned(),
        more => format!(" and {more} other superusers"),
    };
    let severity = match rule.client_certificate() {
        ClientCertificate::NamesRole => Severity::Medium,
        ClientCertificate::FromAuthority | ClientCertificate::NotAsked => Severity::High,
    };
    let line = place(rule.source());
    let verb = if way.is_certain() { "lets" } else { "may let" };
    Some(Finding {
        cause: "superuser can log in from another machine".to_owned(),
        detail: format!(
            "{line} {verb} superuser {first}{others} in from {} with method {}{}",
            way.from(),
            visible(rule.method()),
            way.held_back(engine.listening)
        ),
        severity: way.severity(severity, engine.listening),
        observations: engine.seen_in.clone(),
        remediation: format!(
            "Before {line}, refuse each superuser (host all NAME all reject), or name the other roles in it instead; then SELECT pg_reload_conf();"
        ),
        subject: Subject::cluster(SubjectKind::HbaRule, line),
    })
}

/// Superusers that arrive and should not, by name.
fn refused(arrival: &Arrival, graph: &RoleGraph, approved: &BTreeSet<String>) -> Vec<String> {
    let encrypted = matches!(arrival.connection, Connection::Tls | Connection::Gss);
    arrival
        .roles
        .iter()
        .filter_map(|&oid| graph.role(oid))
        .filter(|role| role.superuser && !(encrypted && approved.contains(&role.name)))
        .map(|role| visible(&quote_ident(&role.name)))
        .collect()
}
