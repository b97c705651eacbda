//! TLS: encryption in transit.

mod cipher_suites;
mod clear_sessions;
mod handshakes;
pub mod listening;
mod server_certificate;
#[cfg(test)]
mod tests;
mod tls_floor;
mod tls_on;
mod tried;
#[cfg(test)]
mod wire_tests;

pub use cipher_suites::CipherSuites;
pub use clear_sessions::ClearSessions;
pub use handshakes::Handshakes;
pub(crate) use listening::{Listening, is_loopback};
pub use server_certificate::ServerCertificate;
pub use tls_floor::TlsFloor;
pub use tls_on::TlsOn;

/// Why a server without TCP has no subject for these checks.
const NO_TCP: &str = "the server accepts no TCP connections: listen_addresses is empty";
