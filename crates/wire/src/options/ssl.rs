//! The TLS settings of a target.

use std::path::PathBuf;

/// How much encryption is asked for, with libpq's meanings.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// Without TLS; with it only when the server insists.
    Allow,
    /// With TLS; without it when the server has none or refuses.
    #[default]
    Prefer,
    /// Only with TLS. The server's certificate is verified if there is a root certificate file.
    Require,
    /// Only with TLS, and the certificate must come from a trusted CA.
    VerifyCa,
    /// As `VerifyCa`, and the certificate must name the host.
    VerifyFull,
}

impl SslMode {
    /// The value of `sslmode`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// How TLS begins.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SslNegotiation {
    /// By asking in PostgreSQL's protocol first.
    #[default]
    Postgres,
    /// At once, which a server from version 17 understands.
    Direct,
}

/// Whether the login is bound to the TLS connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// When the server offers it.
    #[default]
    Prefer,
    /// Always; the login fails otherwise.
    Require,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum TlsVersion {
    /// TLS 1.0, which we cannot speak; it matters as a limit only.
    V1_0,
    /// TLS 1.1, which we cannot speak; it matters as a limit only.
    V1_1,
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

impl TlsVersion {
    /// The value of `ssl_min_protocol_version`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "TLSv1",
            Self::V1_1 => "TLSv1.1",
            Self::V1_2 => "TLSv1.2",
            Self::V1_3 => "TLSv1.3",
        }
    }
}

/// TLS settings. Files are looked at when connecting, not before.
#[derive(Clone, Debug)]
pub(crate) struct SslSettings {
    pub(crate) mode: SslMode,
    pub(crate) negotiation: SslNegotiation,
    pub(crate) roots: RootCertificates,
    pub(crate) revocations: RevocationList,
    pub(crate) client: ClientCertificate,
    pub(crate) server_name_indication: bool,
    pub(crate) oldest: TlsVersion,
    pub(crate) newest: Option<TlsVersion>,
}

/// Where trusted CA certificates come from.
#[derive(Clone, Debug)]
pub(crate) enum RootCertificates {
    /// `sslrootcert=FILE`, which must exist if the mode verifies.
    File(PathBuf),
    /// `sslrootcert=system`: the first of these files that exists.
    System(Vec<PathBuf>),
    /// `~/.postgresql/root.crt` if it exists; `None` without a home directory.
    Default(Option<PathBuf>),
}

/// Where a certificate revocation list comes from.
#[derive(Clone, Debug)]
pub(crate) enum RevocationList {
    /// `sslcrl=FILE`.
    File(PathBuf),
    /// `~/.postgresql/root.crl` if it exists.
    Default(Option<PathBuf>),
}

/// Where the client's certificate and key come from.
#[derive(Clone, Debug)]
pub(crate) struct ClientCertificate {
    /// Whether to send one at all (`sslcertmode`).
    pub(crate) enabled: bool,
    /// `sslcert`.
    pub(crate) certificate: Option<PathBuf>,
    /// `sslkey`.
    pub(crate) key: Option<PathBuf>,
    /// `~/.postgresql`, whose `postgresql.crt` and `postgresql.key` are used if they exist.
    pub(crate) directory: Option<PathBuf>,
}
