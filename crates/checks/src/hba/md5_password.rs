//! The method `md5`, and whether anybody still uses MD5 through it.

use super::engine::{Engine, place};
use super::way::Way;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::RoleGraph;
use pgattest_access::hba::{Reach, Rule};
use pgattest_model::facts::{Oid, VerifierKind};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};
use std::collections::HashMap;

declare_check! {
    /// ## What it checks
    /// No role logs in with MD5 through a rule of `pg_hba.conf` with the method `md5`. The server answers such a rule with SCRAM
    /// when the role's password is stored as a SCRAM-SHA-256 verifier, so the word in the file says little: what counts is how the
    /// passwords of the roles that arrive at the rule are stored. A rule through which some role logs in with MD5 is high. One
    /// whose roles all have SCRAM verifiers (or no password) is low: the next role that is given an MD5 password uses it there.
    ///
    /// Rules that nobody reaches are no finding. When the kinds of the passwords cannot be read, a reached `md5` rule is low, and
    /// the check says what it could not see.
    ///
    /// ## Why it matters
    /// In the MD5 exchange whoever listens can guess the password offline, and the stored value alone is enough to log in. In
    /// PostgreSQL 18 MD5 passwords are deprecated; a later version removes them.
    ///
    /// ## How to fix it
    /// Have the listed roles set their passwords again while `password_encryption` is `scram-sha-256`, then write
    /// `scram-sha-256` in the place of `md5` and reload: `SELECT pg_reload_conf();`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 21.5, Password Authentication (numbers of version 15)
    pub Md5Password {
        id: "HBA-03",
        name: "md5-password",
        title: "No rule lets a role log in with MD5",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::Authentication,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for Md5Password {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let engine = context.hba()?;
        let graph = context.role_graph()?;
        let verifiers = context.facts.verifiers.here();
        let kinds: Option<HashMap<Oid, VerifierKind>> = verifiers.as_ref().ok().map(|seen| {
            seen.iter()
                .map(|verifier| (verifier.role, verifier.kind))
                .collect()
        });
        let mut findings: Vec<Finding> = engine
            .rules()
            .filter(|(rule, _)| rule.method() == "md5")
            .filter_map(|(rule, reach)| finding(rule, reach, kinds.as_ref(), engine, graph))
            .collect();
        let verdict = match verifiers {
            Ok(seen) => {
                for finding in &mut findings {
                    finding.observations.push(seen.from.clone());
                }
                engine.verdict(findings)
            }
            Err(missing) if findings.is_empty() => {
                // No rule says md5: how passwords are stored does not matter.
                drop(missing);
                engine.verdict(findings)
            }
            Err(missing) => engine.verdict_without(findings, missing),
        };
        Ok(verdict)
    }
}

fn finding(
    rule: &Rule,
    reach: &Reach,
    kinds: Option<&HashMap<Oid, VerifierKind>>,
    engine: &Engine,
    graph: &RoleGraph,
) -> Option<Finding> {
    let way = Way::through(rule, reach, |_, _| true)?;
    let line = place(rule.source());
    let with_md5: Vec<String> = way
        .roles(graph)
        .into_iter()
        .filter(|role| kinds.is_some_and(|kinds| kinds.get(&role.oid) == Some(&VerifierKind::Md5)))
        .map(|role| visible(&quote_ident(&role.name)))
        .collect();
    let (cause, severity, detail) = match (kinds, with_md5.as_slice()) {
        (None, _) => (
            "md5 where it could not be seen how passwords are stored",
            Severity::Low,
            format!("{line} says md5; how the passwords of its roles are stored could not be seen"),
        ),
        (Some(_), []) => (
            "md5 that is SCRAM for every role of today",
            Severity::Low,
            format!(
                "{line} says md5, which is SCRAM for every role that arrives there now, and MD5 for the next one with an MD5 password"
            ),
        ),
        (Some(_), [first, more @ ..]) => {
            let others = match more.len() {
                0 => String::new(),
                1 => " and another".to_owned(),
                more => format!(" and {more} others"),
            };
            (
                "roles log in with MD5",
                Severity::High,
                format!("{line} lets role {first}{others} log in with MD5"),
            )
        }
    };
    Some(Finding {
        cause: cause.to_owned(),
        detail: detail + way.held_back(engine.listening),
        severity: way.severity(severity, engine.listening),
        observations: engine.seen_in.clone(),
        remediation: format!(
            "In {line}, write scram-sha-256 in the place of md5, once every role that uses it has a SCRAM password; then SELECT pg_reload_conf();"
        ),
        subject: Subject::cluster(SubjectKind::HbaRule, line),
    })
}
