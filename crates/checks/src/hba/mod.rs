//! HBA: who may connect, from where, how.

mod client_certificates;
mod directory_logins;
pub mod engine;
mod file_in_force;
mod identity_maps;
mod idle_refusals;
mod md5_password;
mod open_addresses;
mod open_to_all_roles;
mod password_in_clear;
mod reachable_in_clear;
mod reachable_trust;
mod replication_access;
mod shadow;
mod shadowed_rules;
mod superuser_over_network;
#[cfg(test)]
mod tests;
mod way;
mod ways;
mod width;

pub use client_certificates::ClientCertificates;
pub use directory_logins::DirectoryLogins;
pub(crate) use engine::{Engine, place};
pub use file_in_force::FileInForce;
pub use identity_maps::IdentityMaps;
pub use idle_refusals::IdleRefusals;
pub use md5_password::Md5Password;
pub use open_addresses::OpenAddresses;
pub use open_to_all_roles::OpenToAllRoles;
pub use password_in_clear::PasswordInClear;
pub use reachable_in_clear::ReachableInClear;
pub use reachable_trust::ReachableTrust;
pub use replication_access::ReplicationAccess;
pub use shadowed_rules::ShadowedRules;
pub use superuser_over_network::SuperuserOverNetwork;
pub(crate) use ways::Ways;
