//! Anchors: what makes the trail's past somebody else's knowledge, too.
//!
//! A witness signs that each checkpoint it sees continues the one before; a time stamping authority signs that a checkpoint existed
//! at a time. A second key, in a file or in AWS KMS, signs what the first one signed. Witnesses and authorities are asked over HTTP and neither learns anything but a name, a size and a hash. What they answer is checked and kept
//! beside the journal (see `pgattest_trail::seal`). The journal itself never waits for them.

#![warn(missing_docs)]

mod client;
pub mod config;
mod failure;
mod second;
mod task;

pub use client::AnchorClient;
pub use config::SealConfig;
pub use failure::{AnchorFailure, SecondFailure};
pub use task::AnchorTask;
