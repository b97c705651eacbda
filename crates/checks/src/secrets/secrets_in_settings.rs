//! Secrets stored as settings of roles and databases.

use super::suspicion::Suspicion;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::ident::quote_parameter;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};

declare_check! {
    /// ## What it checks
    /// No `ALTER ROLE .. SET` or `ALTER DATABASE .. SET` stores what looks like a secret. It does when the value is a text with a
    /// password or token in it (a connection string, a URL, JSON, an HTTP header) or key material (a PEM block, a JSON Web Token, a
    /// long hexadecimal or base64 string), or when a customised setting
    /// (`app.api_key`) is named after a password, key, token or secret and its value is neither empty, nor yes or no, nor a
    /// number. The server's own settings never hold secrets of this kind and are judged by value alone. Values are classified
    /// inside the server and never leave it, so a finding says what the value looks like and not what it is.
    ///
    /// Not seen: a secret with an innocent name and an ordinary look, and a password of digits only. A setting that says where a
    /// secret is, or which (`app.key_alias`, `app.token_file`), is known by the last word of its name; one with another last word
    /// can be found wrongly.
    ///
    /// ## Why it matters
    /// These settings are rows of `pg_db_role_setting`, which every role in every database of the cluster can read, as can every
    /// dump made with `pg_dumpall`. A key that encrypts columns, stored beside the columns, protects nothing.
    ///
    /// ## How to fix it
    /// Removing it is not enough. Rotate the secret first, because every role could read it; then
    /// `ALTER ROLE app RESET app.api_key;`. Give secrets to the application from a secret store; let a key reach the database, if
    /// it must, as a parameter of one statement. The old value stays in the write-ahead log and backups.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 53, System Catalogs: `pg_db_role_setting` (numbers of version 15)
    /// - PostgreSQL documentation, reference pages ALTER ROLE and ALTER DATABASE
    pub SecretsInSettings {
        id: "SEC-08",
        name: "secrets-in-settings",
        title: "No setting of a role or database holds a secret",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::C1_1],
        area: Area::KeyCustody,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for SecretsInSettings {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let stored = context.facts.role_settings.here()?;
        let roles = context.facts.roles.here()?;
        let databases = context.facts.databases.here()?;
        if stored.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no setting is stored for a role or database".to_owned(),
            ));
        }
        let observations = vec![
            stored.from.clone(),
            roles.from.clone(),
            databases.from.clone(),
        ];
        let findings = stored
            .iter()
            .filter_map(|row| {
                let suspicion = Suspicion::of(&row.name, row.key_kind, row.shape)?;
                let alter = row.statement(roles.value, databases.value);
                let name = quote_parameter(&row.name);
                Some(Finding {
                    subject: Subject::cluster(SubjectKind::Setting, format!("{alter} SET {name}")),
                    cause: suspicion.cause.to_owned(),
                    detail: format!(
                        "{alter} SET {name} stores {}, which every role can read",
                        suspicion.looks_like
                    ),
                    severity: suspicion.severity,
                    observations: observations.clone(),
                    remediation: format!(
                        "{alter} RESET {name}; -- and rotate the secret: every role could read it"
                    ),
                })
            })
            .collect();
        Ok(Verdict::assessed(
            stored.len(),
            "settings of roles and databases",
            findings,
        ))
    }
}
