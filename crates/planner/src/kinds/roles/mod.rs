//! Attributes, memberships, logins and stored settings of roles.

mod attributes;
mod foresight;
mod logins;
mod memberships;
mod passwords;
mod people;
mod property;
mod search_path;
mod settings;
mod superuser;

pub use attributes::Attributes;
pub use logins::Logins;
pub use memberships::Memberships;
pub use passwords::Passwords;
pub use search_path::SearchPath;
pub use settings::Settings;
pub use superuser::Superuser;

use crate::kind::Kind;

/// In the order they propose.
pub(super) static KINDS: &[&dyn Kind] = &[
    &Settings,
    &SearchPath,
    &Memberships,
    &Attributes,
    &Superuser,
    &Logins,
    &Passwords,
];
