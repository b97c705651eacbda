//! Configuration: logging, pgaudit, TLS, passwords.

use crate::kind::Kind;

/// In the order they propose.
pub(super) static KINDS: &[&dyn Kind] = &[];
