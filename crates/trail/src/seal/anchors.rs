//! What others have said of the journal, beside it.
//!
//! ```text
//! DIR/witness/SIZE               the checkpoint of that size with witnesses' signatures behind the log's own
//! DIR/second/SIZE                the checkpoint of that size with the signatures of second keys behind the log's own
//! DIR/timestamps/SIZE.checkpoint the checkpoint's bytes that the time stamp is about
//! DIR/timestamps/SIZE.tsr        the RFC 3161 response: `openssl ts -verify -data SIZE.checkpoint -in SIZE.tsr -CAfile ..`
//! ```

use super::timestamp::{self, TimestampError, Token};
use pgattest_evidence::DiskError;
use pgattest_evidence::disk::Disk;
use pgattest_ledger::SignedCheckpoint;
use pgattest_ledger::checkpoint::CheckpointError;
use pgattest_ledger::cosigned::{CosignedCheckpoint, NoteSignature};
use std::io;
use std::path::{Path, PathBuf};

/// The longest file of this kind that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// The anchors of a journal.
#[derive(Clone, Debug)]
pub struct Anchors {
    dir: PathBuf,
}

/// Why an anchor cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// A file operation failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// It is no checkpoint.
    #[error("`{}` cannot be read", .path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        source: CheckpointError,
    },
    /// It is no time stamp of its checkpoint.
    #[error("`{}` is no time stamp of its checkpoint", .path.display())]
    Timestamp {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TimestampError,
    },
}

impl Anchors {
    /// The anchors of the journal in this folder.
    pub fn of(journal: &Path) -> Self {
        Self {
            dir: journal.to_owned(),
        }
    }

    /// Keeps a witness's signature of a checkpoint, beside those that others have given it.
    pub fn add_cosignature(
        &self,
        signed: &SignedCheckpoint,
        signature: NoteSignature,
    ) -> Result<(), AnchorError> {
        add_line(&self.witness(signed.unverified().size), signed, signature)
    }

    /// Keeps a second key's signature of a checkpoint, beside those of other second keys.
    pub fn add_second(
        &self,
        signed: &SignedCheckpoint,
        signature: NoteSignature,
    ) -> Result<(), AnchorError> {
        add_line(&self.second(signed.unverified().size), signed, signature)
    }

    /// The checkpoint of this size with its witnesses; `None` when there are none.
    pub fn read_cosigned(&self, size: u64) -> Result<Option<CosignedCheckpoint>, AnchorError> {
        read_note(&self.witness(size))
    }

    /// The checkpoint of this size with the signatures of second keys; `None` when there are none.
    pub fn read_second(&self, size: u64) -> Result<Option<CosignedCheckpoint>, AnchorError> {
        read_note(&self.second(size))
    }

    /// Keeps a time stamp of a checkpoint, once it is seen to be one.
    pub fn add_timestamp(
        &self,
        signed: &SignedCheckpoint,
        response: &[u8],
        nonce: [u8; 8],
    ) -> Result<Token, AnchorError> {
        let size = signed.unverified().size;
        let (about, token) = (self.stamped(size), self.token(size));
        let text = signed.to_text();
        let read = timestamp::check(response, text.as_bytes(), Some(nonce)).map_err(|source| {
            AnchorError::Timestamp {
                path: token.clone(),
                source,
            }
        })?;
        write(&about, text.as_bytes())?;
        write(&token, response)?;
        Ok(read)
    }

    /// The checkpoint of this size and what its time stamp says; `None` when there is none.
    pub fn read_timestamp(
        &self,
        size: u64,
    ) -> Result<Option<(SignedCheckpoint, Token)>, AnchorError> {
        let (about, path) = (self.stamped(size), self.token(size));
        let (Some(text), Some(response)) = (read(&about)?, read(&path)?) else {
            return Ok(None);
        };
        let signed = SignedCheckpoint::parse(&text).map_err(|source| AnchorError::Checkpoint {
            path: about,
            source,
        })?;
        let token = timestamp::check(&response, &text, None)
            .map_err(|source| AnchorError::Timestamp { path, source })?;
        Ok(Some((signed, token)))
    }

    /// The sizes that witnesses have signed, in order.
    pub fn cosigned_sizes(&self) -> Result<Vec<u64>, AnchorError> {
        sizes(&self.dir.join("witness"), "")
    }

    /// The sizes that second keys have signed, in order.
    pub fn second_sizes(&self) -> Result<Vec<u64>, AnchorError> {
        sizes(&self.dir.join("second"), "")
    }

    /// The sizes that have a time stamp, in order.
    pub fn stamped_sizes(&self) -> Result<Vec<u64>, AnchorError> {
        sizes(&self.dir.join("timestamps"), ".tsr")
    }

    fn witness(&self, size: u64) -> PathBuf {
        self.dir.join(format!("witness/{size}"))
    }

    fn second(&self, size: u64) -> PathBuf {
        self.dir.join(format!("second/{size}"))
    }

    fn stamped(&self, size: u64) -> PathBuf {
        self.dir.join(format!("timestamps/{size}.checkpoint"))
    }

    fn token(&self, size: u64) -> PathBuf {
        self.dir.join(format!("timestamps/{size}.tsr"))
    }
}

fn add_line(
    path: &Path,
    signed: &SignedCheckpoint,
    signature: NoteSignature,
) -> Result<(), AnchorError> {
    let mut note = CosignedCheckpoint {
        signed: signed.clone(),
        others: Vec::new(),
    };
    // The same text under another of the log's own signatures, after its key was rotated, is the same to the others.
    if let Some(found) = read_note(path)?
        && found.signed.unverified() == signed.unverified()
    {
        note.others = found.others;
    }
    note.others
        .retain(|other| (&other.name, &other.key_id) != (&signature.name, &signature.key_id));
    note.others.push(signature);
    write(path, note.to_text().as_bytes())
}

fn read_note(path: &Path) -> Result<Option<CosignedCheckpoint>, AnchorError> {
    let Some(bytes) = read(path)? else {
        return Ok(None);
    };
    CosignedCheckpoint::parse(&bytes)
        .map(Some)
        .map_err(|source| AnchorError::Checkpoint {
            path: path.to_owned(),
            source,
        })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), AnchorError> {
    let disk = Disk::default();
    if let Some(folder) = path.parent() {
        disk.create_folders(folder)?;
    }
    let temporary = path.with_extension("new");
    disk.write_over(&temporary, bytes)?;
    disk.replace(&temporary, path)?;
    Ok(())
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, AnchorError> {
    let failed = |source| DiskError {
        action: "read",
        path: path.to_owned(),
        source,
    };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error).into()),
        Ok(found) if found.len() > LONGEST => {
            Err(failed(io::Error::other("it is far too long to be one")).into())
        }
        Ok(_) => Ok(Some(std::fs::read(path).map_err(failed)?)),
    }
}

fn sizes(folder: &Path, suffix: &str) -> Result<Vec<u64>, AnchorError> {
    let failed = |source| DiskError {
        action: "list",
        path: folder.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut sizes = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let size = name.to_str().and_then(|name| name.strip_suffix(suffix));
        sizes.extend(size.and_then(|size| size.parse::<u64>().ok()));
    }
    sizes.sort_unstable();
    Ok(sizes)
}
