//! Every check, the eight controls, the criteria and the crosswalk.
//!
//! Pure: a verdict is a function of facts and policy. No clock, no environment, no filesystem, no network; whoever has the
//! observations can recompute every verdict.

pub mod assess;
pub mod check;
pub mod context;
pub mod controls;
pub mod crosswalk;
pub mod registry;

pub mod egress;
pub mod functions;
pub mod grants;
pub mod hba;
pub mod logging;
mod policy_review;
pub mod rls;
pub mod roles;
pub mod secrets;
pub mod tenancy;
pub mod trail;
pub mod transport;

pub use assess::{assess, not_visible};
pub use check::Check;
pub use context::Context;
pub use policy_review::review_policy;
pub use registry::CHECKS;
