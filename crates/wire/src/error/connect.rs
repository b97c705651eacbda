//! Why no connection came about.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::certificate::CertificateProblem;
use super::server::ServerMessage;
use crate::options::{PasswordSource, TargetSessionAttrs};
use crate::peer::Place;
use crate::text::printable;
use crate::tls::TlsFileError;

/// Why no connection came about.
///
/// `Display` says what failed and where, [`ConnectError::hint`] what to do next. Messages are safe
/// for terminals and hold no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The host's name has no address.
    #[error("the host name `{}` could not be resolved", printable(.host))]
    Dns {
        /// The name.
        host: String,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// Nothing listens there.
    #[error("{}: the connection was refused", refused(.host, .addresses))]
    Refused {
        /// The host as it was given.
        host: String,
        /// The addresses that refused.
        addresses: Vec<SocketAddr>,
    },
    /// Something took longer than `connect_timeout`.
    #[error("{place}: no answer within {} seconds while {stage}", .limit.as_secs())]
    Timeout {
        /// Where.
        place: Place,
        /// The limit.
        limit: Duration,
        /// What was going on.
        stage: Stage,
    },
    /// The resolver took longer than `connect_timeout`.
    #[error(
        "the host name `{}` was not resolved within {} seconds",
        printable(.host),
        .limit.as_secs()
    )]
    DnsTimeout {
        /// The name.
        host: String,
        /// The limit.
        limit: Duration,
    },
    /// The network has no way there, or a firewall forbids it.
    #[error("{place}: the network has no way there")]
    NoRoute {
        /// Where.
        place: Place,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The unix socket does not exist.
    #[error("the socket `{}` does not exist", printable(&.path.to_string_lossy()))]
    SocketMissing {
        /// The socket.
        path: PathBuf,
    },
    /// The unix socket exists, and nothing listens there.
    #[error("the socket `{}` refused the connection", printable(&.path.to_string_lossy()))]
    SocketRefused {
        /// The socket.
        path: PathBuf,
    },
    /// The file system does not let us use the unix socket.
    #[error("no permission to use the socket `{}`", printable(&.path.to_string_lossy()))]
    SocketDenied {
        /// The socket.
        path: PathBuf,
    },
    /// The server does not speak TLS.
    #[error("{place}: the server does not support TLS, and `sslmode` requires it")]
    TlsRefused {
        /// Where.
        place: Place,
    },
    /// The server's certificate is not good enough.
    #[error("{place}: the server's certificate was refused: {reason}")]
    TlsCertificate {
        /// Where.
        place: Place,
        /// Why.
        reason: CertificateProblem,
    },
    /// The TLS handshake failed otherwise.
    #[error("{place}: the TLS handshake failed")]
    TlsProtocol {
        /// Where.
        place: Place,
        /// What the TLS library said.
        #[source]
        source: io::Error,
    },
    /// A file of TLS cannot be used.
    #[error(transparent)]
    TlsFile(#[from] TlsFileError),
    /// The server refused our certificate, or wants one.
    #[error("{place}: the server refused the client certificate ({alert})")]
    ClientCertificate {
        /// Where.
        place: Place,
        /// The name of the TLS alert.
        alert: String,
    },
    /// `pg_hba.conf` does not let the connection in.
    #[error("{place}: pg_hba.conf does not let this connection in: {server}")]
    HbaRejected {
        /// Where.
        place: Place,
        /// The server's message.
        server: ServerMessage,
    },
    /// The login failed by a method other than a password, or for a reason that the server hides.
    #[error("{place}: the server refused the login: {server}")]
    AuthRejected {
        /// Where.
        place: Place,
        /// The server's message.
        server: ServerMessage,
    },
    /// The server asks for a kind of login that we cannot do, or did not prove itself.
    #[error("{place}: the login could not be completed: {}", printable(.reason))]
    AuthUnsupported {
        /// Where.
        place: Place,
        /// What the protocol library said.
        reason: String,
    },
    /// The server asks for a password and none was given.
    #[error("{place}: the server asks for the password of role `{}`, and none was given", printable(.role))]
    PasswordRequired {
        /// Where.
        place: Place,
        /// The role.
        role: String,
    },
    /// The password was refused.
    #[error("{place}: the password {} was refused: {server}", password(.used))]
    PasswordWrong {
        /// Where.
        place: Place,
        /// The role.
        role: String,
        /// Where the password came from.
        used: PasswordSource,
        /// The server's message.
        server: ServerMessage,
    },
    /// The role does not exist.
    #[error("{place}: the role `{}` does not exist: {server}", printable(.role))]
    RoleMissing {
        /// Where.
        place: Place,
        /// The role.
        role: String,
        /// The server's message.
        server: ServerMessage,
    },
    /// The role exists and may not log in.
    #[error("{place}: the role `{}` may not log in: {server}", printable(.role))]
    RoleCannotLogIn {
        /// Where.
        place: Place,
        /// The role.
        role: String,
        /// The server's message.
        server: ServerMessage,
    },
    /// The database does not exist.
    #[error("{place}: the database `{}` does not exist: {server}", printable(.database))]
    DatabaseMissing {
        /// Where.
        place: Place,
        /// The database.
        database: String,
        /// The server's message.
        server: ServerMessage,
    },
    /// The database exists and does not let the role in.
    #[error("{place}: the database `{}` does not let role `{}` in: {server}", printable(.database), printable(.role))]
    DatabaseNotAllowed {
        /// Where.
        place: Place,
        /// The database.
        database: String,
        /// The role.
        role: String,
        /// The server's message.
        server: ServerMessage,
    },
    /// The role may log in, and not for replication.
    #[error("{place}: role `{}` may not open a replication connection: {server}", printable(.role))]
    ReplicationNotAllowed {
        /// Where.
        place: Place,
        /// The role.
        role: String,
        /// The server's message.
        server: ServerMessage,
    },
    /// All connections are in use.
    #[error("{place}: the server has no free connection: {server}")]
    TooManyConnections {
        /// Where.
        place: Place,
        /// The server's message.
        server: ServerMessage,
    },
    /// The server is starting, stopping or recovering.
    #[error("{place}: the server does not accept connections now: {server}")]
    StartingUp {
        /// Where.
        place: Place,
        /// The server's message.
        server: ServerMessage,
    },
    /// No server is of the kind that `target_session_attrs` asks for.
    #[error("{}", session_attrs(*.wanted, .saw, .failed))]
    SessionAttrs {
        /// What was asked for.
        wanted: TargetSessionAttrs,
        /// What each server is instead.
        saw: Vec<(Place, &'static str)>,
        /// Why others could not be asked.
        failed: Vec<ConnectError>,
    },
    /// The server or a pooler refuses a startup parameter.
    #[error("{place}: a startup parameter was refused: {server}")]
    ParameterRefused {
        /// Where.
        place: Place,
        /// The server's message.
        server: ServerMessage,
    },
    /// The connection ended before the login did.
    #[error("{place}: the server closed the connection while {stage}")]
    ClosedEarly {
        /// Where.
        place: Place,
        /// What was going on.
        stage: Stage,
    },
    /// The other end does not speak PostgreSQL's protocol.
    #[error("{place}: this is not a PostgreSQL server: {}", printable(.what))]
    NotPostgres {
        /// Where.
        place: Place,
        /// What it did.
        what: String,
    },
    /// The server reports an error that has no variant of its own.
    #[error("{place}: the server refused the connection: {server}")]
    Server {
        /// Where.
        place: Place,
        /// The server's message.
        server: ServerMessage,
    },
    /// Every way of connecting failed, each for its own reason.
    #[error("{}", several(.attempts))]
    Several {
        /// The reasons, in the order of the attempts. There are at least two.
        attempts: Vec<ConnectError>,
    },
    /// Anything else.
    #[error("{place}: the connection failed while {stage}")]
    Other {
        /// Where.
        place: Place,
        /// What was going on.
        stage: Stage,
        /// What the library below said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A step of connecting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Opening the socket.
    Opening,
    /// Setting up TLS.
    Securing,
    /// Logging in.
    LoggingIn,
    /// Asking what kind of server it is.
    AskingKind,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Opening => "opening the connection",
            Self::Securing => "setting up TLS",
            Self::LoggingIn => "logging in",
            Self::AskingKind => "asking whether it is a primary or a standby",
        })
    }
}

impl ConnectError {
    /// One error out of the errors of several attempts.
    pub(crate) fn from_attempts(mut attempts: Vec<Self>) -> Option<Self> {
        match attempts.len() {
            0 => None,
            1 => attempts.pop(),
            _ => Some(Self::Several { attempts }),
        }
    }

    /// The errors of the single attempts, or this one alone.
    pub fn attempts(&self) -> &[Self] {
        match self {
            Self::Several { attempts } => attempts,
            other => std::slice::from_ref(other),
        }
    }

    /// The server's message, if a server sent one.
    pub fn server(&self) -> Option<&ServerMessage> {
        match self {
            Self::HbaRejected { server, .. }
            | Self::AuthRejected { server, .. }
            | Self::PasswordWrong { server, .. }
            | Self::RoleMissing { server, .. }
            | Self::RoleCannotLogIn { server, .. }
            | Self::DatabaseMissing { server, .. }
            | Self::DatabaseNotAllowed { server, .. }
            | Self::ReplicationNotAllowed { server, .. }
            | Self::TooManyConnections { server, .. }
            | Self::StartingUp { server, .. }
            | Self::ParameterRefused { server, .. }
            | Self::Server { server, .. } => Some(server),
            _ => None,
        }
    }

    /// Whether a server refused the role by its rules of access (SQLSTATE 28000), which may differ
    /// with and without TLS.
    pub(crate) fn may_depend_on_encryption(&self) -> bool {
        self.server()
            .is_some_and(|server| server.sqlstate() == "28000")
    }

    /// Whether TLS itself failed.
    pub(crate) fn is_about_tls(&self) -> bool {
        match self {
            Self::TlsRefused { .. }
            | Self::TlsCertificate { .. }
            | Self::TlsProtocol { .. }
            | Self::ClientCertificate { .. } => true,
            Self::ClosedEarly { stage, .. } => *stage == Stage::Securing,
            _ => false,
        }
    }

    /// Whether another host could do better. As in libpq, a server that answers and refuses the
    /// login ends the search, except when it only is not ready.
    pub(crate) fn is_worth_another_host(&self) -> bool {
        match self {
            Self::Several { attempts } => attempts.iter().all(Self::is_worth_another_host),
            Self::StartingUp { .. } | Self::TooManyConnections { .. } => true,
            Self::TlsFile(_) | Self::PasswordRequired { .. } | Self::AuthUnsupported { .. } => {
                false
            }
            other => other.server().is_none(),
        }
    }
}

fn refused(host: &str, addresses: &[SocketAddr]) -> String {
    let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let host = printable(host);
    if list.iter().any(|address| *address == host) {
        return host.into_owned();
    }
    format!("{host} ({})", list.join(", "))
}

fn password(used: &PasswordSource) -> String {
    match used {
        PasswordSource::Given => "that was given".to_owned(),
        PasswordSource::File(path) => {
            format!("from `{}`", printable(&path.to_string_lossy()))
        }
    }
}

fn several(attempts: &[ConnectError]) -> String {
    let mut text = format!("all {} attempts to connect failed", attempts.len());
    for attempt in attempts {
        push_attempt(&mut text, attempt);
    }
    text
}

fn session_attrs(
    wanted: TargetSessionAttrs,
    saw: &[(Place, &'static str)],
    failed: &[ConnectError],
) -> String {
    let mut text = format!(
        "no server is what `target_session_attrs={}` asks for",
        wanted.as_str()
    );
    for (place, kind) in saw {
        let _ = write!(text, "\n  {place}: {kind}");
    }
    for attempt in failed {
        push_attempt(&mut text, attempt);
    }
    text
}

/// Adds an attempt with its causes, which nobody else would print.
fn push_attempt(text: &mut String, attempt: &ConnectError) {
    text.push_str("\n  ");
    text.push_str(&attempt.to_string().replace('\n', "\n  "));
    let mut cause = attempt.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&printable(&error.to_string()));
        cause = error.source();
    }
}
