//! What was tried on the wire, and what came back.

use super::field::{flag, json};
use serde::Deserialize;

/// One request or handshake that was tried.
///
/// `sent` and `received` are the bytes themselves, in hexadecimal, so that whoever doubts the words can read the answer again.
#[derive(Clone, Debug, Deserialize)]
pub struct Handshake {
    /// What was tried.
    pub probe: Probe,
    /// What was asked for: `TLSv1.1`; for suites the version and the grade, `TLSv1.2 broken`.
    pub asked: String,
    /// Whether the server went along.
    pub outcome: WireOutcome,
    /// The version it chose, as settings call it; empty when it chose none.
    pub version: String,
    /// The cipher suite it chose, by its IANA name; empty when it chose none.
    pub suite: String,
    /// What came back, in words.
    pub said: String,
    /// What was sent.
    pub sent: String,
    /// What came back, as far as it was read.
    pub received: String,
}

/// What was tried.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// `SSLRequest`.
    SslRequest,
    /// A `ClientHello` for one version with all suites.
    TlsVersion,
    /// A `ClientHello` for one version with suites of one grade.
    CipherSuite,
    /// A `ClientHello` as the first bytes of the connection.
    DirectTls,
    /// `GSSENCRequest`.
    GssRequest,
}

/// Whether a server went along with what was asked.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum WireOutcome {
    /// It did.
    Accepted,
    /// It said no.
    Refused,
    /// There is no answer that says one or the other.
    Unknown,
}

impl WireOutcome {
    /// The word that reports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// One certificate of the chain that the server showed, its own at position 0.
#[derive(Clone, Debug, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is one column")]
pub struct Certificate {
    /// Place in the chain as it was sent.
    pub position: u32,
    /// Subject, as RFC 4514 writes it.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// The last common name of the subject; empty when there is none.
    pub common_name: String,
    /// Alternative names, `DNS:db.example.com` and `IP:192.0.2.1`; `?` when they cannot be read.
    #[serde(deserialize_with = "json")]
    pub names: Vec<String>,
    /// Seconds since 1970 from which it is valid.
    pub not_before: i64,
    /// Seconds since 1970 until which it is valid.
    pub not_after: i64,
    /// Seconds since 1970 on the collector's clock when it was seen: what "expired" is relative to.
    pub seen_at: i64,
    /// `rsa`, `ec`, `ed25519`, `ed448`, `dsa` or `other`.
    pub key: String,
    /// Size of the key; 0 when it is not known.
    pub key_bits: u32,
    /// The hash that it is signed over, `sha256`; `none` where the signature has its own; empty when it is not known.
    pub signature_hash: String,
    /// Whether it names itself as its issuer.
    #[serde(deserialize_with = "flag")]
    pub self_issued: bool,
    /// Whether it is a CA's.
    #[serde(deserialize_with = "flag")]
    pub ca: bool,
    /// Whether the next certificate is its issuer's; true for the last one.
    #[serde(deserialize_with = "flag")]
    pub in_order: bool,
    /// `yes`, `no`, or `not-judged` when no root certificate was given. Of the whole chain, and so on every row.
    pub trust: String,
    /// Why, when it is not `yes`.
    pub trust_why: String,
    /// The name or address that was connected to.
    pub host: String,
    /// Whether the certificate at position 0 names `host`, by libpq's rules. On every row.
    #[serde(deserialize_with = "flag")]
    pub names_host: bool,
    /// Whether the server proved, by a signature that could be checked, that it holds the key. On every row.
    #[serde(deserialize_with = "flag")]
    pub key_proven: bool,
    /// The certificate itself, in hexadecimal.
    pub der: String,
}

impl Certificate {
    /// Whether it names a host, by libpq's rules: the common name counts only where there is no alternative name of the
    /// host's own kind.
    pub fn is_for(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let address = host.parse::<std::net::IpAddr>().ok();
        let of_kind = |prefix: &'static str| {
            self.names
                .iter()
                .filter_map(move |name| name.strip_prefix(prefix))
        };
        if let Some(address) = address
            && of_kind("IP:").any(|name| name.parse() == Ok(address))
        {
            return true;
        }
        if of_kind("DNS:").any(|pattern| certificate_name_matches(pattern, host)) {
            return true;
        }
        let kind = if address.is_some() { "IP:" } else { "DNS:" };
        let replaced = self.names.iter().any(|name| name == "?") || of_kind(kind).next().is_some();
        !replaced && certificate_name_matches(&self.common_name, host)
    }
}

/// Whether a name in a certificate matches a host, without case. `*.` stands for one label.
pub fn certificate_name_matches(pattern: &str, host: &str) -> bool {
    // A NUL would end the name for a program in C and not for the CA that checked it.
    if pattern.contains('\0') || host.is_empty() {
        return false;
    }
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let Some(suffix) = pattern.strip_prefix("*.") else {
        return false;
    };
    // An address has no labels that a wildcard could stand for.
    if suffix.is_empty() || host.parse::<std::net::IpAddr>().is_ok() {
        return false;
    }
    host.split_once('.')
        .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(suffix))
}

/// How good a cipher suite is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum SuiteGrade {
    /// No encryption, nobody authenticated, keys of export strength, RC4, DES, RC2 or MD5: as good as clear text.
    Broken,
    /// Ciphers with 64-bit blocks, or given up by everybody: 3DES, IDEA, SEED.
    Weak,
    /// Strong ciphers under a key that never changes: who gets the server's key reads what was recorded before.
    NoForwardSecrecy,
    /// Forward secrecy with a cipher in CBC mode: sound when well implemented, and older than what every client can do.
    Chained,
    /// Forward secrecy and authenticated encryption.
    Sound,
}

impl SuiteGrade {
    /// The grade of a suite, by the parts of its IANA name.
    pub fn of(name: &str) -> Self {
        let has = |part: &str| name.split('_').any(|word| word == part);
        if [
            "NULL", "anon", "EXPORT", "RC4", "DES", "DES40", "RC2", "MD5",
        ]
        .iter()
        .any(|part| has(part))
        {
            Self::Broken
        } else if ["3DES", "IDEA", "SEED"].iter().any(|part| has(part)) {
            Self::Weak
        } else if has("WITH") && !has("DHE") && !has("ECDHE") {
            Self::NoForwardSecrecy
        } else if has("CBC") {
            Self::Chained
        } else {
            Self::Sound
        }
    }

    /// The word that observations use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Weak => "weak",
            Self::NoForwardSecrecy => "no-forward-secrecy",
            Self::Chained => "cbc",
            Self::Sound => "sound",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SuiteGrade, certificate_name_matches as matches};

    #[test]
    fn names_match_without_case_and_in_full() {
        assert!(matches("DB.example.com", "db.Example.com"));
        assert!(!matches("db.example.com", "db.example.com.evil.org"));
        assert!(!matches("example.com", "db.example.com"));
        assert!(!matches("db.example.com\0.evil.org", "db.example.com"));
        assert!(!matches("", ""));
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        assert!(matches("*.example.com", "db.example.com"));
        assert!(!matches("*.example.com", "a.db.example.com"));
        assert!(!matches("*.example.com", "example.com"));
        assert!(!matches("*.example.com", ".example.com"));
        assert!(!matches("d*.example.com", "db.example.com"));
        assert!(!matches("*", "localhost"));
        assert!(!matches("*.", "localhost."));
        assert!(!matches("*.0.0.1", "127.0.0.1"));
    }

    #[test]
    fn a_suite_is_graded_by_the_worst_of_its_parts() {
        for (name, grade) in [
            ("TLS_RSA_WITH_NULL_SHA256", SuiteGrade::Broken),
            ("TLS_ECDH_anon_WITH_AES_256_CBC_SHA", SuiteGrade::Broken),
            ("TLS_RSA_EXPORT_WITH_DES40_CBC_SHA", SuiteGrade::Broken),
            ("TLS_ECDHE_RSA_WITH_RC4_128_SHA", SuiteGrade::Broken),
            ("TLS_DHE_RSA_WITH_DES_CBC_SHA", SuiteGrade::Broken),
            ("TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", SuiteGrade::Weak),
            (
                "TLS_RSA_WITH_AES_256_GCM_SHA384",
                SuiteGrade::NoForwardSecrecy,
            ),
            (
                "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA",
                SuiteGrade::NoForwardSecrecy,
            ),
            ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", SuiteGrade::Chained),
            ("TLS_DHE_RSA_WITH_AES_256_CCM_8", SuiteGrade::Sound),
            ("TLS_AES_256_GCM_SHA384", SuiteGrade::Sound),
        ] {
            assert_eq!(SuiteGrade::of(name), grade, "{name}");
        }
    }
}
