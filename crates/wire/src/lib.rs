//! Connecting to PostgreSQL as psql does, and saying exactly why when it does not work.
//!
//! [`ConnectOptions::resolve`] reads connection strings, service files, environment variables and
//! password files with libpq's rules; [`connect`] opens the connection with libpq's meanings of
//! `sslmode`. Everything that a server, a file or a user says is untrusted: nothing here panics on
//! it, and every message is safe for a terminal and free of secrets.

mod cancel;
mod connect;
mod connection;
mod dial;
mod dsn;
mod env;
mod error;
mod fast_path;
mod keyword;
mod options;
mod passfile;
mod peer;
pub mod probe;
mod secret;
mod service;
mod session_attrs;
mod stream;
mod text;
mod tls;
mod values;

pub use self::cancel::CancelToken;
pub use self::connect::connect;
pub use self::connection::{Connection, Intermediary, Notices};
pub use self::env::{Env, FixedEnv, ProcessEnv};
pub use self::error::{
    CertificateProblem, ConnectError, ServerMessage, SettingsError, Stage, SyntaxProblem,
};
pub use self::fast_path::{FastPath, FastPathError};
pub use self::options::{
    ChannelBinding, ConnectOptions, Host, HostTarget, PasswordSource, SslMode, SslNegotiation,
    TargetSessionAttrs, TlsVersion,
};
pub use self::passfile::Warning;
pub use self::peer::{Address, Peer, Place};
pub use self::secret::Secret;
pub use self::text::printable;
pub use self::tls::{TlsFileError, TlsFileProblem, TlsSeen, Verification};
