//! The certificate that clients are shown.

use super::tried::{NO_TLS, Offer, tried};
use super::{NO_TCP, is_loopback};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::Certificate;
use pgattest_model::ident::quote_literal;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::BTreeSet;

declare_check! {
    /// ## What it checks
    /// The certificates that the server shows in a handshake, at the moment of the audit (the collector's clock, which the evidence
    /// records): each is valid now and for 30 days more, or `transport.certificate_days`; its key is RSA of 2048 bits, EC of 256, or
    /// better; it is not signed over MD5 or SHA-1; the server's own one names the server and is not merely self-signed.
    ///
    /// The names are those in `transport.certificate_names`. When none are declared it is the name that the audit connected
    /// to, or its address; a certificate that does not have the *address* need not be wrong, because clients may use a name: then the
    /// check asks for the names to be declared. The chain is verified when the connection has a root certificate (`sslrootcert`, or
    /// `~/.postgresql/root.crt`); a private CA is as good as a public one.
    ///
    /// ## Why it matters
    /// Encryption without a certificate that clients can verify protects against listening, not against somebody who answers in the
    /// server's place. A certificate that is over, or names another host, breaks every client that verifies, and teaches people to turn verification
    /// off.
    ///
    /// ## How to fix it
    /// Issue a certificate with every name that clients use as a DNS alternative name, from a CA whose root the clients have; put it, followed by
    /// the intermediate certificates, into `ssl_cert_file`, its key into `ssl_key_file`, and `SELECT pg_reload_conf();`: new connections get it, no
    /// restart is needed. Have clients connect with `sslmode=verify-full`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 19.9.5, Creating Certificates
    /// - PostgreSQL documentation, chapter 34.19.1, Client Verification of Server Certificates
    pub ServerCertificate {
        id: "TLS-05",
        name: "server-certificate",
        title: "The server's certificate is valid, strong, and names the server",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_7],
        area: Area::Transport,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

/// Days that a certificate must still be valid when the policy says nothing.
const DAYS: u32 = 30;

const DAY: i64 = 86_400;

impl Check for ServerCertificate {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let Some(tried) = tried(context)? else {
            return Ok(Verdict::NotApplicable(NO_TCP.to_owned()));
        };
        match tried.offer {
            Offer::None => return Ok(Verdict::NotApplicable(NO_TLS.to_owned())),
            Offer::Unknown(asked) => return Err(tried.unclear(asked)),
            Offer::Tls | Offer::Stuffed(_) => {}
        }
        let chain = context.facts.certificates.here()?;
        let own = chain.value.first().ok_or_else(|| {
            Missing::because("the server speaks TLS, and no certificate was seen")
                .seen_in(chain.from.clone())
        })?;
        let mut judge = Judge {
            days: context.policy.transport.certificate_days.unwrap_or(DAYS),
            names: &context.policy.transport.certificate_names,
            from: chain.from,
            findings: Vec::new(),
            not_seen: Vec::new(),
        };
        for certificate in chain.value {
            judge.every(certificate);
        }
        judge.names(own);
        judge.issuer(own);
        if chain.value.iter().any(|certificate| !certificate.in_order) {
            judge.find(
                own,
                Severity::Low,
                "the chain is not in order",
                "shows a chain in which a certificate is not followed by its issuer's",
                "Put into ssl_cert_file the server's certificate first, then each issuer's",
            );
        }
        Ok(Verdict::Assessed {
            population: Population {
                count: chain.value.len(),
                of: "certificates",
            },
            findings: judge.findings,
            not_seen: judge.not_seen,
        })
    }
}

struct Judge<'a> {
    days: u32,
    names: &'a BTreeSet<String>,
    from: &'a ObservationId,
    findings: Vec<Finding>,
    not_seen: Vec<Missing>,
}

impl Judge<'_> {
    /// What holds for each certificate of the chain. A root that is sent along is not looked at: clients use their own copy.
    fn every(&mut self, certificate: &Certificate) {
        if certificate.position > 0 && certificate.self_issued {
            return;
        }
        self.dates(certificate);
        self.key(certificate);
        self.signature(certificate);
    }

    fn dates(&mut self, certificate: &Certificate) {
        const REMEDY: &str = "Issue a new certificate, put it into ssl_cert_file, then SELECT pg_reload_conf(); and renew it by a timer from now on";
        let left = certificate.not_after.saturating_sub(certificate.seen_at);
        if certificate.not_before > certificate.seen_at {
            let detail = format!("is not valid before {}", date(certificate.not_before));
            self.find(
                certificate,
                Severity::High,
                "a certificate is not valid yet",
                &detail,
                REMEDY,
            );
        } else if left < 0 {
            let detail = format!("ended on {}", date(certificate.not_after));
            self.find(
                certificate,
                Severity::High,
                "a certificate has expired",
                &detail,
                REMEDY,
            );
        } else if left < i64::from(self.days).saturating_mul(DAY) {
            let detail = format!(
                "ends on {}, {} days after it was seen; at least {} are asked for",
                date(certificate.not_after),
                left / DAY,
                self.days
            );
            self.find(
                certificate,
                Severity::Medium,
                "a certificate ends soon",
                &detail,
                REMEDY,
            );
        }
    }

    fn key(&mut self, certificate: &Certificate) {
        let enough = match certificate.key.as_str() {
            "rsa" => 2048,
            "ec" | "ed25519" | "ed448" => 256,
            "dsa" => u32::MAX,
            _ => 0,
        };
        if enough == 0 || (certificate.key_bits == 0 && certificate.key != "dsa") {
            let why = format!(
                "the strength of the key of certificate {} is not known",
                quoted(&certificate.subject)
            );
            self.not_seen
                .push(Missing::because(why).seen_in(self.from.clone()));
        } else if certificate.key_bits < enough {
            let kind = certificate.key.to_ascii_uppercase();
            let detail = if certificate.key == "dsa" {
                "has a DSA key, which no client accepts any more".to_owned()
            } else {
                format!(
                    "has {} key of {} bits; {enough} are asked for",
                    if kind == "EC" { "an EC" } else { "an RSA" },
                    certificate.key_bits
                )
            };
            self.find(
                certificate,
                Severity::High,
                "the key of a certificate is too weak",
                &detail,
                "Make a new key (EC P-256, or RSA of 2048 bits or more) and have a certificate issued for it",
            );
        }
    }

    fn signature(&mut self, certificate: &Certificate) {
        match certificate.signature_hash.as_str() {
            hash @ ("md2" | "md5" | "sha1") => self.find(
                certificate,
                Severity::High,
                "a certificate is signed over a broken hash",
                &format!("is signed over {}", hash.to_ascii_uppercase()),
                "Have the certificate issued again, signed over SHA-256 or better",
            ),
            "" => {
                let why = format!(
                    "the signature of certificate {} is of a kind that is not known",
                    quoted(&certificate.subject)
                );
                self.not_seen
                    .push(Missing::because(why).seen_in(self.from.clone()));
            }
            _ => {}
        }
    }

    fn names(&mut self, own: &Certificate) {
        const REMEDY: &str =
            "Issue a certificate with every name that clients use among its DNS alternative names";
        if !self.names.is_empty() {
            let missing: Vec<String> = self
                .names
                .iter()
                .filter(|name| !own.is_for(name))
                .map(|name| quoted(name))
                .collect();
            if !missing.is_empty() {
                let detail = format!("does not name {}", missing.join(", "));
                self.find(
                    own,
                    Severity::High,
                    "the certificate does not name the server",
                    &detail,
                    REMEDY,
                );
            }
            return;
        }
        if own.names_host {
            return;
        }
        let by_name = own.host.parse::<std::net::IpAddr>().is_err() && !is_loopback(&own.host);
        if by_name {
            let detail = format!(
                "does not name {}, which was connected to",
                quoted(&own.host)
            );
            self.find(
                own,
                Severity::High,
                "the certificate does not name the server",
                &detail,
                REMEDY,
            );
        } else {
            let why = format!(
                "the certificate does not name {}, and nobody said by which names clients connect: declare \
                 transport.certificate_names in the policy, or audit over one of them",
                own.host
            );
            self.not_seen
                .push(Missing::because(why).seen_in(self.from.clone()));
        }
    }

    fn issuer(&mut self, own: &Certificate) {
        let dated = own.not_before <= own.seen_at && own.seen_at <= own.not_after;
        match own.trust.as_str() {
            "yes" => {}
            // An expired certificate does not verify either; that was said.
            "no" if dated => {
                let detail = format!("does not verify against the root certificate given: {}", own.trust_why);
                self.find(
                    own,
                    Severity::High,
                    "the certificate does not come from the CA expected",
                    &detail,
                    "Compare the issuer with the CA in sslrootcert; put missing intermediate certificates into ssl_cert_file after the server's own",
                );
            }
            _ if own.self_issued => self.find(
                own,
                Severity::Medium,
                "the certificate is self-signed",
                "is self-signed: a client can verify it only with a copy of its own",
                "Have the certificate issued by a CA, a private one will do, and give clients its root with sslmode=verify-full",
            ),
            _ => {}
        }
    }

    fn find(
        &mut self,
        certificate: &Certificate,
        severity: Severity,
        cause: &str,
        detail: &str,
        remedy: &str,
    ) {
        let name = quoted(&certificate.subject);
        self.findings.push(Finding {
            cause: cause.to_owned(),
            detail: format!("certificate {name} {detail}"),
            severity,
            observations: vec![self.from.clone()],
            remediation: remedy.to_owned(),
            subject: Subject::cluster(SubjectKind::Certificate, name),
        });
    }
}

fn quoted(name: &str) -> String {
    quote_literal(name).trim_start().to_owned()
}

/// A moment as a day in UTC: `2026-11-23`.
fn date(seconds: i64) -> String {
    // From days since 1970 to a date of the Gregorian calendar, by eras of 400 years that begin in March.
    let days = seconds.div_euclid(DAY).saturating_add(719_468);
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era
        .saturating_add(era.saturating_mul(400))
        .saturating_add(i64::from(month <= 2));
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (978_307_200, "2001-01-01"),
            (1_795_456_000, "2026-11-23"),
            (253_402_300_799, "9999-12-31"),
        ] {
            assert_eq!(date(seconds), expected, "{seconds}");
        }
    }
}
