//! What the server believes of client certificates.

use super::engine::place;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::hba::{ClientCertificate, Rule};
use pgattest_model::ident::visible;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};

declare_check! {
    /// ## What it checks
    /// Where rules of `pg_hba.conf` ask for client certificates (method `cert`, or the option `clientcert`):
    ///
    /// - a certificate names the role that logs in: a rule with `clientcert=verify-ca` takes anybody's certificate for any role,
    ///   as far as the certificate goes (low: the rule's method still asks for its own proof);
    /// - certificates are issued by an authority of your own: a bundle of public authorities in `ssl_ca_file` (below
    ///   `/etc/ssl`, `/etc/pki` or `/usr/share/ca-certificates`) accepts what any of them signs (high);
    /// - a certificate can be taken back: neither `ssl_crl_file` nor `ssl_crl_dir` is set (medium).
    ///
    /// Whether the revocation list in the file is fresh cannot be seen from SQL.
    ///
    /// ## Why it matters
    /// A certificate that any public authority signs, or that stays valid after its key was stolen, is no proof of who connects.
    ///
    /// ## How to fix it
    /// Write `clientcert=verify-full`, point `ssl_ca_file` at the private authority that issues the certificates, publish its
    /// revocation list and name it in `ssl_crl_file`; then `SELECT pg_reload_conf();`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 19.9.3, Using Client Certificates (numbers of version 15)
    /// - PostgreSQL documentation, chapter 21.12, Certificate Authentication
    pub ClientCertificates {
        id: "HBA-12",
        name: "client-certificates",
        title: "Client certificates name the role, come from a private authority, and can be revoked",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_1, Criterion::Cc6_7],
        area: Area::Authentication,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

/// Where systems keep the public authorities.
const PUBLIC_AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/pki/",
    "/usr/share/ca-certificates/",
];

impl Check for ClientCertificates {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let engine = context.hba()?;
        let asking: Vec<&Rule> = engine
            .rules()
            .map(|(rule, _)| rule)
            .filter(|rule| rule.client_certificate() != ClientCertificate::NotAsked)
            .collect();
        if asking.is_empty() {
            return Ok(match engine.not_seen() {
                [] => Verdict::NotApplicable("no rule asks for a client certificate".to_owned()),
                unseen => Verdict::Assessed {
                    population: Population {
                        count: 0,
                        of: POPULATION,
                    },
                    findings: Vec::new(),
                    not_seen: unseen.to_vec(),
                },
            });
        }
        let (authorities, from) = context.setting("ssl_ca_file")?;
        let (list, _) = context.setting("ssl_crl_file")?;
        // The directory came with 14.
        let directory = context.setting("ssl_crl_dir").ok();
        let mut observations = engine.seen_in.clone();
        if !observations.contains(from) {
            observations.push(from.clone());
        }
        let mut findings: Vec<Finding> = asking
            .iter()
            .filter(|rule| rule.client_certificate() == ClientCertificate::FromAuthority)
            .map(|rule| anybodys(rule, &observations))
            .collect();
        if PUBLIC_AUTHORITIES
            .iter()
            .any(|public| authorities.value.starts_with(public))
        {
            findings.push(setting(
                "ssl_ca_file",
                "client certificates of public authorities are accepted",
                format!(
                    "ssl_ca_file is {}, the public authorities of the system: whatever one of them signs is accepted",
                    visible(&authorities.value)
                ),
                Severity::High,
                "Set ssl_ca_file to the certificate of the private authority that issues client certificates; then SELECT pg_reload_conf();",
                &observations,
            ));
        }
        let revocable = !list.value.is_empty()
            || directory.is_some_and(|(setting, _)| !setting.value.is_empty());
        if !revocable {
            findings.push(setting(
                "ssl_crl_file",
                "client certificates cannot be revoked",
                "ssl_crl_file is not set, nor is ssl_crl_dir: a client certificate that was revoked is still accepted".to_owned(),
                Severity::Medium,
                "Set ssl_crl_file to the revocation list of the authority that issues client certificates; then SELECT pg_reload_conf();",
                &observations,
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count: asking.len(),
                of: POPULATION,
            },
            findings,
            not_seen: engine.not_seen().to_vec(),
        })
    }
}

const POPULATION: &str = "pg_hba rules that ask for a client certificate";

fn anybodys(rule: &Rule, observations: &[ObservationId]) -> Finding {
    let line = place(rule.source());
    Finding {
        cause: "a client certificate need not name the role".to_owned(),
        detail: format!(
            "{line} asks for a client certificate and not for one that names the role (clientcert=verify-ca)"
        ),
        severity: Severity::Low,
        observations: observations.to_vec(),
        remediation: format!(
            "In {line}, write clientcert=verify-full; then SELECT pg_reload_conf();"
        ),
        subject: Subject::cluster(SubjectKind::HbaRule, line),
    }
}

fn setting(
    name: &str,
    cause: &str,
    detail: String,
    severity: Severity,
    remediation: &str,
    observations: &[ObservationId],
) -> Finding {
    Finding {
        cause: cause.to_owned(),
        detail,
        severity,
        observations: observations.to_vec(),
        remediation: remediation.to_owned(),
        subject: Subject::cluster(SubjectKind::Setting, name),
    }
}
