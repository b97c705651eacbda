//! Secrets in the configuration files.

use super::suspicion::Suspicion;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{FileSetting, KeyKind, Shape};
use pgattest_model::ident::quote_parameter;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};

declare_check! {
    /// ## What it checks
    /// No line of `postgresql.conf`, of the files it includes or of `postgresql.auto.conf` holds what looks like a secret, in force or
    /// not. Customised settings (`app.api_key`, `vault.token`) are judged by name and value, as `secrets-in-settings` does; the
    /// server's own settings, and commands in them, by value alone: a URL, a connection string or a header with a password or token.
    /// `primary_conninfo` is left to a check of its own. Values are classified inside the server and never leave it.
    ///
    /// Not seen: a secret with an innocent name and an ordinary look, one in a comment, and one given on the command line.
    ///
    /// ## Why it matters
    /// Every role can read a customised setting with `SHOW`. The files are copied with every base backup, into configuration
    /// management and its repository, and into support tickets.
    ///
    /// ## How to fix it
    /// Rotate the secret first; then remove the line (`ALTER SYSTEM RESET app.api_key;` for one in `postgresql.auto.conf`) and reload.
    /// Let an archive command read its credential from a file or the environment.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 20.1.2, Parameter Interaction via the Configuration File; chapter 20.16, Customized Options
    ///   (numbers of version 15)
    pub SecretsInFiles {
        id: "SEC-09",
        name: "secrets-in-files",
        title: "No configuration file holds a secret",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::C1_1],
        area: Area::KeyCustody,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for SecretsInFiles {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let all = context.facts.file_settings.here()?;
        // A setting that is in force and in no file any more has a row without a file.
        let lines: Vec<&FileSetting> = all.iter().filter(|line| !line.file.is_empty()).collect();
        let findings = lines
            .iter()
            .filter_map(|line| finding(line, all.from))
            .collect();
        Ok(Verdict::assessed(
            lines.len(),
            "lines of configuration files",
            findings,
        ))
    }
}

fn finding(line: &FileSetting, from: &ObservationId) -> Option<Finding> {
    let suspicion = suspicion(&line.name, line.key_kind, line.shape)?;
    let name = quote_parameter(&line.name);
    let file = line.file.rsplit(['/', '\\']).next().unwrap_or_default();
    let everybody = if line.name.contains('.') {
        ", which every role can read once it is loaded"
    } else {
        ""
    };
    Some(Finding {
        subject: Subject::cluster(SubjectKind::Setting, format!("{name} in {file}")),
        cause: suspicion.cause.to_owned(),
        detail: format!(
            "{name} in {file}, line {}, holds {}{everybody}",
            line.line, suspicion.looks_like
        ),
        severity: suspicion.severity,
        observations: vec![from.clone()],
        remediation: if file == "postgresql.auto.conf" {
            format!("ALTER SYSTEM RESET {name}; -- and rotate the secret")
        } else {
            format!(
                "rotate the secret, then remove line {} of {}",
                line.line, line.file
            )
        },
    })
}

/// A server's own setting may look like key material and be a list of ciphers; a connection string in it is one.
fn suspicion(name: &str, key_kind: KeyKind, shape: Shape) -> Option<Suspicion> {
    let is_own = !name.contains('.');
    if name.eq_ignore_ascii_case("primary_conninfo")
        || is_own && shape != Shape::ConnectionWithPassword
    {
        return None;
    }
    Suspicion::of(name, key_kind, shape)
}

#[cfg(test)]
mod tests {
    use super::suspicion;
    use pgattest_model::facts::{KeyKind, Shape};

    #[test]
    fn the_servers_own_settings_are_judged_by_value_alone() {
        let is_found = |name, shape| suspicion(name, KeyKind::Secret, shape).is_some();
        assert!(is_found("archive_command", Shape::ConnectionWithPassword));
        assert!(!is_found("archive_command", Shape::Text));
        assert!(!is_found("ssl_ciphers", Shape::KeyMaterial));
        assert!(!is_found("primary_conninfo", Shape::ConnectionWithPassword));
        assert!(is_found("app.key", Shape::KeyMaterial));
    }
}
