//! Who may come in.

mod hba_file;
mod hba_rules;
mod remedy;
mod rewriting;
mod seen;

pub use hba_rules::HbaRules;

use crate::kind::Kind;

/// In the order they propose.
pub(super) static KINDS: &[&dyn Kind] = &[&HbaRules];
