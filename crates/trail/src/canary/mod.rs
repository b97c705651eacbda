//! Canaries: statements that are done on purpose, to see whether they arrive.
//!
//! `pgattest prove logging` performs them; here is what is expected of each, how a record is compared with it, and what the
//! canaries of a journal say all together. No clock, no network.

mod class;
mod expect;
pub mod proof;
mod summary;

pub use class::Class;
pub use expect::{COMMAND, Canary, Outcome, compare};
pub use summary::{Seen, Summary};
