//! Functions, triggers and what they may reach.

mod definers;
mod leakproof;
mod paths;
mod replica;
mod triggers;

pub use definers::CloseDefiners;
pub use leakproof::NotLeakproof;
pub use paths::SearchPaths;
pub use replica::ReplicaSessions;
pub use triggers::Triggers;

use crate::kind::Kind;

/// In the order they propose.
pub(super) static KINDS: &[&dyn Kind] = &[
    &SearchPaths,
    &CloseDefiners,
    &Triggers,
    &ReplicaSessions,
    &NotLeakproof,
];
