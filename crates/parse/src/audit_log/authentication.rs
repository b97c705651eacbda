//! Who tried to come in, and how it ended.

use super::{Record, record::Text};

/// What a record says of a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event<'a> {
    /// A client has connected; nobody is known yet.
    Received,
    /// The client has shown who it is (14 and later).
    Authenticated {
        /// Who, as the method knows it.
        identity: Text<'a>,
        /// `scram-sha-256`, `trust`.
        method: Text<'a>,
    },
    /// The session may begin.
    Authorized {
        /// Encrypted with TLS.
        tls: bool,
        /// For replication.
        replication: bool,
    },
    /// Refused: SQLSTATE class 28, 3D000, 53300 and the like while connecting.
    Refused {
        /// The role exists as far as the record tells; `Some(false)` when it says the role does not.
        role_exists: Option<bool>,
    },
    /// The session has ended.
    Disconnected,
}

/// Reads what a record says of a connection. By SQLSTATE and process title where the language of messages does not matter, by the
/// English message elsewhere.
pub fn read<'a>(record: &'a Record<'_>) -> Option<Event<'a>> {
    let _ = record;
    todo!("authentication")
}
