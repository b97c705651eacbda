//! The keys of a collector: one signs the journal, the other makes the digests of what was redacted.

use crate::failure::{Doing, Failure, fail};
use crate::printer::Printer;
use pgattest_evidence::KeyStore;
use pgattest_ledger::SigningKey;
use pgattest_trail::Leaf;
use pgattest_trail::capture::OriginalKey;
use pgattest_trail::seal::{TrailKeys, rotation};
use std::path::Path;

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
    let keys = TrailKeys::load_or_create(dir, journal)
        .doing(|| "the collector's keys could not be used".to_owned())?;
    let mut made = |purpose: &str, key: String| {
        leaves.push(Leaf::Key {
            at: jiff::Timestamp::now().as_millisecond(),
            purpose: purpose.to_owned(),
            key,
        });
    };
    if keys.created {
        printer.note(&format!("A signing key was made in {}", dir.display()));
        made("signing", keys.signing.public_key().to_hex());
    }
    if keys.redaction_created {
        made("redaction", keys.redaction.identifier());
    }
    Ok(Keys {
        signing: keys.signing,
        original: OriginalKey::new(*keys.redaction.as_bytes()),
        leaves,
    })
}
