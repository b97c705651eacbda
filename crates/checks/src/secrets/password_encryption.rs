//! How new passwords will be stored.

use crate::check::{Check, declare_check};
use crate::context::Context;
use crate::logging::variants::variants;
use pgattest_model::ident::visible;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};

declare_check! {
    /// ## What it checks
    /// `password_encryption` is `scram-sha-256` for the cluster and wherever a role or database has a value of its own
    /// (`ALTER ROLE .. SET`, `ALTER DATABASE .. SET`). An override that no session starts with, because its role cannot log in or
    /// its database accepts no connections, is of low severity.
    ///
    /// Everybody may change it for the own session; nothing prevents that. How the passwords that exist are stored is
    /// `password-verifiers`' subject.
    ///
    /// ## Why it matters
    /// The next password that is set is stored this way. An MD5 verifier is as good as the password to whoever reads it from a
    /// backup. An override is the usual trace of an old client that somebody once helped along.
    ///
    /// ## How to fix it
    /// `ALTER SYSTEM SET password_encryption = 'scram-sha-256';` (the default from 14) and reload; `ALTER ROLE app RESET
    /// password_encryption;` for the others. Passwords that were set before have to be set again.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 20.3.2, Authentication: `password_encryption`; chapter 21.5, Password Authentication
    ///   (numbers of version 15)
    pub PasswordEncryption {
        id: "SEC-06",
        name: "password-encryption",
        title: "New passwords are stored as SCRAM-SHA-256, whoever sets them",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_1],
        area: Area::Authentication,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

const NAME: &str = "password_encryption";
const SCRAM: &str = "scram-sha-256";

impl Check for PasswordEncryption {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let values = variants(context, NAME)?
            .ok_or_else(|| Missing::because(format!("this server has no setting `{NAME}`")))?;
        let count = values.len();
        let findings = values
            .into_iter()
            .filter(|variant| !variant.value.eq_ignore_ascii_case(SCRAM))
            .map(|variant| Finding {
                cause: "new passwords are not stored as SCRAM-SHA-256".to_owned(),
                // Up to 13 the old booleans are taken too, and mean MD5.
                detail: format!(
                    "{NAME}, from {}, is '{}'{}",
                    variant.origin,
                    visible(variant.value),
                    if variant.used {
                        ""
                    } else {
                        ", although no session starts with it today"
                    }
                ),
                severity: if variant.used {
                    Severity::Medium
                } else {
                    Severity::Low
                },
                remediation: variant.remedy(NAME, SCRAM),
                observations: variant.seen_in,
                subject: Subject::cluster(SubjectKind::Setting, variant.subject),
            })
            .collect();
        Ok(Verdict::assessed(
            count,
            "values of password_encryption",
            findings,
        ))
    }
}
