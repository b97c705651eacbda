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

mod functions;
mod grants;
mod hba;
mod logging;
mod rls;
mod roles;
mod secrets;
mod tenancy;
mod transport;

pub use assess::{assess, not_visible};
pub use check::Check;
pub use context::Context;
pub use registry::CHECKS;
