//! Applying a plan to a live cluster, and taking it back.
//!
//! The plan decides everything; nothing is chosen here.

mod action;
pub mod canary;
mod error;

pub use action::{Hands, perform};
pub use error::ApplyError;
