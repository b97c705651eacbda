//! Login roles without a password.

use crate::check::{Check, declare_check};
use crate::context::Context;
use crate::hba::Ways;
use pgattest_model::facts::{Oid, Role, VerifierKind};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::HashMap;

declare_check! {
    /// ## What it checks
    /// Every role that can log in either has a password, or `pg_hba.conf` lets it in by another proof (`peer`, `cert`, `gss` ..).
    /// A role without a password that a `trust` rule lets in needs nothing at all: high. A role without a password whose every
    /// rule asks for one cannot log in: low, because the next `ALTER ROLE .. PASSWORD` or the next rule brings a forgotten login to
    /// life. A role that no rule lets in is no finding.
    ///
    /// ## Why it matters
    /// A login without a password is a leftover, a mistake in provisioning, or proof that something trusts it blindly. Nobody can be
    /// held to account for what comes through it.
    ///
    /// ## How to fix it
    /// `ALTER ROLE app NOLOGIN;` when nobody uses it. Otherwise give it a password (`\password app` in psql never sends it in
    /// clear) or a rule with another proof, and take `trust` out of its way.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 21.3, Authentication Methods (numbers of version 15)
    /// - PostgreSQL documentation, chapter 22.2, Role Attributes
    pub PasswordlessLogins {
        id: "SEC-03",
        name: "passwordless-logins",
        title: "Every login role has a password or another proof of who it is",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::Authentication,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

/// The cause of a finding about a role that cannot log in as things are.
pub const CANNOT_LOG_IN: &str = "login role has no password, and its rules ask for one";

impl Check for PasswordlessLogins {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let roles = context.facts.roles.here()?;
        let verifiers = context.facts.verifiers.here()?;
        let ways = Ways::of(context.hba()?);
        let kinds: HashMap<Oid, VerifierKind> = verifiers
            .iter()
            .map(|verifier| (verifier.role, verifier.kind))
            .collect();
        let mut observations = context.hba()?.seen_in().to_vec();
        observations.push(verifiers.from.clone());
        let mut not_seen = context.hba()?.not_seen().to_vec();
        let (mut findings, mut count) = (Vec::new(), 0);
        for role in roles.iter().filter(|role| role.can_login) {
            count += 1;
            match kinds.get(&role.oid) {
                Some(VerifierKind::None) => findings.extend(finding(role, &ways, &observations)),
                Some(_) => {}
                None => not_seen.push(Missing::because(format!(
                    "how the password of role {} is stored was not among what was read",
                    quote_ident(&role.name)
                ))),
            }
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "login roles",
            },
            findings,
            not_seen,
        })
    }
}

fn finding(role: &Role, ways: &Ways, observations: &[ObservationId]) -> Option<Finding> {
    let name = quote_ident(&role.name);
    let (cause, severity, detail) = if let Some(line) = ways.without_proof(role.oid) {
        (
            "login role has no password and needs none",
            Severity::High,
            format!("{name} has no password, and {line} lets it in without any proof"),
        )
    } else if ways.only_with_password(role.oid) {
        (
            CANNOT_LOG_IN,
            Severity::Low,
            format!(
                "{name} has no password, and every rule that it arrives at asks for one: it cannot log in"
            ),
        )
    } else {
        return None;
    };
    Some(Finding {
        cause: cause.to_owned(),
        detail,
        severity,
        observations: observations.to_vec(),
        remediation: if role.superuser {
            // NOLOGIN on the last superuser locks everybody out.
            format!("Give {name} a password with \\password in psql, or let it in by peer only")
        } else {
            format!("ALTER ROLE {name} NOLOGIN; or give it a password with \\password in psql")
        },
        subject: Subject::cluster(SubjectKind::Role, name),
    })
}
