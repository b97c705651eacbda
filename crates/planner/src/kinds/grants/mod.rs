//! Privileges taken from those who should not have them.

mod databases;
mod defaults;
pub(crate) mod losers;
mod options;
pub(crate) mod place;
pub(crate) mod proposal;
pub(crate) mod public;
mod roles;
mod schemas;
pub(crate) mod taking;

pub use databases::CloseDatabases;
pub use defaults::DefaultPrivileges;
pub use options::GrantOptions;
pub use public::RevokeFromPublic;
pub use roles::RevokePrivileges;
pub use schemas::CloseSchemas;

use crate::kind::Kind;

/// In the order they propose. What somebody else granted is taken as them, while they can still look into the schema: schemas are
/// closed last.
pub(super) static KINDS: &[&dyn Kind] = &[
    &RevokeFromPublic,
    &RevokePrivileges,
    &GrantOptions,
    &DefaultPrivileges,
    &CloseSchemas,
    &CloseDatabases,
];
