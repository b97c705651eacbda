//! Canaries: statements that are done on purpose, to see whether they arrive.
//!
//! `pgattest prove logging` performs them; here is what is expected of each, how a record is compared with it, and what the
//! canaries of a journal say all together. No clock, no network.

mod expect;
mod summary;

pub use expect::{Canary, Class, Outcome, compare};
pub use summary::{Seen, Summary};
