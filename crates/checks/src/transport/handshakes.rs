//! Which TLS versions the server really accepts.

use super::tls_floor::{ACCEPTED, rank};
use super::tried::{Offer, Tried, tried};
use super::{Listening, NO_TCP};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{Handshake, Probe, WireOutcome};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::BTreeMap;

declare_check! {
    /// ## What it checks
    /// What a client meets that asks for TLS, tried on the wire at the address that the audit itself connects to: the server goes
    /// on with TLS; it refuses a handshake of every version below the floor (TLS 1.2, or `transport.minimum_tls` in
    /// `pgattest.toml`); and it accepts one at or above it. Servers from PostgreSQL 17 on are also tried with TLS from the first
    /// byte. The evidence keeps every byte that was sent and received.
    ///
    /// An alert is a refusal (70 `protocol_version`, 80 `internal_error`, which OpenSSL says when its security level leaves nothing to offer,
    /// and 40, 71, 120). Silence, a connection that is cut, or an answer that is no TLS is not: then the check is not assessed.
    ///
    /// ## Why it matters
    /// A setting says what the server is meant to do. What it does depends on the library it was built with, on the system's
    /// cryptographic policy, on whether the last reload worked, and on a proxy in front of it that has settings of its own.
    ///
    /// ## How to fix it
    /// `ALTER SYSTEM SET ssl_min_protocol_version = 'TLSv1.2';` and `SELECT pg_reload_conf();`. If TLS-02 passes and this fails, something
    /// else answers at this address: set the floor there. `pgattest prove transport` repeats the handshakes and shows the bytes.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 20.3.3, SSL
    /// - PostgreSQL documentation, chapter 55.2.10, SSL Session Encryption
    pub Handshakes {
        id: "TLS-04",
        name: "handshakes",
        title: "Handshakes older than the floor are refused, and newer ones work",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_7],
        area: Area::Transport,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for Handshakes {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let Some(tried) = tried(context)? else {
            return Ok(Verdict::NotApplicable(NO_TCP.to_owned()));
        };
        let floor = Floor::of(context);
        let mut findings = Vec::new();
        let mut not_seen = Vec::new();
        match tried.offer {
            Offer::Unknown(asked) => return Err(tried.unclear(asked)),
            Offer::None => findings.push(no_tls(&tried, Listening::of(context))),
            Offer::Stuffed(asked) => findings.push(stuffed(&tried, asked)),
            Offer::Tls => floor.judge(&tried, &mut findings, &mut not_seen),
        }
        let population = match tried.offer {
            Offer::Tls => Population {
                count: tried.of(&[Probe::TlsVersion]).count(),
                of: "TLS versions",
            },
            _ => Population {
                count: 1,
                of: "requests for TLS",
            },
        };
        Ok(Verdict::Assessed {
            population,
            findings,
            not_seen,
        })
    }
}

/// The oldest version that is good enough.
struct Floor<'a> {
    /// As the setting names it.
    name: &'a str,
}

impl<'a> Floor<'a> {
    fn of(context: &Context<'a>) -> Self {
        let wanted = context.policy.transport.minimum_tls.as_deref();
        Self {
            name: wanted
                .filter(|wanted| rank(wanted) > rank(ACCEPTED))
                .unwrap_or(ACCEPTED),
        }
    }

    fn admits(&self, version: &str) -> bool {
        rank(version) >= rank(self.name)
    }

    fn judge(&self, tried: &Tried<'_>, findings: &mut Vec<Finding>, not_seen: &mut Vec<Missing>) {
        let mut below: BTreeMap<&str, &Handshake> = BTreeMap::new();
        let mut works = false;
        let mut unclear = Vec::new();
        for handshake in tried.of(&[Probe::TlsVersion, Probe::DirectTls]) {
            match handshake.outcome {
                WireOutcome::Refused => {}
                WireOutcome::Accepted if self.admits(&handshake.version) => {
                    works |= handshake.probe == Probe::TlsVersion;
                }
                WireOutcome::Accepted => {
                    below.entry(&handshake.version).or_insert(handshake);
                }
                WireOutcome::Unknown => unclear.push(handshake),
            }
        }
        findings.extend(
            below
                .into_iter()
                .map(|(version, handshake)| self.too_old(tried, version, handshake)),
        );
        // A good version that is silent matters only where no other one answers.
        let (good, old): (Vec<_>, Vec<_>) = unclear
            .into_iter()
            .partition(|handshake| self.admits(&handshake.asked));
        not_seen.extend(old.into_iter().map(|handshake| tried.unclear(handshake)));
        if !works && good.is_empty() {
            findings.push(self.nothing_works(tried));
        } else if !works {
            not_seen.extend(good.into_iter().map(|handshake| tried.unclear(handshake)));
        }
    }

    fn too_old(&self, tried: &Tried<'_>, version: &str, handshake: &Handshake) -> Finding {
        let direct = if handshake.probe == Probe::DirectTls {
            " from the first byte"
        } else {
            ""
        };
        let by_policy = rank(version) >= rank(ACCEPTED);
        Finding {
            cause: if by_policy {
                "a version below what the policy asks for is accepted".to_owned()
            } else {
                "a version older than TLS 1.2 is accepted".to_owned()
            },
            detail: format!(
                "{version} was accepted{direct} with {} when {} was offered, and the floor is {}",
                handshake.suite, handshake.asked, self.name
            ),
            severity: if by_policy {
                Severity::Medium
            } else {
                Severity::High
            },
            observations: vec![tried.handshakes.from.clone()],
            remediation: self.remedy(),
            subject: Subject::cluster(SubjectKind::Handshake, version),
        }
    }

    fn nothing_works(&self, tried: &Tried<'_>) -> Finding {
        Finding {
            cause: "no version that is good enough is accepted".to_owned(),
            detail: format!("{} or newer was refused in every handshake", self.name),
            severity: Severity::High,
            observations: vec![tried.handshakes.from.clone()],
            remediation:
                "Look at ssl_max_protocol_version, ssl_ciphers and the server's log for why it refuses modern handshakes"
                    .to_owned(),
            subject: Subject::cluster(SubjectKind::Handshake, self.name),
        }
    }

    fn remedy(&self) -> String {
        format!(
            "ALTER SYSTEM SET ssl_min_protocol_version = '{}'; -- or the floor of the proxy that answers at this address",
            self.name
        )
    }
}

fn no_tls(tried: &Tried<'_>, listening: Listening) -> Finding {
    Finding {
        cause: "the server refuses to speak TLS".to_owned(),
        detail: "SSLRequest was answered with N: whoever asks for TLS gets none".to_owned(),
        severity: listening.severity(),
        observations: vec![tried.handshakes.from.clone()],
        remediation:
            "ALTER SYSTEM SET ssl = on; -- once ssl_cert_file and ssl_key_file are in place"
                .to_owned(),
        subject: Subject::cluster(SubjectKind::Handshake, "SSLRequest"),
    }
}

fn stuffed(tried: &Tried<'_>, asked: &Handshake) -> Finding {
    let extra = (asked.received.len() / 2).saturating_sub(1);
    Finding {
        cause: "bytes in clear come between the server's answer and the handshake".to_owned(),
        detail: format!(
            "SSLRequest was answered with S and {extra} bytes more in clear, which a client could take for the server's"
        ),
        severity: Severity::High,
        observations: vec![tried.handshakes.from.clone()],
        remediation:
            "Find out what answers at this address: no PostgreSQL and no honest proxy does that"
                .to_owned(),
        subject: Subject::cluster(SubjectKind::Handshake, "SSLRequest"),
    }
}
