//! Audit logging: pgaudit, what can silence it, the records of logins, and where the log goes.

mod audit_control;
mod audit_overrides;
mod classified;
mod connection_log;
pub mod destinations;
mod event_triggers;
mod keys_in_log;
mod line_prefix;
mod log_destination;
mod log_file_access;
mod log_rotation;
pub mod object_audit;
pub mod pgaudit;
mod pgaudit_classes;
mod pgaudit_loaded;
pub mod provider;
pub mod settings;
mod statement_log;
pub mod variants;

pub use audit_control::AuditControl;
pub use audit_overrides::AuditOverrides;
pub use connection_log::ConnectionLog;
pub use keys_in_log::KeysInLog;
pub use line_prefix::LinePrefix;
pub use log_destination::LogDestination;
pub use log_file_access::LogFileAccess;
pub use log_rotation::LogRotation;
pub use object_audit::ObjectAudit;
pub use pgaudit_classes::PgauditClasses;
pub use pgaudit_loaded::PgauditLoaded;
pub use statement_log::StatementLog;
