//! HBA: who may connect, from where, how.

mod engine;
mod open_addresses;
mod password_in_clear;
mod reachable_in_clear;
mod reachable_trust;
#[cfg(test)]
mod tests;
mod way;
mod width;

pub(crate) use engine::Engine;
pub use open_addresses::OpenAddresses;
pub use password_in_clear::PasswordInClear;
pub use reachable_in_clear::ReachableInClear;
pub use reachable_trust::ReachableTrust;
