//! Configuration: logging, pgaudit, TLS, passwords.

mod alter;
mod log_files;
mod logins;
mod manager;
mod measured;
mod object_audit;
mod overrides;
mod passwords;
mod pgaudit;
mod restart;
mod statement_log;
mod text_log;
mod tls;

pub use log_files::LogFiles;
pub use logins::Logins;
pub use object_audit::ObjectAudit;
pub use overrides::Overrides;
pub use passwords::PasswordEncryption;
pub use pgaudit::Pgaudit;
pub use statement_log::StatementLog;
pub use text_log::TextLog;
pub use tls::Tls;

use crate::kind::Kind;

/// In the order they propose.
pub(super) static KINDS: &[&dyn Kind] = &[
    &Logins,
    &TextLog,
    &StatementLog,
    &LogFiles,
    &PasswordEncryption,
    &Overrides,
    &Pgaudit,
    &ObjectAudit,
    &Tls,
];
