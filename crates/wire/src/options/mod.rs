//! How and where to connect, resolved and checked.

mod describe;
mod resolve;
mod ssl;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use self::ssl::{ChannelBinding, SslMode, SslNegotiation, TlsVersion};
pub(crate) use self::ssl::{ClientCertificate, RevocationList, RootCertificates, SslSettings};
use crate::passfile::{Passfile, Warning};
use crate::secret::Secret;
use crate::text::printable;

/// Everything needed to connect to one target: hosts, role, database, TLS and the password.
///
/// Made by [`ConnectOptions::resolve`]. The fields are private, so that what exists is valid.
#[derive(Clone)]
pub struct ConnectOptions {
    hosts: Vec<HostTarget>,
    database: String,
    user: String,
    password: Option<Secret>,
    passfile: Option<Arc<Passfile>>,
    ssl: SslSettings,
    channel_binding: ChannelBinding,
    connect_timeout: Option<Duration>,
    target_session_attrs: TargetSessionAttrs,
    application_name: Option<String>,
    startup_options: Option<String>,
    keepalive: Option<Keepalive>,
    replicates: bool,
    warnings: Vec<Warning>,
}

/// One host to try.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostTarget {
    /// What was given: a name, an address, or the directory of a unix socket.
    pub host: Host,
    /// The address to use instead of looking up the name.
    pub hostaddr: Option<IpAddr>,
    /// The TCP port, or the number at the end of the socket's name.
    pub port: u16,
}

/// A host as it was given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// A name or an address to reach over TCP.
    Name(String),
    /// The directory of a unix socket.
    Directory(PathBuf),
    /// No name: only `hostaddr`.
    Unnamed,
}

/// What kind of session is acceptable.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TargetSessionAttrs {
    /// Any server.
    #[default]
    Any,
    /// A session that may write: not on a standby and not read-only by default.
    ReadWrite,
    /// A session that may not write.
    ReadOnly,
    /// A server that is not in recovery.
    Primary,
    /// A server in recovery.
    Standby,
    /// A standby if there is one, else any server.
    PreferStandby,
}

/// TCP keepalives; a missing number leaves the system's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Keepalive {
    pub(crate) idle: Option<Duration>,
    pub(crate) interval: Option<Duration>,
    pub(crate) count: Option<u32>,
}

impl ConnectOptions {
    /// The same target with another database.
    ///
    /// The name travels in the startup message, never in a string that anybody parses. A password
    /// file is asked again, because its lines may name the database.
    #[must_use]
    pub fn with_database(&self, name: impl Into<String>) -> Self {
        Self {
            database: name.into(),
            ..self.clone()
        }
    }

    /// The same target as another role. A password that was given is the first role's and stays behind; a password file is asked
    /// for the other's.
    #[must_use]
    pub fn as_user(&self, name: impl Into<String>) -> Self {
        Self {
            user: name.into(),
            password: None,
            ..self.clone()
        }
    }

    /// The same login with this password, whatever was given: to see that a wrong one is refused.
    #[must_use]
    pub fn with_password(&self, password: Secret) -> Self {
        Self {
            password: Some(password),
            passfile: None,
            ..self.clone()
        }
    }

    /// The same login under another `application_name`, which the server writes into its log.
    #[must_use]
    pub fn with_application_name(&self, name: impl Into<String>) -> Self {
        Self {
            application_name: Some(name.into()),
            ..self.clone()
        }
    }

    /// The same login as a replication connection to its database (`replication=database`), which takes replication commands beside
    /// SQL. The role needs REPLICATION.
    #[must_use]
    pub fn for_replication(&self) -> Self {
        Self {
            replicates: true,
            ..self.clone()
        }
    }

    /// The same login without TLS and without a password: to see whether a server's rules refuse it. A server that does not
    /// refuse it is sent no secret in clear text.
    #[must_use]
    pub fn without_tls(&self) -> Self {
        Self {
            password: None,
            passfile: None,
            ssl: SslSettings {
                mode: SslMode::Disable,
                ..self.ssl.clone()
            },
            channel_binding: ChannelBinding::Disable,
            ..self.clone()
        }
    }

    /// The same target, refused when it does not offer TLS; how its certificate is verified stays.
    #[must_use]
    pub fn requiring_tls(&self) -> Self {
        let mut options = self.clone();
        options.ssl.mode = options.ssl.mode.max(SslMode::Require);
        options
    }

    /// Whether there is a password for one of the hosts.
    pub fn has_password(&self) -> bool {
        self.hosts
            .iter()
            .any(|host| self.password_for(host).is_some())
    }

    /// The hosts, in the order to try them. There is at least one.
    pub fn hosts(&self) -> &[HostTarget] {
        &self.hosts
    }

    /// The database to connect to.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The role to connect as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// How much encryption is asked for.
    pub fn ssl_mode(&self) -> SslMode {
        self.ssl.mode
    }

    /// The longest time to spend on one address, or `None` for no limit.
    pub fn connect_timeout(&self) -> Option<Duration> {
        self.connect_timeout
    }

    /// What kind of session is acceptable.
    pub fn target_session_attrs(&self) -> TargetSessionAttrs {
        self.target_session_attrs
    }

    /// What a person should know although connecting goes on.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The password for a host: the one that was given, else what the password file says.
    pub(crate) fn password_for(&self, target: &HostTarget) -> Option<(Secret, PasswordSource)> {
        if let Some(password) = &self.password {
            return Some((password.clone(), PasswordSource::Given));
        }
        let passfile = self.passfile.as_ref()?;
        let password = passfile.password(
            &target.passfile_name(),
            target.port,
            &self.database,
            &self.user,
        )?;
        let source = PasswordSource::File(passfile.path().to_owned());
        Some((password, source))
    }

    pub(crate) fn ssl(&self) -> &SslSettings {
        &self.ssl
    }

    pub(crate) fn channel_binding(&self) -> ChannelBinding {
        self.channel_binding
    }

    pub(crate) fn application_name(&self) -> Option<&str> {
        self.application_name.as_deref()
    }

    pub(crate) fn startup_options(&self) -> Option<&str> {
        self.startup_options.as_deref()
    }

    pub(crate) fn replicates(&self) -> bool {
        self.replicates
    }

    pub(crate) fn keepalive(&self) -> Option<Keepalive> {
        self.keepalive
    }
}

/// Shows no secret: the same as [`ConnectOptions::describe`].
impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectOptions({})", self.describe())
    }
}

/// Where a password came from, for messages.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PasswordSource {
    /// The connection string, a service file or PGPASSWORD.
    Given,
    /// A password file.
    File(PathBuf),
}

impl Host {
    fn from_text(text: &str) -> Self {
        if text.starts_with('/') {
            Self::Directory(PathBuf::from(text))
        } else {
            Self::Name(text.to_owned())
        }
    }
}

impl HostTarget {
    /// The unix socket, if that is what this host is.
    pub fn socket(&self) -> Option<PathBuf> {
        match (&self.host, self.hostaddr) {
            (Host::Directory(directory), None) => {
                Some(directory.join(format!(".s.PGSQL.{}", self.port)))
            }
            _ => None,
        }
    }

    /// The name by which the server's certificate is checked, if there is one.
    pub(crate) fn certificate_name(&self) -> Option<&str> {
        match &self.host {
            Host::Name(name) => Some(name),
            Host::Directory(_) | Host::Unnamed => None,
        }
    }

    /// The name by which a password file knows this host.
    fn passfile_name(&self) -> String {
        match (&self.host, self.hostaddr) {
            (Host::Name(name), _) => name.clone(),
            (Host::Directory(directory), _) if directory == Path::new(DEFAULT_SOCKETS) => {
                "localhost".to_owned()
            }
            (Host::Directory(directory), _) => directory.to_string_lossy().into_owned(),
            (Host::Unnamed, Some(address)) => address.to_string(),
            (Host::Unnamed, None) => "localhost".to_owned(),
        }
    }
}

/// The socket directory that libpq calls `localhost` in password files.
const DEFAULT_SOCKETS: &str = "/var/run/postgresql";

/// `name:port`, `[address]:port` or the socket's path; safe for terminals.
impl fmt::Display for HostTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(socket) = self.socket() {
            return f.write_str(&printable(&socket.to_string_lossy()));
        }
        let name = match (&self.host, self.hostaddr) {
            (Host::Name(name), _) => name.clone(),
            (_, Some(address)) => address.to_string(),
            (Host::Directory(directory), None) => directory.to_string_lossy().into_owned(),
            (Host::Unnamed, None) => "localhost".to_owned(),
        };
        if name.contains(':') {
            write!(f, "[{}]:{}", printable(&name), self.port)
        } else {
            write!(f, "{}:{}", printable(&name), self.port)
        }
    }
}

impl TargetSessionAttrs {
    /// The value of `target_session_attrs`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::PreferStandby => "prefer-standby",
        }
    }
}
