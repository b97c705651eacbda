//! What can go wrong, in terms that a person can act on.

mod certificate;
mod classify;
mod connect;
mod hint;
mod server;
mod settings;

pub use self::certificate::CertificateProblem;
pub(crate) use self::classify::{Login, handshake_error, login_error, open_error, socket_error};
pub use self::connect::{ConnectError, Stage};
pub use self::server::ServerMessage;
pub use self::settings::{SettingsError, SyntaxProblem};
