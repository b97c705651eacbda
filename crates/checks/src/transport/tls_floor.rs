//! The oldest TLS version that the server accepts.

use super::Listening;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::ident::quote_literal;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};

declare_check! {
    /// ## What it checks
    /// `ssl_min_protocol_version`, in the configuration in force, is `TLSv1.2` or newer, or at least what
    /// `transport.minimum_tls` in `pgattest.toml` asks for. PostgreSQL's own default is `TLSv1.2`.
    ///
    /// While `ssl` is off the setting guards nothing: that is a finding as well, because a floor that nobody stands on is not
    /// one. On a server that accepts no TCP connections the rule has no subject.
    ///
    /// ## Why it matters
    /// TLS 1.0 and 1.1 rest on MD5 and SHA-1 and on ciphers with known attacks; RFC 8996 retired both in 2021. A client and a
    /// server agree on the best version both know, so as long as the server accepts an old one, an old client uses it and
    /// nobody notices.
    ///
    /// ## How to fix it
    /// Look at the versions in use (`SELECT version, count(*) FROM pg_stat_ssl GROUP BY 1;`), upgrade clients that show an old one,
    /// then `ALTER SYSTEM SET ssl_min_protocol_version = 'TLSv1.2';` and `SELECT pg_reload_conf();`. No restart is needed;
    /// sessions that are open stay as they are.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 20.3.3, SSL
    pub TlsFloor {
        id: "TLS-02",
        name: "tls-floor",
        title: "The server accepts nothing older than TLS 1.2",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_7],
        area: Area::Transport,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

const FLOOR: &str = "ssl_min_protocol_version";

/// What is asked for when the policy says nothing.
pub(super) const ACCEPTED: &str = "TLSv1.2";

impl Check for TlsFloor {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let (ssl, from) = context.setting("ssl")?;
        let listening = Listening::of(context);
        if listening == Listening::Nowhere {
            return Ok(Verdict::NotApplicable(super::NO_TCP.to_owned()));
        }
        let wanted = context.policy.transport.minimum_tls.as_deref();
        let trouble = if ssl.is_on() {
            below(&context.setting(FLOOR)?.0.value, wanted)
        } else {
            Some((
                "TLS is off, so there is no floor",
                format!("ssl is off: {FLOOR} guards nothing"),
                listening.severity(),
            ))
        };
        let findings = trouble.map(|(cause, detail, severity)| Finding {
            cause: cause.to_owned(),
            detail,
            severity,
            observations: vec![from.clone()],
            remediation: remedy(ssl.is_on(), wanted.unwrap_or(ACCEPTED)),
            subject: Subject::cluster(SubjectKind::Setting, FLOOR),
        });
        Ok(Verdict::assessed(
            1,
            "settings",
            findings.into_iter().collect(),
        ))
    }
}

/// What is wrong with a floor. `None` when it is high enough.
fn below(floor: &str, wanted: Option<&str>) -> Option<(&'static str, String, Severity)> {
    let required = wanted.and_then(rank).max(rank(ACCEPTED));
    match rank(floor) {
        found @ Some(_) if found >= required => None,
        found @ Some(_) if found >= rank(ACCEPTED) => Some((
            "the floor is lower than the policy asks for",
            format!(
                "{FLOOR} is '{floor}', and the policy asks for {}",
                wanted.unwrap_or(ACCEPTED)
            ),
            Severity::Medium,
        )),
        Some(_) => Some((
            "versions older than TLS 1.2 are accepted",
            format!("{FLOOR} is '{floor}'"),
            Severity::High,
        )),
        None => Some((
            "the floor is not a version that pgattest knows",
            format!("{FLOOR} is {}", quote_literal(floor).trim_start()),
            Severity::Medium,
        )),
    }
}

/// Position among the versions that the setting can name; `None` for anything else. The server ignores case.
pub(super) fn rank(version: &str) -> Option<usize> {
    ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
        .iter()
        .position(|known| known.eq_ignore_ascii_case(version))
}

fn remedy(tls: bool, wanted: &str) -> String {
    let floor = format!("ALTER SYSTEM SET {FLOOR} = '{wanted}';");
    if tls {
        floor
    } else {
        format!(
            "ALTER SYSTEM SET ssl = on; {floor} -- once ssl_cert_file and ssl_key_file are in place"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::below;
    use pgattest_model::Severity;

    fn severity(floor: &str, wanted: Option<&str>) -> Option<Severity> {
        below(floor, wanted).map(|(_, _, severity)| severity)
    }

    #[test]
    fn tls_1_2_is_the_floor_whatever_the_policy_says_below_it() {
        for (floor, wanted, expected) in [
            ("TLSv1.2", None, None),
            ("TLSv1.3", None, None),
            ("tlsv1.2", Some("TLSv1.2"), None),
            ("TLSv1.3", Some("TLSv1.3"), None),
            ("TLSv1.2", Some("TLSv1.3"), Some(Severity::Medium)),
            ("TLSv1.1", None, Some(Severity::High)),
            ("TLSv1", Some("TLSv1.3"), Some(Severity::High)),
            ("TLSv1.1", Some("TLSv1.1"), Some(Severity::High)),
            ("", None, Some(Severity::Medium)),
            ("SSLv3", None, Some(Severity::Medium)),
        ] {
            assert_eq!(severity(floor, wanted), expected, "{floor} {wanted:?}");
        }
    }
}
