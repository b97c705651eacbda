//! Why the journal could not be read or written.

use crate::leaf::LeafError;
use pgattest_evidence::DiskError;
use pgattest_ledger::checkpoint::CheckpointError;
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
    /// The checkpoint is not one of this key.
    #[error(
        "the journal's checkpoint `{}` cannot be accepted{}",
        .path.display(),
        if matches!(.source, CheckpointError::OtherKey) {
            "; open the journal with the key that signs it, or begin another journal in a folder of its own"
        } else {
            "; restore the journal's folder from a backup"
        }
    )]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        source: CheckpointError,
    },
    /// The key was rotated, and the one it is opened with is an older one.
    #[error(
        "the journal's key was rotated to {0}, and the key here is another: `pgattest trail rotate-key` finishes a rotation that was \
         interrupted"
    )]
    Rotated(String),
    /// The journal was set back to an earlier state, or its checkpoint was.
    #[error(
        "the journal at `{}` was set back: {reason}; restore the later checkpoint, or the whole folder",
        .dir.display()
    )]
    SetBack {
        /// The journal.
        dir: PathBuf,
        /// What shows it.
        reason: String,
    },
    /// What was to be added is not what can follow.
    #[error("the journal refuses {what}: {reason}")]
    Refused {
        /// What was to be added.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// A leaf cannot be written.
    #[error("the leaf cannot be written")]
    Leaf(#[from] LeafError),
    /// A commit failed, and what it wrote is in doubt.
    #[error(
        "a commit of the journal failed before; open it again, which cuts off what was not committed"
    )]
    Broken,
    /// The writer has ended.
    #[error("the journal's writer has ended")]
    Ended,
}

impl From<DiskError> for JournalError {
    fn from(error: DiskError) -> Self {
        Self::Disk {
            action: error.action,
            path: error.path,
            source: error.source,
        }
    }
}
