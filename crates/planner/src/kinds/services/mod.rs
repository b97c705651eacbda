//! Roles for services, and who owns what.

mod account;
mod database;
mod future;
mod grant;
mod holdings;
mod impact;
mod names;
mod ownership;
mod property;
mod service_role;
mod wanted;

pub use ownership::Ownership;
pub use service_role::ServiceRole;

use crate::kind::Kind;

/// In the order they propose. What is granted to a former owner itself has to come after the change of owner, which takes the
/// owner's own privileges along: `Ownership` is the first.
pub(super) static KINDS: &[&dyn Kind] = &[&Ownership, &ServiceRole];
