//! Why the archive could not be read or written.

use std::path::PathBuf;

/// A failure, with what it is about.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is none.
    #[error("there is no archive of `{instance}` at `{place}`")]
    Absent {
        /// Where it was looked for.
        place: String,
        /// Whose.
        instance: String,
    },
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
    /// Another process writes to it.
    #[error("another process writes to the archive at `{place}`{}", .who.as_deref().unwrap_or_default())]
    Locked {
        /// Which archive.
        place: String,
        /// Who, since when and until when, as far as that is known; begins with a colon.
        who: Option<String>,
    },
    /// The archive's lock was lost while it was written to.
    #[error(
        "this process no longer holds the lock of the archive at `{place}`: {reason}; what is there is whole, run it again"
    )]
    LockLost {
        /// Which archive.
        place: String,
        /// How it was noticed.
        reason: String,
    },
    /// S3 did not do something.
    #[error(transparent)]
    Bucket(#[from] pgattest_sinks::bucket::BucketError),
    /// A client of S3 cannot be made of its settings.
    #[error("the archive at `{place}` cannot be reached")]
    Open {
        /// Where it is.
        place: String,
        /// Why not.
        source: pgattest_sinks::OpenError,
    },
    /// S3 did what it should not.
    #[error("{0}")]
    Service(String),
    /// What is written down is no place of an archive.
    #[error("`{location}` is no place for an archive: {reason}")]
    Location {
        /// What was written.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A Parquet file is not what it should be.
    #[error(
        "`{file}` is damaged: {reason}; `pgattest trail archive --rebuild` makes it again from the journal"
    )]
    Damaged {
        /// The file, relative to the archive.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// The journal could not be read.
    #[error("the journal could not be read")]
    Journal(#[from] pgattest_trail::JournalError),
    /// Records that the archive lacks are no longer in the journal, although nothing says that they were pruned.
    #[error("records {first} to {last} are neither in the archive nor in the journal")]
    Hole {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// The instance's name cannot be a folder's.
    #[error(
        "`{0}` cannot name an instance: use letters, digits, `-`, `_` and `.`, at most 100, beginning with a letter or digit"
    )]
    Instance(String),
    /// Pruning is not allowed.
    #[error("{0}")]
    Kept(String),
    /// A question that cannot be asked like this.
    #[error("{0}")]
    Question(String),
    /// The Parquet or Arrow library failed otherwise than by what a file holds.
    #[error("cannot write `{file}`")]
    Write {
        /// The file, relative to the archive.
        file: String,
        /// Why.
        source: parquet::errors::ParquetError,
    },
}

/// A damaged file, from what the Parquet library says.
pub(crate) fn damaged(file: &str, error: impl std::fmt::Display) -> ArchiveError {
    ArchiveError::Damaged {
        file: file.to_owned(),
        reason: error.to_string(),
    }
}
