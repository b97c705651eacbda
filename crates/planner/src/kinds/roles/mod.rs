//! Attributes and memberships of roles.

mod attributes;

pub use attributes::Attributes;

use crate::kind::Kind;

/// In the order they propose.
pub(super) static KINDS: &[&dyn Kind] = &[&Attributes];
