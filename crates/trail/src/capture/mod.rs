//! From log files to the journal: which bytes are new, whatever rotation, truncation and deletion do.
//!
//! ```text
//! collector ─reads, cuts─▶ pipeline ─▶ workers ─redact, read times─▶ sealer ─▶ journal
//!  (1 thread)              bounded by bytes      (one a core)        (1 thread)
//! ```
//!
//! The journal is the only cursor: at the start each file is looked up by inode and first bytes, and read on from the byte behind
//! its last sealed block. A collector that is killed at any instant loses nothing that the files still hold, and seals nothing twice.
//!
//! | module | subject |
//! |---|---|
//! | [`config`] | what is configurable |
//! | `directory`, `files`, `identity`, `form` | which files there are, which of them are the same, which form they have |
//! | `tail` | one open file: bytes to pieces to blocks |
//! | `long` | a record that is longer than what is held |
//! | `collector`, `change` | the loop that reads, and what happens to files meanwhile |
//! | `pipeline`, `prepare`, `sealer` | from there to the journal |
//! | [`run`] | all of it, with the tasks beside it |

mod change;
mod collector;
pub mod config;
mod directory;
mod files;
mod form;
mod hint;
mod identity;
mod long;
mod pipeline;
mod prepare;
pub mod run;
mod sealer;
mod tail;

pub use config::Config;
pub use prepare::OriginalKey;
pub use run::{Capture, CaptureError};

/// Now, by this machine's clock, in milliseconds since 1970.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
