//! TLS: encryption in transit.

mod clear_sessions;
mod listening;
#[cfg(test)]
mod tests;
mod tls_floor;
mod tls_on;

pub use clear_sessions::ClearSessions;
pub(crate) use listening::{Listening, is_loopback};
pub use tls_floor::TlsFloor;
pub use tls_on::TlsOn;

/// Why a server without TCP has no subject for these checks.
const NO_TCP: &str = "the server accepts no TCP connections: listen_addresses is empty";
