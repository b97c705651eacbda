//! Live sessions, our own and everybody's.

use super::Oid;
use super::field::flag;
use serde::Deserialize;

/// The collector's own session and what it may read. One row.
#[derive(Clone, Debug, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is one privilege")]
pub struct OwnSession {
    /// `current_user`.
    pub role: String,
    /// `session_user`.
    pub login_role: String,
    /// Database the session is in.
    pub database: String,
    /// Whether the role is superuser.
    #[serde(deserialize_with = "flag")]
    pub superuser: bool,
    /// Whether it sees every setting.
    #[serde(deserialize_with = "flag")]
    pub reads_all_settings: bool,
    /// Whether it sees other roles' sessions in full.
    #[serde(deserialize_with = "flag")]
    pub reads_all_sessions: bool,
    /// `server_encoding` of the database.
    pub server_encoding: String,
    /// Process identifier of the server process.
    pub pid: i32,
}

/// One live session or other server process.
#[derive(Clone, Debug, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is one column")]
pub struct Session {
    /// Process identifier.
    pub pid: i32,
    /// Database; 0 for processes that have none.
    pub database: Oid,
    /// Role; 0 for processes that have none.
    pub role: Oid,
    /// `application_name`, as the client calls itself.
    pub application_name: String,
    /// `client backend`, `walsender` ...; empty when not visible.
    pub backend_type: String,
    /// Client's address; empty over a Unix socket or when not visible.
    pub client_address: String,
    /// Whether the client came over a Unix socket.
    #[serde(deserialize_with = "flag")]
    pub unix_socket: bool,
    /// Whether the session's details are visible to the role that looked.
    #[serde(deserialize_with = "flag")]
    pub visible: bool,
    /// Whether the connection is encrypted with TLS.
    #[serde(deserialize_with = "flag")]
    pub tls: bool,
    /// `TLSv1.3`; empty without TLS.
    pub tls_version: String,
    /// Cipher suite; empty without TLS.
    pub tls_cipher: String,
    /// Whether the connection is encrypted with GSSAPI.
    #[serde(deserialize_with = "flag")]
    pub gss_encrypted: bool,
    /// Whether this is the session that looks.
    #[serde(deserialize_with = "flag")]
    pub own: bool,
}

impl Session {
    /// Whether it belongs to a client (not to a background process of the server).
    pub fn is_client(&self) -> bool {
        matches!(self.backend_type.as_str(), "client backend" | "walsender")
    }
}
