//! What is wrong with a server's certificate.

use std::fmt;
use std::time::Duration;

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, UnixTime};
use x509_cert::der::DateTime;

use crate::text::printable;
use crate::tls::{issuer_name, parse_certificate, presented_names};

/// Why a server's certificate was refused.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// No trusted CA issued it.
    UnknownCa {
        /// The name of the CA that it claims. Hostile text.
        issuer: Option<String>,
    },
    /// Its time is over.
    Expired {
        /// When it ended, as seconds since 1970.
        not_after: Option<u64>,
    },
    /// Its time has not begun.
    NotYetValid {
        /// When it begins, as seconds since 1970.
        not_before: Option<u64>,
    },
    /// It is for another host.
    HostMismatch {
        /// The names in it. Hostile text.
        presented: Vec<String>,
    },
    /// Its CA has revoked it.
    Revoked,
    /// The revocation list does not say, or is too old.
    RevocationUnknown,
    /// A signature is wrong.
    BadSignature,
    /// It is for another purpose than serving TLS.
    WrongPurpose,
    /// It is no readable certificate.
    Malformed,
    /// Anything else, in the words of the TLS library.
    Other(String),
}

impl CertificateProblem {
    /// What the TLS library found wrong with this certificate.
    pub(super) fn new(error: &CertificateError, der: Option<&CertificateDer<'_>>) -> Self {
        let certificate = der.and_then(|der| parse_certificate(der));
        match error {
            CertificateError::UnknownIssuer => Self::UnknownCa {
                issuer: certificate.as_ref().map(issuer_name),
            },
            CertificateError::Expired => Self::Expired { not_after: None },
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired {
                not_after: Some(not_after.as_secs()),
            },
            CertificateError::NotValidYet => Self::NotYetValid { not_before: None },
            CertificateError::NotValidYetContext { not_before, .. } => Self::NotYetValid {
                not_before: Some(not_before.as_secs()),
            },
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::HostMismatch {
                    presented: certificate
                        .as_ref()
                        .map(presented_names)
                        .unwrap_or_default(),
                }
            }
            CertificateError::Revoked => Self::Revoked,
            CertificateError::UnknownRevocationStatus
            | CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => Self::RevocationUnknown,
            CertificateError::BadSignature => Self::BadSignature,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::WrongPurpose
            }
            CertificateError::BadEncoding => Self::Malformed,
            other => Self::Other(other.to_string()),
        }
    }
}

impl fmt::Display for CertificateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCa {
                issuer: Some(issuer),
            } => write!(f, "its issuer `{}` is not trusted", printable(issuer)),
            Self::UnknownCa { issuer: None } => f.write_str("its issuer is not trusted"),
            Self::Expired { not_after } => write!(f, "it expired{}", at(*not_after)),
            Self::NotYetValid { not_before } => {
                write!(f, "it is valid only from{}", at(*not_before))
            }
            Self::HostMismatch { presented } if presented.is_empty() => {
                f.write_str("it names no host")
            }
            Self::HostMismatch { presented } => {
                let names: Vec<_> = presented
                    .iter()
                    .map(|name| format!("`{}`", printable(name)))
                    .collect();
                write!(f, "it is for {}, not for this host", names.join(", "))
            }
            Self::Revoked => f.write_str("its CA has revoked it"),
            Self::RevocationUnknown => {
                f.write_str("the revocation list does not cover it, or is out of date")
            }
            Self::BadSignature => f.write_str("a signature does not fit"),
            Self::WrongPurpose => f.write_str("it is not meant for a TLS server"),
            Self::Malformed => f.write_str("it cannot be read"),
            Self::Other(reason) => f.write_str(&printable(reason)),
        }
    }
}

/// ` 2026-01-31T00:00:00Z`, or nothing if the time is unknown.
fn at(seconds: Option<u64>) -> String {
    seconds
        .map(|seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
        .and_then(|time| DateTime::from_unix_duration(Duration::from_secs(time.as_secs())).ok())
        .map(|time| format!(" {time}"))
        .unwrap_or_default()
}
