//! Audit logging: pgaudit, what can silence it, and the records of logins.

mod audit_overrides;
mod connection_log;
mod event_triggers;
mod pgaudit;
mod pgaudit_classes;
mod pgaudit_loaded;
mod settings;

pub use audit_overrides::AuditOverrides;
pub use connection_log::ConnectionLog;
pub use pgaudit_classes::PgauditClasses;
pub use pgaudit_loaded::PgauditLoaded;
