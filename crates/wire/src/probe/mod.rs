//! Trying on the wire what a server accepts: TLS versions, cipher suites, its certificate, a login in clear text.
//!
//! A setting says what a server means to do; only an attempt shows what it does. Each probe is one file, opens a connection of
//! its own, sends what no secret is part of, reads no more than it needs, and keeps both directions byte for byte. Whoever
//! answers is not trusted: silence, garbage, half messages and lengths without end are outcomes, not errors.

mod answer;
mod certificate;
mod cipher_suites;
mod clear_login;
mod direct_tls;
mod exchange;
mod gss_request;
mod hello;
mod public_key;
mod server_error;
mod ssl_request;
mod suites;
mod tls_version;
mod transport;

pub use self::certificate::{CertificateSeen, Presented, Trust};
pub use self::clear_login::{Admission, Asked, ClearLogin, clear_login};
pub use self::exchange::{NoAnswer, Target, Transcript};
pub use self::server_error::ServerError;
pub use self::transport::{Kind, Outcome, Seen, Transport, transport};
