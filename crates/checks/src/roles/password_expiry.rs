//! Passwords without an end, where the policy wants one.

use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{Oid, Role, VerifierKind};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::BTreeSet;

declare_check! {
    /// ## What it checks
    /// Where the policy wants passwords to end (`passwords_expire = true` under `[access]` in `pgattest.toml`): every login role
    /// with a password has a `VALID UNTIL`, superusers included. `infinity` is none. A role without a password, or without `LOGIN`,
    /// has none to end. Without that line in the policy the check does not apply: whether passwords should expire at all is a
    /// decision, and for services it is often a worse one than rotation.
    ///
    /// Only whether a password is stored leaves the server, never the password. How far in the future the end may be is not judged.
    ///
    /// ## Why it matters
    /// A policy that says passwords end, and roles whose passwords do not, is an exception that the auditor finds in one query.
    ///
    /// ## How to fix it
    /// Set a new password and its end together: `\password app` in psql, then
    /// `ALTER ROLE app VALID UNTIL '2027-01-01';`, with the date of the next rotation. When it has passed the role cannot log in with
    /// that password: let somebody be warned before.
    ///
    /// ## References
    /// - PostgreSQL documentation, SQL command ALTER ROLE (`VALID UNTIL`)
    pub PasswordExpiry {
        id: "ROL-21",
        name: "password-expiry",
        title: "Every password has an end, where the policy wants one",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_1],
        area: Area::Authentication,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for PasswordExpiry {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        if !context.policy.access.passwords_expire {
            return Ok(Verdict::NotApplicable(
                "the policy does not want passwords to expire (access.passwords_expire)".to_owned(),
            ));
        }
        let roles = context.facts.roles.here()?;
        let verifiers = context.facts.verifiers.here()?;
        let with_password: BTreeSet<Oid> = verifiers
            .iter()
            .filter(|verifier| verifier.kind != VerifierKind::None)
            .map(|verifier| verifier.role)
            .collect();
        let tested: Vec<&Role> = roles
            .iter()
            .filter(|role| role.can_login && with_password.contains(&role.oid))
            .collect();
        if tested.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no login role has a password".to_owned(),
            ));
        }
        let observations = [roles.from.clone(), verifiers.from.clone()];
        let findings = tested
            .iter()
            .filter(|role| matches!(role.valid_until.as_str(), "" | "infinity"))
            .map(|role| finding(role, &observations))
            .collect();
        Ok(Verdict::assessed(
            tested.len(),
            "login roles with a password",
            findings,
        ))
    }
}

fn finding(role: &Role, observations: &[ObservationId]) -> Finding {
    let name = quote_ident(&role.name);
    Finding {
        cause: "a password has no end".to_owned(),
        detail: format!("role {name} has a password and no VALID UNTIL"),
        severity: Severity::Medium,
        observations: observations.to_vec(),
        remediation: format!(
            "ALTER ROLE {name} VALID UNTIL the date of the next rotation, with a new password"
        ),
        subject: Subject::cluster(SubjectKind::Role, name),
    }
}
