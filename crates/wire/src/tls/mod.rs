//! TLS with libpq's rules, on rustls.
//!
//! Three things differ from what a web client wants. A certificate need not be verified at all
//! (`sslmode=require`); a name may stand in the certificate's common name only; and certificates
//! of X.509 version 1, which `openssl x509 -req` makes when it gets no extensions, are common on
//! database servers. rustls does none of these by itself, see [`verify`], [`names`], [`legacy`].

mod certificate;
mod handshake;
mod legacy;
mod material;
mod names;
mod verify;

pub(crate) use self::certificate::endpoint_digest;
pub(crate) use self::certificate::{is_self_issued, issuer_name, parse as parse_certificate};
pub(crate) use self::handshake::{HandshakeFailure, TlsConfig, shake_hands};
pub use self::handshake::{TlsSeen, Verification};
pub use self::material::{TlsFileError, TlsFileProblem};
pub(crate) use self::names::{alternative_names, common_name, names_host, presented_names};
