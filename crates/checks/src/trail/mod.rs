//! What the audit trail itself shows: canaries, completeness, shipping, retention, alerts.

mod alert_delivery;
mod alert_rules;
mod audit_bypass;
mod canaries;
mod canary_proof;
mod denied_actions;
mod known;
mod log_completeness;
mod log_silence;
mod logging_weakened;
mod outside_anchor;
mod retention_proof;
mod rows_audited;
mod secrets_in_log;
mod shipping_lag;

pub use alert_delivery::AlertDelivery;
pub use alert_rules::AlertRules;
pub use audit_bypass::AuditBypass;
pub use canary_proof::CanaryProof;
pub use denied_actions::DeniedActions;
pub use log_completeness::LogCompleteness;
pub use log_silence::LogSilence;
pub use logging_weakened::LoggingWeakened;
pub use outside_anchor::OutsideAnchor;
pub use retention_proof::RetentionProof;
pub use rows_audited::RowsAudited;
pub use secrets_in_log::SecretsInLog;
pub use shipping_lag::ShippingLag;
