//! Privileges taken from those who should not have them.

use crate::kind::Kind;

/// In the order they propose.
pub(super) static KINDS: &[&dyn Kind] = &[];
