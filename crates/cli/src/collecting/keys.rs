//! The keys of a collector: one signs the journal, the other makes the digests of what was redacted.

use crate::failure::{Doing, Failure, OrHint, fail};
use crate::printer::Printer;
use pgattest_evidence::KeyStore;
use pgattest_ledger::SigningKey;
use pgattest_trail::Leaf;
use pgattest_trail::capture::OriginalKey;
use pgattest_trail::seal::rotation;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// The file with the key of redacted originals: 64 hexadecimal digits.
const ORIGINALS: &str = "redaction.key";

/// The keys, and the leaves that tell of those that were made just now.
pub(crate) struct Keys {
    pub(crate) signing: SigningKey,
    pub(crate) original: OriginalKey,
    pub(crate) leaves: Vec<Leaf>,
}

/// Reads both keys, making them on first use.
pub(crate) fn load(dir: &Path, journal: &Path, printer: &Printer) -> Result<Keys, Failure> {
    let mut leaves = Vec::new();
    if let Some(key) = rotation::settle(journal, &KeyStore::new(dir))
        .map_err(|error| fail(pgattest_trail::operate::with_causes(&error)))?
    {
        printer.note(&format!(
            "An interrupted rotation was finished: {} signs from now on",
            key.fingerprint()
        ));
    }
    let stored = KeyStore::new(dir)
        .load_or_create()
        .doing(|| "the signing key could not be used".to_owned())?;
    let mut made = |purpose: &str, key: String| {
        leaves.push(Leaf::Key {
            at: jiff::Timestamp::now().as_millisecond(),
            purpose: purpose.to_owned(),
            key,
        });
    };
    if stored.created {
        printer.note(&format!("A signing key was made in {}", dir.display()));
        made("signing", stored.key.public_key().to_hex());
    }
    let path = dir.join(ORIGINALS);
    let what = || format!("the key {} could not be used", path.display());
    let (key, created) = match fs::read_to_string(&path) {
        Ok(text) => {
            let mode = fs::metadata(&path).doing(what)?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err(
                    fail(format!("{}: others than its owner can read it", what()))
                        .hint(format!("run chmod 600 {}", path.display())),
                );
            }
            (
                parse(&text).ok_or_else(|| fail(what()).hint("it holds 64 hexadecimal digits"))?,
                false,
            )
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            (make(&path).doing(what)?, true)
        }
        Err(error) => {
            return Err(error)
                .doing(what)
                .or_hint("let the collector's account read it");
        }
    };
    if created {
        made("redaction", hex::encode(Sha256::digest(key)));
    }
    Ok(Keys {
        signing: stored.key,
        original: OriginalKey::new(key),
        leaves,
    })
}

fn parse(text: &str) -> Option<[u8; 32]> {
    hex::decode(text.trim()).ok()?.try_into().ok()
}

fn make(path: &Path) -> std::io::Result<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(std::io::Error::from)?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(format!("{}\n", hex::encode(key)).as_bytes())?;
    file.sync_all()?;
    Ok(key)
}
