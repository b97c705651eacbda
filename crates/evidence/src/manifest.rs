//! `manifest.json`: what a package holds, about what, and made by what.

use pgattest_ledger::Hash;
use pgattest_ledger::canonical::{self, CanonicalError};
use pgattest_ledger::dsse;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::names;

/// The schema of a [`Manifest`].
pub(crate) const SCHEMA: &str = "pgattest.manifest/1";

/// What our in-toto statements are about.
pub(crate) const PREDICATE_TYPE: &str = "urn:pgattest:evidence:v1";

/// The content of `manifest.json`, which is written as canonical JSON.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `pgattest.manifest/1`.
    pub schema: String,
    /// The file name that the package was made under.
    pub package: String,
    /// The program that made it.
    pub tool: Tool,
    /// What was looked at: server identity, version, host; free.
    pub target: Value,
    /// When it was looked at.
    pub period: Period,
    /// The collector's clock minus the server's, in milliseconds; null when it was
    /// not measured.
    // Named so that leaving it out is not taken for null.
    #[serde(deserialize_with = "Option::deserialize")]
    pub clock_skew_ms: Option<i64>,
    /// Every file but the envelope's five, in the order of their paths.
    pub files: Vec<FileEntry>,
    /// What could not be looked at, and why.
    pub not_visible: Vec<Value>,
    /// What else a reader has to know.
    pub notes: Vec<Value>,
}

/// A program, as precisely as it knows itself.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the executable file, in hexadecimal; null when unknown.
    #[serde(deserialize_with = "Option::deserialize")]
    pub sha256: Option<String>,
}

/// When the observations were made; RFC 3339, UTC, the collector's clock.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// Before the first.
    pub started_at: String,
    /// After the last.
    pub finished_at: String,
}

/// One file of a package.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its path within the package.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl FileEntry {
    /// The entry of a file with this content.
    pub(crate) fn of(path: &str, content: &[u8]) -> Self {
        Self {
            path: path.to_owned(),
            bytes: content.len() as u64,
            sha256: Hash::of(content).to_hex(),
        }
    }
}

impl Manifest {
    /// Reads `manifest.json`, accepting the one spelling that [`Self::to_bytes`]
    /// has.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = canonical::from_bytes(bytes)?;
        if manifest.schema != SCHEMA {
            return Err(ManifestError::OtherSchema(manifest.schema));
        }
        let sorted = manifest
            .files
            .iter()
            .zip(manifest.files.iter().skip(1))
            .all(|(one, next)| one.path < next.path);
        if !sorted {
            return Err(ManifestError::Unsorted);
        }
        for required in names::REQUIRED {
            if !manifest.files.iter().any(|file| file.path == required) {
                return Err(ManifestError::Missing(required));
            }
        }
        if let Some(file) = manifest
            .files
            .iter()
            .find(|file| names::ENVELOPE.contains(&file.path.as_str()))
        {
            return Err(ManifestError::ListsItself(file.path.clone()));
        }
        Ok(manifest)
    }

    /// The canonical bytes.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical::to_bytes(self)
    }

    /// The in-toto statement about this manifest, whose bytes have `digest`.
    pub(crate) fn statement(&self, digest: Hash) -> Value {
        let predicate = json!({
            "manifest_schema": self.schema,
            "tool": self.tool,
            "target": self.target,
            "period": self.period,
        });
        dsse::statement(names::MANIFEST, digest, PREDICATE_TYPE, &predicate)
    }
}

/// Why a manifest cannot be accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error(transparent)]
    Json(#[from] CanonicalError),
    #[error("a manifest of schema `{}` is not known; a newer pgattest may know it", .0.escape_debug())]
    OtherSchema(String),
    #[error("its files are not in the order of their paths, each once")]
    Unsorted,
    #[error("it does not list `{0}`, which every package has")]
    Missing(&'static str),
    #[error("it lists `{0}`, which follows it")]
    ListsItself(String),
}
