//! From what the libraries below report to what a person can act on.
//!
//! By `io::ErrorKind`, TLS alert, SQLSTATE and the routine that reports the error. The server's
//! text is in the language of its `lc_messages`, so it decides only where the code leaves two
//! readings open, and then both readings are right.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use rustls::AlertDescription;

use super::{CertificateProblem, ConnectError, ServerMessage, Stage};
use crate::options::{HostTarget, PasswordSource};
use crate::peer::{Address, Place};
use crate::tls::HandshakeFailure;

/// A login that failed: who wanted to go where.
pub(crate) struct Login<'a> {
    pub(crate) place: &'a Place,
    pub(crate) role: &'a str,
    pub(crate) database: &'a str,
    /// Where the password came from, if there was one.
    pub(crate) password: Option<PasswordSource>,
}

/// Why a TCP connection could not be opened.
pub(crate) fn open_error(
    target: &HostTarget,
    address: SocketAddr,
    error: io::Error,
) -> ConnectError {
    let place = || Place::new(target, &Address::Tcp(address), false);
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectError::Refused {
            host: target.to_string(),
            addresses: vec![address],
        },
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::TimedOut
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::PermissionDenied => ConnectError::NoRoute {
            place: place(),
            source: error,
        },
        io::ErrorKind::ConnectionReset => ConnectError::ClosedEarly {
            place: place(),
            stage: Stage::Opening,
        },
        _ => ConnectError::Other {
            place: place(),
            stage: Stage::Opening,
            source: error.into(),
        },
    }
}

/// Why a unix socket could not be opened.
pub(crate) fn socket_error(target: &HostTarget, path: &Path, error: io::Error) -> ConnectError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            ConnectError::SocketMissing { path }
        }
        io::ErrorKind::ConnectionRefused => ConnectError::SocketRefused { path },
        io::ErrorKind::PermissionDenied => ConnectError::SocketDenied { path },
        _ => ConnectError::Other {
            place: Place::new(target, &Address::Unix(path), false),
            stage: Stage::Opening,
            source: error.into(),
        },
    }
}

/// Why TLS could not be set up.
pub(crate) fn handshake_error(place: &Place, failure: HandshakeFailure) -> ConnectError {
    let place = place.clone();
    let HandshakeFailure { error, certificate } = failure;
    match tls_cause(&error) {
        Some(rustls::Error::InvalidCertificate(reason)) => ConnectError::TlsCertificate {
            place,
            reason: CertificateProblem::new(reason, certificate.as_ref()),
        },
        Some(rustls::Error::AlertReceived(alert)) if is_about_client_certificate(*alert) => {
            ConnectError::ClientCertificate {
                place,
                alert: format!("{alert:?}"),
            }
        }
        None if is_closed(&error) => ConnectError::ClosedEarly {
            place,
            stage: Stage::Securing,
        },
        _ => ConnectError::TlsProtocol {
            place,
            source: error,
        },
    }
}

/// Why the login, or a question after it, failed.
pub(crate) fn login_error(
    login: &Login<'_>,
    stage: Stage,
    error: tokio_postgres::Error,
) -> ConnectError {
    let place = login.place.clone();
    if let Some(db) = error.as_db_error() {
        return server_error(login, ServerMessage::new(db.clone()));
    }
    if error.is_closed() {
        return ConnectError::ClosedEarly { place, stage };
    }
    let cause = error.source();
    if let Some(io) = cause.and_then(|cause| cause.downcast_ref::<io::Error>()) {
        // In TLS 1.3 the server judges our certificate after we think that the handshake is over.
        if let Some(rustls::Error::AlertReceived(alert)) = tls_cause(io)
            && is_about_client_certificate(*alert)
        {
            return ConnectError::ClientCertificate {
                place,
                alert: format!("{alert:?}"),
            };
        }
        if is_closed(io) {
            return ConnectError::ClosedEarly { place, stage };
        }
        if io.kind() == io::ErrorKind::InvalidInput || io.kind() == io::ErrorKind::InvalidData {
            return ConnectError::NotPostgres {
                place,
                what: io.to_string(),
            };
        }
    } else if let Some(cause) = cause {
        // The protocol library keeps the kind of these to itself. Its text is English always, and
        // the tests hold both cases still.
        if login.password.is_none() && cause.to_string() == "password missing" {
            return ConnectError::PasswordRequired {
                place,
                role: login.role.to_owned(),
            };
        }
        return ConnectError::AuthUnsupported {
            place,
            reason: cause.to_string(),
        };
    } else {
        return ConnectError::NotPostgres {
            place,
            what: error.to_string(),
        };
    }
    ConnectError::Other {
        place,
        stage,
        source: error.into(),
    }
}

fn server_error(login: &Login<'_>, server: ServerMessage) -> ConnectError {
    let place = login.place.clone();
    let role = login.role.to_owned();
    let database = login.database.to_owned();
    match (server.sqlstate(), server.routine()) {
        ("28P01", _) => match &login.password {
            Some(used) => ConnectError::PasswordWrong {
                place,
                role,
                used: used.clone(),
                server,
            },
            None => ConnectError::AuthRejected { place, server },
        },
        ("28000", Some("ClientAuthentication")) => ConnectError::HbaRejected { place, server },
        ("28000", Some("InitializeSessionUserId")) => {
            // One routine and one code for two reasons: the English text tells them apart.
            if server.message().contains("does not exist") {
                ConnectError::RoleMissing {
                    place,
                    role,
                    server,
                }
            } else if server.message().contains("not permitted to log in") {
                ConnectError::RoleCannotLogIn {
                    place,
                    role,
                    server,
                }
            } else {
                ConnectError::AuthRejected { place, server }
            }
        }
        ("28000", _) => ConnectError::AuthRejected { place, server },
        ("3D000", _) => ConnectError::DatabaseMissing {
            place,
            database,
            server,
        },
        ("42501", Some("InitPostgres")) => ConnectError::ReplicationNotAllowed {
            place,
            role,
            server,
        },
        ("42501" | "55000", _) => ConnectError::DatabaseNotAllowed {
            place,
            database,
            role,
            server,
        },
        ("53300", _) => ConnectError::TooManyConnections { place, server },
        ("57P03", _) => ConnectError::StartingUp { place, server },
        // PgBouncer gives its own errors, always in English, this one code.
        ("08P01", None) if is_missing_database(server.message()) => ConnectError::DatabaseMissing {
            place,
            database,
            server,
        },
        ("08P01", None)
            if server
                .message()
                .starts_with("unsupported startup parameter") =>
        {
            ConnectError::ParameterRefused { place, server }
        }
        ("42704" | "22023" | "42601" | "55P02", _) => {
            ConnectError::ParameterRefused { place, server }
        }
        _ => ConnectError::Server { place, server },
    }
}

/// Whether this is what PgBouncer says about a database that it does not know; older versions
/// first.
fn is_missing_database(message: &str) -> bool {
    message.starts_with("no such database")
        || (message.starts_with("database \"") && message.ends_with("\" does not exist"))
}

/// The TLS library's error inside an I/O error.
fn tls_cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

fn is_about_client_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}
