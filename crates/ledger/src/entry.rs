//! What an entry of the ledger says, and the proof of it that a package carries.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical::{self, CanonicalError};
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::hash::Hash;
use crate::key::PublicKey;
use crate::tree;

/// The schema of an [`Entry`].
pub const ENTRY_SCHEMA: &str = "pgattest.ledger-entry/1";

/// The schema of an [`InclusionProof`].
pub const INCLUSION_SCHEMA: &str = "pgattest.inclusion-proof/1";

/// The schema of a [`ConsistencyProof`].
pub const CONSISTENCY_SCHEMA: &str = "pgattest.consistency-proof/1";

/// The kind of an entry that records an evidence package.
pub const EVIDENCE: &str = "evidence";

/// One entry of the ledger. Its canonical JSON is the leaf of the tree.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// [`ENTRY_SCHEMA`].
    pub schema: String,
    /// [`EVIDENCE`].
    pub kind: String,
    /// SHA-256 of the package's `manifest.json`, in hexadecimal.
    pub manifest_sha256: String,
    /// The target's name, as in the package's file name.
    pub target: String,
    /// When the package was sealed, RFC 3339.
    pub recorded_at: String,
    /// The package's file name.
    pub package: String,
    /// What a listing shows of the package; free.
    pub summary: Value,
}

impl Entry {
    /// Reads the text of an entry, which has to be canonical.
    pub fn parse(text: &[u8]) -> Result<Self, EntryError> {
        let entry: Self = canonical::from_bytes(text)?;
        if entry.schema != ENTRY_SCHEMA || entry.kind != EVIDENCE {
            return Err(EntryError::OtherKind {
                schema: entry.schema,
                kind: entry.kind,
            });
        }
        Ok(entry)
    }
}

/// The kind of an entry that records a step of applying a plan, or of taking it back.
pub const CHANGE: &str = "change";

/// One step of changing a cluster. Its canonical JSON is a leaf of the same tree.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeEntry {
    /// [`ENTRY_SCHEMA`].
    pub schema: String,
    /// [`CHANGE`].
    pub kind: String,
    /// The digest that the plan names itself by, in hexadecimal.
    pub plan: String,
    /// The target's name.
    pub target: String,
    /// When the step was done, RFC 3339.
    pub recorded_at: String,
    /// `apply` or `undo`.
    pub act: String,
    /// The changes of the plan that the step was, by identifier.
    pub changes: Vec<String>,
    /// What was there before; free.
    pub before: Value,
    /// What is there now; free.
    pub after: Value,
}

impl ChangeEntry {
    /// Reads the text of an entry, which has to be canonical.
    pub fn parse(text: &[u8]) -> Result<Self, EntryError> {
        let entry: Self = canonical::from_bytes(text)?;
        if entry.schema != ENTRY_SCHEMA || entry.kind != CHANGE {
            return Err(EntryError::OtherKind {
                schema: entry.schema,
                kind: entry.kind,
            });
        }
        Ok(entry)
    }
}

/// Why an entry cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// It is not canonical JSON of the right shape.
    #[error(transparent)]
    Json(#[from] CanonicalError),
    /// It is of a schema or kind that this version does not know.
    #[error("an entry of schema `{}` and kind `{}` is not known", .schema.escape_debug(), .kind.escape_debug())]
    OtherKind {
        /// The schema found.
        schema: String,
        /// The kind found.
        kind: String,
    },
}

/// Proof that an entry is in a ledger: `ledger/proof.json` of a package.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// [`INCLUSION_SCHEMA`].
    pub schema: String,
    /// The entry's place in the ledger, from 0.
    pub index: u64,
    /// The exact text of the entry.
    pub entry: String,
    /// The hashes from the leaf's sibling up, in hexadecimal.
    pub hashes: Vec<String>,
    /// The exact text of the checkpoint whose tree holds the entry.
    pub checkpoint: String,
}

impl InclusionProof {
    /// Puts a proof together.
    pub fn new(index: u64, entry: String, hashes: &[Hash], checkpoint: &SignedCheckpoint) -> Self {
        Self {
            schema: INCLUSION_SCHEMA.to_owned(),
            index,
            entry,
            hashes: hashes.iter().map(|hash| hash.to_hex()).collect(),
            checkpoint: checkpoint.to_text(),
        }
    }

    /// Reads a proof, which has to be canonical.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofFileError> {
        let proof: Self = canonical::from_bytes(bytes)?;
        if proof.schema != INCLUSION_SCHEMA {
            return Err(ProofFileError::OtherSchema(proof.schema));
        }
        Ok(proof)
    }

    /// Checks that the entry is in the tree of `checkpoint`, which the caller
    /// has verified.
    pub fn verify(&self, checkpoint: &Checkpoint) -> Result<(), ProofFileError> {
        let leaf = Hash::leaf(self.entry.as_bytes());
        let hashes = read_hashes(&self.hashes)?;
        tree::verify_inclusion(leaf, self.index, checkpoint.size, &hashes, checkpoint.root)?;
        Ok(())
    }
}

/// Proof that a ledger only grew between two checkpoints.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// [`CONSISTENCY_SCHEMA`].
    pub schema: String,
    /// The earlier size.
    pub old_size: u64,
    /// The later size.
    pub new_size: u64,
    /// The hashes, in hexadecimal, in the order of RFC 6962.
    pub hashes: Vec<String>,
}

impl ConsistencyProof {
    /// Puts a proof together.
    pub fn new(old_size: u64, new_size: u64, hashes: &[Hash]) -> Self {
        Self {
            schema: CONSISTENCY_SCHEMA.to_owned(),
            old_size,
            new_size,
            hashes: hashes.iter().map(|hash| hash.to_hex()).collect(),
        }
    }

    /// Reads a proof, which has to be canonical.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofFileError> {
        let proof: Self = canonical::from_bytes(bytes)?;
        if proof.schema != CONSISTENCY_SCHEMA {
            return Err(ProofFileError::OtherSchema(proof.schema));
        }
        Ok(proof)
    }

    /// Checks that `new` continues `old`; the caller has verified both.
    pub fn verify(&self, old: &Checkpoint, new: &Checkpoint) -> Result<(), ProofFileError> {
        if (self.old_size, self.new_size) != (old.size, new.size) {
            return Err(ProofFileError::OtherSizes {
                from: self.old_size,
                to: self.new_size,
            });
        }
        let hashes = read_hashes(&self.hashes)?;
        tree::verify_consistency(old.size, old.root, new.size, new.root, &hashes)?;
        Ok(())
    }
}

/// Checks both: that one key signed a checkpoint, and what it signed.
/// A convenience over [`SignedCheckpoint::parse`] and its `verify`.
pub fn verified_checkpoint(
    text: &[u8],
    key: &PublicKey,
) -> Result<Checkpoint, crate::checkpoint::CheckpointError> {
    SignedCheckpoint::parse(text)?.verify(key).cloned()
}

/// Why a proof does not prove.
#[derive(Debug, thiserror::Error)]
pub enum ProofFileError {
    /// It is not canonical JSON of the right shape.
    #[error(transparent)]
    Json(#[from] CanonicalError),
    /// It is of a schema that this version does not know.
    #[error("a proof of schema `{}` is not known", .0.escape_debug())]
    OtherSchema(String),
    /// One of the hashes is no SHA-256 digest in lower-case hexadecimal.
    #[error("hash {0} is not 64 lower-case hexadecimal digits")]
    Hash(usize),
    /// It is about other checkpoints.
    #[error("the proof goes from size {from} to size {to}, not between these checkpoints")]
    OtherSizes {
        /// The earlier size.
        from: u64,
        /// The later size.
        to: u64,
    },
    /// It leads elsewhere.
    #[error(transparent)]
    Proof(#[from] tree::ProofError),
}

fn read_hashes(texts: &[String]) -> Result<Vec<Hash>, ProofFileError> {
    texts
        .iter()
        .enumerate()
        .map(|(place, text)| Hash::from_hex(text).ok_or(ProofFileError::Hash(place)))
        .collect()
}
