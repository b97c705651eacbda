//! Who may come in.

use crate::kind::Kind;

/// In the order they propose.
pub(super) static KINDS: &[&dyn Kind] = &[];
