//! What binds the journal to somebody outside: keys, second keys, witnesses, time stamps. Formats and files; talking to anybody is the business of
//! the crate `anchor`.

mod anchors;
mod keys;
pub mod rotation;
pub mod second;
pub mod timestamp;
pub mod witness;

pub use anchors::{AnchorError, Anchors};
pub use keys::{KeysError, RedactionKey, TrailKeys, lies_inside};
