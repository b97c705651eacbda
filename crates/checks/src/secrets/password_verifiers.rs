//! Passwords that are not stored as SCRAM-SHA-256.

use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{Oid, Role, VerifierKind};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::HashMap;

declare_check! {
    /// ## What it checks
    /// Every role that can log in and has a password stores it as a SCRAM-SHA-256 verifier. The verifier itself never leaves
    /// the server: its kind is worked out inside the query. Roles that cannot log in, and roles without a password, are not part
    /// of the population.
    ///
    /// ## Why it matters
    /// An MD5 verifier is as good as the password: whoever reads it, from a backup or a copy of the data directory, can log in
    /// with it wherever the server accepts MD5, and can guess the password behind it billions of times a second. The salt is the
    /// role's name. A value that is neither kind lets nobody log in, and may be a password in clear.
    ///
    /// ## How to fix it
    /// Set `password_encryption = 'scram-sha-256'` (the default from PostgreSQL 14), then have each listed role set its password
    /// again, best with `\password` in psql, which never sends it in clear. A stored verifier cannot be converted: only who
    /// knows the password can do this. Clients older than 2018 may not speak SCRAM. Then use `scram-sha-256` in `pg_hba.conf`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 21.5, Password Authentication (numbers of version 15)
    pub PasswordVerifiers {
        id: "SEC-01",
        name: "password-verifiers",
        title: "Every password is stored as a SCRAM-SHA-256 verifier",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::Authentication,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for PasswordVerifiers {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let roles = context.facts.roles.here()?;
        let verifiers = context.facts.verifiers.here()?;
        let kinds: HashMap<Oid, VerifierKind> = verifiers
            .iter()
            .map(|verifier| (verifier.role, verifier.kind))
            .collect();
        let observations = [roles.from.clone(), verifiers.from.clone()];
        let mut findings = Vec::new();
        let mut not_seen = Vec::new();
        let mut count = 0;
        for role in roles.iter().filter(|role| role.can_login) {
            match kinds.get(&role.oid) {
                Some(VerifierKind::None) => {}
                Some(kind) => {
                    count += 1;
                    findings.extend(finding(role, *kind, &observations));
                }
                None => not_seen.push(Missing::because(format!(
                    "how the password of role {} is stored was not among what was read",
                    quote_ident(&role.name)
                ))),
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no role that can log in has a password".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "login roles with a password",
            },
            findings,
            not_seen,
        })
    }
}

fn finding(role: &Role, kind: VerifierKind, observations: &[ObservationId]) -> Option<Finding> {
    let name = quote_ident(&role.name);
    let (cause, what) = match kind {
        VerifierKind::Md5 => ("password stored as MD5", "an MD5 verifier"),
        VerifierKind::Other => (
            "password stored in an unknown form",
            "something that is neither SCRAM-SHA-256 nor MD5",
        ),
        VerifierKind::ScramSha256 | VerifierKind::None => return None,
    };
    Some(Finding {
        cause: cause.to_owned(),
        detail: format!("the password of role {name} is stored as {what}"),
        severity: Severity::High,
        observations: observations.to_vec(),
        remediation: format!(
            "With password_encryption at 'scram-sha-256', have the password set again by whoever knows it: \\password {name} in psql"
        ),
        subject: Subject::cluster(SubjectKind::Role, name),
    })
}
