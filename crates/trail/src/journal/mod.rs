//! The journal: blocks in segments, their manifests in a tree.
//!
//! ```text
//! DIR/lock                      held by the one writer
//! DIR/segments/NNN..            zstd frames, one a block; `zstd -dc` gives the log back
//! DIR/tile/..                   C2SP tlog-tiles: entries are leaves (canonical JSON)
//! DIR/checkpoint                signed note; what it covers is durable
//! DIR/state.json                a cache: positions by file, counts; made again from the leaves
//! ```
//!
//! Order of a commit: segment written and flushed, tiles written and flushed, checkpoint renamed into place. A crash leaves the
//! old checkpoint or the new one; what lies beyond it is cut off when the journal is opened for writing.

mod reader;
mod writer;

pub use reader::JournalReader;
pub use writer::{Journal, JournalOptions, LeafSender};

use std::path::PathBuf;

/// Why the journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is none.
    #[error("there is no journal at `{}`", .0.display())]
    Absent(PathBuf),
    /// Another process writes to it.
    #[error("another process writes to the journal at `{}`", .0.display())]
    Locked(PathBuf),
    /// A file operation failed.
    #[error("cannot {action} `{}`", .path.display())]
    Disk {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A block's payload was pruned.
    #[error(
        "the payload of block {0} was pruned by the retention policy; its manifest and proof are still there"
    )]
    Pruned(u64),
    /// Something is not what its manifest, its tree or its signature says.
    #[error("`{}` is damaged: {reason}", .path.display())]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The writer has ended.
    #[error("the journal's writer has ended")]
    Ended,
}
