//! What the audit trail itself shows: canaries, completeness, shipping, retention, alerts.

mod alert_delivery;

mod known;
mod log_completeness;
mod log_silence;
mod logging_weakened;
mod outside_anchor;
mod retention_proof;
mod shipping_lag;

pub use alert_delivery::AlertDelivery;
pub use log_completeness::LogCompleteness;
pub use log_silence::LogSilence;
pub use logging_weakened::LoggingWeakened;
pub use outside_anchor::OutsideAnchor;
pub use retention_proof::RetentionProof;
pub use shipping_lag::ShippingLag;
