//! What to do about a failed connection.

use super::{CertificateProblem, ConnectError};
use crate::options::PasswordSource;
use crate::text::printable;

impl ConnectError {
    /// What to do next, if there is anything useful to say.
    pub fn hint(&self) -> Option<String> {
        let advice = match self {
            Self::Dns { .. } | Self::DnsTimeout { .. } => {
                "check the spelling of the host, and that this machine's resolver knows it"
            }
            Self::Refused { .. } => {
                "check that the server runs, that its `listen_addresses` covers this address, and \
                 the port"
            }
            Self::Timeout { .. } => {
                "check firewalls and security groups between here and there; \
                 `connect_timeout` sets the limit"
            }
            Self::NoRoute { .. } => "check the network, VPN and firewall between here and there",
            Self::SocketMissing { .. } => {
                "start the server, or give its socket directory or host name with `host=`"
            }
            Self::SocketRefused { .. } => "the server that made the socket is gone: start it again",
            Self::SocketDenied { .. } => {
                "use a user who may enter the directory, or connect over TCP with `host=`"
            }
            Self::TlsRefused { .. } => {
                "turn on `ssl` in the server's configuration; `sslmode=prefer` would connect in \
                 clear text"
            }
            Self::TlsCertificate { reason, .. } => certificate(reason),
            Self::TlsProtocol { .. } => {
                "pgattest speaks TLS 1.2 and 1.3: check the server's `ssl_min_protocol_version`, \
                 `ssl_max_protocol_version` and `ssl_ciphers`"
            }
            Self::TlsFile(error) => return error.hint(),
            Self::ClientCertificate { .. } => {
                "give a certificate that the server's `ssl_ca_file` trusts, with `sslcert` and \
                 `sslkey`"
            }
            Self::HbaRejected { place, .. } => {
                return Some(format!(
                    "add a line to pg_hba.conf that lets this role in from here{}, and reload; if it \
                     asks for a client certificate, give `sslcert` and `sslkey`",
                    if place.encrypted() {
                        " with TLS (`hostssl`)"
                    } else {
                        ""
                    }
                ));
            }
            Self::AuthRejected { .. } => {
                "see the server's log for the reason; pg_hba.conf says which method applies to \
                 this role"
            }
            Self::AuthUnsupported { .. } => {
                "pgattest logs in with a password (scram-sha-256, md5, LDAP, RADIUS, PAM), a client \
                 certificate, peer or trust; `channel_binding=require` needs TLS and scram-sha-256"
            }
            Self::PasswordRequired { .. } => {
                "set PGPASSWORD, or add a line to ~/.pgpass (mode 0600): \
                 host:port:database:role:password"
            }
            Self::PasswordWrong { used, role, .. } => {
                return Some(match used {
                    PasswordSource::Given => format!(
                        "check the password; the server answers the same when role `{}` does not \
                         exist or has no password",
                        printable(role)
                    ),
                    PasswordSource::File(path) => format!(
                        "check the first line of `{}` that matches this host, port, database and \
                         role",
                        printable(&path.to_string_lossy())
                    ),
                });
            }
            Self::RoleMissing { .. } => {
                "create the role, or give another with `user=`; `pgattest grants` prints the SQL \
                 of a read-only auditor"
            }
            Self::RoleCannotLogIn { .. } => "use a role that has LOGIN",
            Self::DatabaseMissing { .. } => "give another database with `dbname=`",
            Self::DatabaseNotAllowed { .. } => {
                "grant CONNECT on the database to the role; a database with ALLOW_CONNECTIONS \
                 false, or one that is half dropped, lets nobody in"
            }
            Self::ReplicationNotAllowed { .. } => {
                "give the role REPLICATION, if it is to read everything that is written: ALTER ROLE .. REPLICATION"
            }
            Self::TooManyConnections { .. } => {
                "try again later, or raise the connection limit of the server, database or role"
            }
            Self::StartingUp { .. } => "try again in a moment",
            Self::SessionAttrs { .. } => {
                "add the other servers to `host`, or change `target_session_attrs`"
            }
            Self::ParameterRefused { .. } => {
                "a pooler such as PgBouncer takes few startup parameters: remove `options` (or \
                 PGOPTIONS), or add the parameter to its `ignore_startup_parameters`"
            }
            Self::ClosedEarly { .. } => {
                "see the server's log; a proxy without a server behind it does this too"
            }
            Self::NotPostgres { .. } => "check the host and the port",
            Self::Server { .. } | Self::Other { .. } => return None,
            Self::Several { attempts } => return several(attempts),
        };
        Some(advice.to_owned())
    }
}

fn certificate(reason: &CertificateProblem) -> &'static str {
    match reason {
        CertificateProblem::UnknownCa { .. } => {
            "give the certificate of the CA that issued it with `sslrootcert=FILE`"
        }
        CertificateProblem::Expired { .. } | CertificateProblem::NotYetValid { .. } => {
            "renew the server's certificate, and check this machine's clock"
        }
        CertificateProblem::HostMismatch { .. } => {
            "connect with a name that the certificate holds (`hostaddr` can give the address), or \
             have it issued for this one"
        }
        CertificateProblem::Revoked => "have a new certificate issued for the server",
        CertificateProblem::RevocationUnknown => "fetch the CA's current list for `sslcrl`",
        CertificateProblem::WrongPurpose => {
            "have it issued with the extended key usage `serverAuth`"
        }
        _ => "look at it: openssl s_client -starttls postgres -connect HOST:PORT -showcerts",
    }
}

/// The different hints of all attempts, one a line.
fn several(attempts: &[ConnectError]) -> Option<String> {
    let mut hints: Vec<String> = Vec::new();
    for hint in attempts.iter().filter_map(ConnectError::hint) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    (!hints.is_empty()).then(|| hints.join("\n"))
}
