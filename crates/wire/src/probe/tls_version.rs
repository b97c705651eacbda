//! One `ClientHello` for one version of TLS.

use super::answer::{self, Answer};
use super::exchange::{NoAnswer, Talk, Target, converse};
use super::hello::ClientHello;
use super::server_error;
use super::ssl_request::SSL_REQUEST;
use super::suites;
use super::transport::{Kind, Outcome, Seen};
use crate::options::TlsVersion;

/// Asks for TLS, then for exactly this version with every suite that it has.
pub(super) async fn tls_version(target: &Target, version: TlsVersion) -> Seen {
    let every: Vec<u16> = suites::of_version(version)
        .map(|suite| suite.number)
        .collect();
    let hello = ClientHello {
        version,
        suites: &every,
        name: target.name.as_deref(),
        protocol: None,
    };
    offer(
        target,
        Kind::TlsVersion,
        version.as_str(),
        &hello,
        Begin::Asked,
    )
    .await
    .seen
}

/// How a handshake begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Begin {
    /// After an `SSLRequest` that the server agreed to.
    Asked,
    /// At once.
    Direct,
}

/// A handshake that was offered, and the number of the suite that the server chose, if it chose one.
pub(super) struct Offered {
    pub(super) seen: Seen,
    pub(super) chosen: Option<u16>,
}

/// Sends one `ClientHello` and says what came back.
pub(super) async fn offer(
    target: &Target,
    kind: Kind,
    asked: &str,
    hello: &ClientHello<'_>,
    begin: Begin,
) -> Offered {
    let (said, transcript) = converse(target, async |talk| {
        if begin == Begin::Asked {
            ask(talk).await?;
        }
        talk.send(&hello.encode()?).await?;
        answer::read(talk).await
    })
    .await;
    let mut seen = Seen {
        kind,
        asked: asked.to_owned(),
        outcome: Outcome::Unknown,
        version: String::new(),
        suite: String::new(),
        said: String::new(),
        transcript,
    };
    let mut chosen = None;
    match said {
        Ok(Answer::Hello { version, suite }) => {
            chosen = Some(suite);
            seen.outcome = Outcome::Accepted;
            seen.version = version_name(version);
            seen.suite = suites::name_of(suite);
            seen.said = format!("ServerHello: {} with {}", seen.version, seen.suite);
        }
        Ok(Answer::Alert { description }) => {
            if is_refusal(description) {
                seen.outcome = Outcome::Refused;
            }
            seen.said = format!("alert {description} {}", alert_name(description));
        }
        // A server before 17 takes the first bytes of direct TLS for the length of a startup message, and closes.
        Err(NoAnswer::Closed(0)) if begin == Begin::Direct => {
            seen.outcome = Outcome::Refused;
            "the connection was closed without an answer".clone_into(&mut seen.said);
        }
        Err(why) => seen.said = why.to_string(),
    }
    Offered { seen, chosen }
}

async fn ask(talk: &mut Talk) -> Result<(), NoAnswer> {
    talk.send(&SSL_REQUEST).await?;
    match talk.byte().await? {
        b'S' => Ok(()),
        b'N' => Err(NoAnswer::NotUnderstood(
            "the server has no TLS for this connection (N), but had for another".to_owned(),
        )),
        b'E' => {
            let error = server_error::read(talk).await?;
            Err(NoAnswer::NotUnderstood(format!(
                "an error of the server: {error}"
            )))
        }
        other => Err(NoAnswer::NotUnderstood(format!(
            "byte {other:02x} where S or N belongs"
        ))),
    }
}

/// The version as PostgreSQL's settings call it.
pub(super) fn version_name(version: u16) -> String {
    match version {
        0x0300 => "SSLv3".to_owned(),
        0x0301 => "TLSv1".to_owned(),
        0x0302 => "TLSv1.1".to_owned(),
        0x0303 => "TLSv1.2".to_owned(),
        0x0304 => "TLSv1.3".to_owned(),
        other => format!("0x{other:04x}"),
    }
}

/// Whether an alert says no to what was offered. Others say that something went wrong, which proves nothing.
///
/// 40: no suite in common in this version. 70: the version itself. 71: not secure enough for the server. 80: OpenSSL's word
/// for a version that its security level leaves no suite or signature for. 120: direct TLS without the protocol it wants.
const fn is_refusal(description: u8) -> bool {
    matches!(description, 40 | 70 | 71 | 80 | 120)
}

const fn alert_name(description: u8) -> &'static str {
    match description {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        47 => "illegal_parameter",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        109 => "missing_extension",
        112 => "unrecognized_name",
        116 => "certificate_required",
        120 => "no_application_protocol",
        _ => "(another)",
    }
}
