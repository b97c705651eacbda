//! Passwords that the server passes on to a directory.

use super::engine::{Engine, place};
use super::way::Way;
use crate::check::{Check, declare_check};
use crate::context::Context;
use crate::transport::is_loopback;
use pgattest_access::hba::{Reach, Rule};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};

declare_check! {
    /// ## What it checks
    /// Rules of `pg_hba.conf` with the methods `ldap` and `radius`, which give the user's password to another server:
    ///
    /// - an `ldap` rule through which somebody logs in encrypts the way to the directory (`ldaptls=1` or `ldapscheme=ldaps`), unless
    ///   the directory is on the same machine: high;
    /// - no directory password stands in the file (`ldapbindpasswd`): medium;
    /// - no `radius` rule lets anybody in: RADIUS over UDP hides the password with MD5 and a secret that stands in the file, and its
    ///   answers can be forged (CVE-2024-3596): medium.
    ///
    /// The secrets themselves never leave the server: only that the option is there is known.
    ///
    /// ## Why it matters
    /// The password of a directory opens more than the database. On its way from the database server to the directory it is in
    /// clear unless the rule says otherwise, whatever TLS the client used. Secrets in `pg_hba.conf` are in every backup of the
    /// configuration and visible to every superuser.
    ///
    /// ## How to fix it
    /// Write `ldapscheme=ldaps` or `ldaptls=1`; bind as the user (`ldapprefix`/`ldapsuffix`) or anonymously instead of with a
    /// password in the file; replace `radius` by `ldap` over TLS, GSSAPI, OAuth (18) or certificates.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 21.10, LDAP Authentication, and 21.11, RADIUS Authentication (numbers of version 15)
    /// - CVE-2024-3596
    pub DirectoryLogins {
        id: "HBA-13",
        name: "directory-logins",
        title: "Passwords go to a directory encrypted, and no directory secret stands in the file",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::Cc6_7],
        area: Area::Authentication,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for DirectoryLogins {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let engine = context.hba()?;
        let rules: Vec<_> = engine
            .rules()
            .filter(|(rule, _)| matches!(rule.method(), "ldap" | "radius"))
            .collect();
        if rules.is_empty() && engine.not_seen().is_empty() {
            return Ok(Verdict::NotApplicable(
                "no rule passes passwords on to a directory".to_owned(),
            ));
        }
        let findings = rules
            .iter()
            .flat_map(|(rule, reach)| findings(rule, reach, engine))
            .collect();
        Ok(Verdict::Assessed {
            population: Population {
                count: rules.len(),
                of: "pg_hba rules with ldap or radius",
            },
            findings,
            not_seen: engine.not_seen().to_vec(),
        })
    }
}

fn findings(rule: &Rule, reach: &Reach, engine: &Engine) -> Vec<Finding> {
    let line = place(rule.source());
    let finding = |cause: &str, detail: &str, severity: Severity, remedy: &str| Finding {
        cause: cause.to_owned(),
        detail: format!("{line} {detail}"),
        severity,
        observations: engine.seen_in.clone(),
        remediation: format!("In {line}, {remedy}; then SELECT pg_reload_conf();"),
        subject: Subject::cluster(SubjectKind::HbaRule, line.clone()),
    };
    let is_used = Way::through(rule, reach, |_, _| true).is_some();
    let mut found = Vec::new();
    if rule.method() == "ldap" {
        if is_used && !is_encrypted(rule) && !is_here(rule) {
            found.push(finding(
                "passwords go to the directory in clear",
                "sends the password of whoever logs in to the directory without encryption",
                Severity::High,
                "write ldapscheme=ldaps or ldaptls=1",
            ));
        }
        let has_secret = rule
            .source()
            .options
            .iter()
            .any(|option| option.name == "ldapbindpasswd");
        if has_secret {
            found.push(finding(
                "a directory password stands in pg_hba.conf",
                "holds the password that the server binds to the directory with (ldapbindpasswd)",
                Severity::Medium,
                "bind as the user (ldapprefix and ldapsuffix) or anonymously, and change the password that stood there",
            ));
        }
    } else if is_used {
        found.push(finding(
            "passwords go to a RADIUS server",
            "sends the password of whoever logs in to a RADIUS server, hidden with MD5 only",
            Severity::Medium,
            "use ldap over TLS, gss, cert or, from PostgreSQL 18, oauth in the place of radius",
        ));
    }
    found
}

fn is_encrypted(rule: &Rule) -> bool {
    let says = |name: &str, values: [&str; 2]| {
        rule.source()
            .option(name)
            .is_some_and(|value| values.contains(&value))
    };
    says("ldaptls", ["true", "1"]) || says("ldapscheme", ["ldaps", "LDAPS"])
}

/// Whether every directory is on the same machine. Without a server, the library asks the one it was built to ask.
fn is_here(rule: &Rule) -> bool {
    rule.source().option("ldapserver").is_some_and(|servers| {
        let mut servers = servers.split_whitespace().peekable();
        servers.peek().is_some() && servers.all(is_loopback)
    })
}
