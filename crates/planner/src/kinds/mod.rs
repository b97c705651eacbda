//! The kinds of change, in folders by area.

pub mod authentication;
pub mod code;
pub mod grants;
pub mod isolation;
pub mod roles;
pub mod services;
pub mod settings;

use crate::kind::Kind;

/// Every kind. Where two have changes of one stage in one database, those of the earlier come first.
pub fn all() -> impl Iterator<Item = &'static dyn Kind> {
    [
        services::KINDS,
        roles::KINDS,
        grants::KINDS,
        code::KINDS,
        isolation::KINDS,
        settings::KINDS,
        authentication::KINDS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Whether a kind decides for all findings together, so that more of them ask for other drafts, not for further ones: who will own a
/// database, and what its services are granted in it.
pub(crate) fn is_whole(name: &str) -> bool {
    services::KINDS.iter().any(|kind| kind.name() == name)
}
