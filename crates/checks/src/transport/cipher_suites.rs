//! Which cipher suites the server really accepts.

use super::NO_TCP;
use super::tried::{NO_TLS, Offer, tried};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{Probe, SuiteGrade, WireOutcome};
use pgattest_model::ident::visible;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::BTreeMap;

declare_check! {
    /// ## What it checks
    /// Every cipher suite that the server accepts, found by handshakes: a list is offered, the server picks one, the rest is
    /// offered again, until it refuses. So the effect of `ssl_ciphers` is judged, with the server's own library and its policy, and
    /// not the text of the setting, which means something else to every version of OpenSSL.
    ///
    /// - No encryption, no authentication (`anon`), export keys, RC4, DES, RC2, MD5: high.
    /// - 3DES, IDEA, SEED: medium.
    /// - A key exchange without forward secrecy (`TLS_RSA_WITH_..`): low. PostgreSQL's default setting accepts these when the certificate
    ///   has an RSA key.
    /// - CBC mode with forward secrecy is listed in the evidence and no finding.
    ///
    /// ## Why it matters
    /// Client and server agree on a suite in clear before anything is encrypted; a weak one that the server accepts is one that an old or
    /// misconfigured client uses. Without forward secrecy, traffic recorded today can be read by whoever gets the server's
    /// key years later.
    ///
    /// ## How to fix it
    /// `ALTER SYSTEM SET ssl_ciphers = 'ECDHE+AESGCM:ECDHE+CHACHA20';` and `SELECT pg_reload_conf();`: every client library of the last ten
    /// years has these. The suites of TLS 1.3 are all sound (from PostgreSQL 18 on, `ssl_tls13_ciphers` narrows them).
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 20.3.3, SSL
    pub CipherSuites {
        id: "TLS-03",
        name: "cipher-suites",
        title: "The server accepts no weak cipher suite",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_7],
        area: Area::Transport,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for CipherSuites {
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
        let mut accepted: BTreeMap<&str, &str> = BTreeMap::new();
        let mut not_seen = Vec::new();
        let mut offered = false;
        for handshake in tried.of(&[Probe::TlsVersion, Probe::CipherSuite]) {
            offered |= handshake.probe == Probe::CipherSuite;
            match handshake.outcome {
                WireOutcome::Accepted => {
                    accepted.insert(&handshake.suite, &handshake.version);
                }
                WireOutcome::Refused => {}
                // A version about which nothing is known may accept anything.
                WireOutcome::Unknown => not_seen.push(tried.unclear(handshake)),
            }
        }
        if !offered && not_seen.is_empty() {
            let why = "no version of TLS was accepted whose suites could be offered one by one";
            not_seen.push(Missing::because(why).seen_in(tried.handshakes.from.clone()));
        }
        let findings = accepted
            .iter()
            .filter_map(|(suite, version)| judge(suite, version, tried.handshakes.from))
            .collect();
        Ok(Verdict::Assessed {
            population: Population {
                count: accepted.len(),
                of: "accepted cipher suites",
            },
            findings,
            not_seen,
        })
    }
}

fn judge(suite: &str, version: &str, from: &ObservationId) -> Option<Finding> {
    let (severity, cause) = match SuiteGrade::of(suite) {
        SuiteGrade::Broken => (
            Severity::High,
            "accepted suites protect nothing: no encryption, no authentication, or a broken cipher",
        ),
        SuiteGrade::Weak => (
            Severity::Medium,
            "accepted suites have a cipher that was given up: 3DES, IDEA or SEED",
        ),
        SuiteGrade::NoForwardSecrecy => (
            Severity::Low,
            "accepted suites have no forward secrecy: the server's key reads what was recorded before",
        ),
        SuiteGrade::Chained | SuiteGrade::Sound => return None,
    };
    let shown = visible(suite);
    Some(Finding {
        cause: cause.to_owned(),
        detail: format!("{shown} is accepted in {}", visible(version)),
        severity,
        observations: vec![from.clone()],
        remediation:
            "ALTER SYSTEM SET ssl_ciphers = 'ECDHE+AESGCM:ECDHE+CHACHA20'; -- after a look at what clients use: SELECT cipher, count(*) FROM pg_stat_ssl GROUP BY 1"
                .to_owned(),
        subject: Subject::cluster(SubjectKind::CipherSuite, shown),
    })
}
