//! Second keys: asked for a signature over the journal's present checkpoint.

use crate::config::SecondConfig;
use crate::failure::SecondFailure;
use pgattest_ledger::ecdsa::{EcPublicKey, EcSigningKey};
use pgattest_sinks::kms::KmsKey;
use pgattest_trail::seal::{lies_inside, second};
use pgattest_trail::{JournalReader, Leaf};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// The longest key file that is read, in bytes.
const LONGEST: u64 = 64 * 1024;

/// A second key of the configuration. It is read, or KMS asked for it, when it first signs.
pub(crate) struct Second {
    config: SecondConfig,
    key: Option<Key>,
}

enum Key {
    File(EcSigningKey),
    Kms(KmsKey),
}

impl Second {
    pub(crate) fn new(config: SecondConfig) -> Self {
        Self { config, key: None }
    }

    /// What it is called in messages.
    pub(crate) fn label(&self) -> String {
        match (&self.config.kms_key, &self.config.file) {
            (Some(key), _) => format!("second key {key}"),
            (None, Some(path)) => format!("second key {}", path.display()),
            (None, None) => "second key".to_owned(),
        }
    }

    /// Has the journal's present checkpoint signed and keeps the signature in the journal's folder. The leaves that tell of it: its own,
    /// and that of an earlier signature of which none does.
    pub(crate) async fn sign(
        &mut self,
        reader: &JournalReader,
    ) -> Result<Vec<Leaf>, SecondFailure> {
        let mut leaves = Vec::new();
        let key = if let Some(key) = &self.key {
            key
        } else {
            let key = self.open(reader.dir()).await?;
            leaves.extend(second::untold(reader, key.public(), now())?);
            self.key.insert(key)
        };
        let text = reader.checkpoint().unverified().body();
        let signature = match key {
            Key::File(key) => key.sign(text.as_bytes()),
            Key::Kms(key) => key.sign(text.as_bytes()).await?,
        };
        leaves.push(second::keep(reader, key.public(), signature, now())?);
        Ok(leaves)
    }

    async fn open(&self, journal: &Path) -> Result<Key, SecondFailure> {
        if let Some(name) = &self.config.kms_key {
            return Ok(Key::Kms(KmsKey::open(name, &self.config.aws).await?));
        }
        let path = self.config.file.as_deref().unwrap_or(Path::new(""));
        read(path, journal).map(Key::File)
    }
}

impl Key {
    fn public(&self) -> &EcPublicKey {
        match self {
            Self::File(key) => key.public_key(),
            Self::Kms(key) => key.public_key(),
        }
    }
}

/// Reads a key's file, which is not where the journal is and lets nobody else in.
fn read(path: &Path, journal: &Path) -> Result<EcSigningKey, SecondFailure> {
    let unusable = |reason: String| SecondFailure::File {
        path: path.to_owned(),
        reason,
    };
    if lies_inside(path, journal) {
        return Err(unusable(
            "it lies inside the journal: whoever copies that could sign it anew".to_owned(),
        ));
    }
    let file = File::open(path).map_err(|error| unusable(error.to_string()))?;
    // Of the open file, so that what is checked is what is read.
    let metadata = file
        .metadata()
        .map_err(|error| unusable(error.to_string()))?;
    let mode = metadata.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(unusable(format!(
            "it has mode {:04o}, so that others could sign with it; run `chmod 600` on it, and make a new one if somebody may have \
             read it",
            mode & 0o7777
        )));
    }
    let size = usize::try_from(metadata.len().min(LONGEST)).unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(size + 1));
    file.take(LONGEST)
        .read_to_string(&mut text)
        .map_err(|error| unusable(error.to_string()))?;
    EcSigningKey::from_pem(&text).map_err(|error| unusable(error.to_string()))
}

/// Milliseconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
