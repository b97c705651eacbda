//! Every handshake that is tried on one target, in an order that spares the server.

use super::certificate::{CertificateSeen, certificate};
use super::cipher_suites::cipher_suites;
use super::direct_tls::direct_tls;
use super::exchange::{NoAnswer, Target, Transcript};
use super::gss_request::gss_request;
use super::ssl_request::ssl_request;
use super::tls_version::tls_version;
use crate::options::{ConnectOptions, TlsVersion};
use pgattest_model::facts::SuiteGrade;

/// What the handshakes with one target showed.
#[derive(Clone, Debug)]
pub struct Transport {
    /// Each attempt, in an order that does not depend on which answer came first.
    pub handshakes: Vec<Seen>,
    /// The certificate, or why none was seen, with the bytes of the request before the handshake. `None` when the server has
    /// no TLS, so that there is none to see.
    pub certificate: Option<(Result<CertificateSeen, NoAnswer>, Transcript)>,
}

/// One attempt and what came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    /// What was tried.
    pub kind: Kind,
    /// What was asked for: `TLSv1.1`, `TLSv1.2 broken`.
    pub asked: String,
    /// Whether the server went along.
    pub outcome: Outcome,
    /// The version that the server chose; empty when it chose none.
    pub version: String,
    /// The cipher suite that it chose; empty when it chose none.
    pub suite: String,
    /// What came back, in words. Safe for a terminal.
    pub said: String,
    /// Every byte of it.
    pub transcript: Transcript,
}

/// What was tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "each is the probe it names")]
pub enum Kind {
    SslRequest,
    TlsVersion,
    CipherSuite,
    DirectTls,
    GssRequest,
}

impl Kind {
    /// The word that observations use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SslRequest => "ssl-request",
            Self::TlsVersion => "tls-version",
            Self::CipherSuite => "cipher-suite",
            Self::DirectTls => "direct-tls",
            Self::GssRequest => "gss-request",
        }
    }
}

/// Whether a server went along with what was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It did.
    Accepted,
    /// It said no.
    Refused,
    /// There is no answer that says one or the other: never to be taken for a refusal.
    Unknown,
}

impl Outcome {
    /// The word that observations use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// Tries everything that takes no login: whether there is TLS, which versions, which suites, which certificate, and whether
/// there is GSSAPI encryption; with `direct`, TLS from the first byte too, which a server before 17 logs as a bad startup packet.
///
/// At most four connections at a time. A server that says that it has no TLS is asked nothing more about it.
pub async fn transport(target: &Target, options: &ConnectOptions, direct: bool) -> Transport {
    let asked = ssl_request(target).await;
    let has_no_tls = asked.outcome == Outcome::Refused;
    let mut handshakes = vec![asked];
    if has_no_tls {
        if direct {
            handshakes.push(direct_tls(target, TlsVersion::V1_2).await);
        }
        handshakes.push(gss_request(target).await);
        return Transport {
            handshakes,
            certificate: None,
        };
    }
    let (oldest, old, known, newest) = tokio::join!(
        tls_version(target, TlsVersion::V1_0),
        tls_version(target, TlsVersion::V1_1),
        tls_version(target, TlsVersion::V1_2),
        tls_version(target, TlsVersion::V1_3),
    );
    let suites_of_1_2 = is_worth_asking(&known);
    let suites_of_1_3 = is_worth_asking(&newest);
    handshakes.extend([oldest, old, known, newest]);
    let graded = |grade| lane(target, TlsVersion::V1_2, grade, suites_of_1_2);
    let (broken, weak, fixed_key, chained, sound, newest, certificate, direct, gss) = tokio::join!(
        graded(SuiteGrade::Broken),
        graded(SuiteGrade::Weak),
        graded(SuiteGrade::NoForwardSecrecy),
        graded(SuiteGrade::Chained),
        graded(SuiteGrade::Sound),
        lane(target, TlsVersion::V1_3, SuiteGrade::Sound, suites_of_1_3),
        certificate(target, options),
        directly(target, direct),
        gss_request(target),
    );
    for lane in [broken, weak, fixed_key, chained, sound, newest, direct] {
        handshakes.extend(lane);
    }
    handshakes.push(gss);
    Transport {
        handshakes,
        certificate: Some(certificate),
    }
}

/// A version that the server refuses has no suites; one about which nothing is known is not asked a hundred times more.
fn is_worth_asking(version: &Seen) -> bool {
    version.outcome == Outcome::Accepted && version.version == version.asked
}

async fn lane(target: &Target, version: TlsVersion, grade: SuiteGrade, worth: bool) -> Vec<Seen> {
    if worth {
        cipher_suites(target, version, grade).await
    } else {
        Vec::new()
    }
}

async fn directly(target: &Target, wanted: bool) -> Vec<Seen> {
    if !wanted {
        return Vec::new();
    }
    let (old, known, new) = tokio::join!(
        direct_tls(target, TlsVersion::V1_1),
        direct_tls(target, TlsVersion::V1_2),
        direct_tls(target, TlsVersion::V1_3),
    );
    vec![old, known, new]
}
