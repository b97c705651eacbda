//! Anchors: what makes the trail's past somebody else's knowledge, too.
//!
//! A witness signs that each checkpoint it sees continues the one before; a time stamping authority signs that a checkpoint existed
//! at a time. Both are asked over HTTP and neither learns anything but a name, a size and a hash. What they answer is checked and kept
//! beside the journal (see `pgattest_trail::seal`). The journal itself never waits for them.

#![warn(missing_docs)]

mod client;
pub mod config;
mod failure;
mod task;

pub use client::AnchorClient;
pub use config::SealConfig;
pub use failure::AnchorFailure;
pub use task::AnchorTask;
