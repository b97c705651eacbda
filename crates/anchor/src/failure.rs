//! Why an anchor was not had.

use pgattest_ledger::checkpoint::CheckpointError;
use pgattest_sinks::kms::KmsError;
use pgattest_trail::JournalError;
use pgattest_trail::seal::AnchorError;
use pgattest_trail::seal::second::SecondError;
use std::path::PathBuf;

/// Why an anchor was not had.
#[derive(Debug, thiserror::Error)]
pub enum AnchorFailure {
    /// The client cannot be made.
    #[error("cannot prepare to speak HTTPS: {0}")]
    Client(String),
    /// Nobody answered, or not to the end. Asking again later is right.
    #[error("no answer from {url}: {reason}")]
    Unreachable {
        /// Who was asked, without its query and credentials.
        url: String,
        /// What happened.
        reason: String,
    },
    /// It answered, and does not sign.
    #[error("{url} refused with status {status}: {text}")]
    Refused {
        /// Who was asked.
        url: String,
        /// HTTP's status.
        status: u16,
        /// The beginning of what it said.
        text: String,
    },
    /// The witness has signed a later checkpoint than the journal has: the journal was set back.
    #[error(
        "the witness {witness} has signed a checkpoint of {seen} leaves and the journal has {size}: \
         the journal was set back, or another one has its name"
    )]
    SetBack {
        /// The witness's name.
        witness: String,
        /// What it has seen.
        seen: u64,
        /// What there is.
        size: u64,
    },
    /// The answer is no signature of that witness.
    #[error("the answer of the witness {witness} is not its signature")]
    BadCosignature {
        /// The witness's name.
        witness: String,
        /// Why.
        source: CheckpointError,
    },
    /// The second key did not sign.
    #[error(transparent)]
    Second(#[from] SecondFailure),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The answer is no time stamp of the checkpoint, or cannot be kept.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
}

/// Why a second key did not sign.
#[derive(Debug, thiserror::Error)]
pub enum SecondFailure {
    /// Its file cannot be used. Nothing of its content is said.
    #[error("the key `{}` cannot be used: {reason}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// KMS did not sign.
    #[error(transparent)]
    Kms(#[from] KmsError),
    /// The signature is none, or cannot be kept.
    #[error(transparent)]
    Second(#[from] SecondError),
}
