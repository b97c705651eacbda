//! Another key signs from here on, and the old one says so.
//!
//! A rotation is a leaf: the old key signs the journal's name, the tree before the leaf, and both keys. The checkpoint with that leaf as
//! its last one is signed by the old key first and by the new one right after; from then on by the new one alone. Whoever trusts the
//! old key follows the leaves to the present one; the journal keeps its name.

use super::keys::lies_inside;
use crate::journal::{Journal, JournalError, JournalOptions, JournalReader};
use crate::leaf::Leaf;
use pgattest_evidence::disk::Disk;
use pgattest_evidence::{FaultHook, KeyStore, KeyStoreError, SigningKey};
use pgattest_ledger::{Checkpoint, PublicKey};
use std::path::{Path, PathBuf};

/// Why a key is not rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The keys would be with what they protect.
    #[error(
        "the keys in `{}` lie inside the journal: whoever can change it could sign the change", .0.display()
    )]
    Inside(PathBuf),
    /// A key cannot be read or made.
    #[error(transparent)]
    Keys(#[from] KeyStoreError),
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A rotation that was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rotated {
    /// The key that signed until now. Its private half is gone. `None`: an interrupted rotation was finished.
    pub old: Option<PublicKey>,
    /// The key that signs from now on.
    pub new: PublicKey,
}

/// Makes a key, has the old one name it in the journal, and puts it in the old one's place.
///
/// What a crash leaves, [`settle`] or another call finishes: the new key is on the disk before the journal names it, and the old one is
/// there until the journal is signed by the new one.
pub fn rotate(journal: &Path, keys: &KeyStore) -> Result<Rotated, RotationError> {
    rotate_on(&Disk::default(), journal, keys, |key| {
        Journal::open(journal, key, JournalOptions::default())
    })
}

/// The same, calling `hook` before each step of writing. For tests.
#[doc(hidden)]
pub fn rotate_with_faults(
    journal: &Path,
    keys: &KeyStore,
    hook: &FaultHook,
) -> Result<Rotated, RotationError> {
    rotate_on(&Disk::with_hook(hook.clone()), journal, keys, |key| {
        Journal::open_with_faults(journal, key, JournalOptions::default(), hook.clone())
    })
}

fn rotate_on(
    disk: &Disk,
    journal: &Path,
    keys: &KeyStore,
    open: impl Fn(SigningKey) -> Result<Journal, JournalError>,
) -> Result<Rotated, RotationError> {
    if lies_inside(&keys.dir, journal) {
        return Err(RotationError::Inside(keys.dir.clone()));
    }
    // That there is one: nobody rotates a key of a journal that is not there.
    JournalReader::open(journal)?;
    // Before any key is made or moved: a collector that runs signs with the one it has read.
    if Journal::is_written_to(journal)? {
        return Err(JournalError::Locked(journal.to_owned()).into());
    }
    if let Some(new) = settle_on(disk, journal, keys)? {
        // Signs with it what the old key signed last.
        drop(open(keys.load()?)?);
        return Ok(Rotated { old: None, new });
    }
    let old = keys.load()?;
    let new = match keys.load_next()? {
        Some(key) => key,
        None => keys.create_next(disk)?,
    };
    let rotated = Rotated {
        old: Some(old.public_key()),
        new: new.public_key(),
    };
    let mut journal = open(old)?;
    journal.rotate(new, now())?;
    drop(journal);
    keys.promote_next(disk)?;
    Ok(rotated)
}

/// Finishes what an interrupted rotation left: when the journal names the new key already, that key takes the old one's place. The new
/// key then. To be called before a journal is opened for writing.
pub fn settle(journal: &Path, keys: &KeyStore) -> Result<Option<PublicKey>, RotationError> {
    settle_on(&Disk::default(), journal, keys)
}

fn settle_on(
    disk: &Disk,
    journal: &Path,
    keys: &KeyStore,
) -> Result<Option<PublicKey>, RotationError> {
    let Some(next) = keys.load_next()? else {
        return Ok(None);
    };
    let new = next.public_key();
    let reader = match JournalReader::open(journal) {
        Err(JournalError::Absent(_)) => return Ok(None),
        other => other?,
    };
    let named = reader.checkpoint().verify(&new).is_ok() || named_last(&reader)? == Some(new);
    if !named {
        return Ok(None);
    }
    keys.promote_next(disk)?;
    Ok(Some(new))
}

/// The key that the journal's last leaf names, when that is a rotation.
fn named_last(reader: &JournalReader) -> Result<Option<PublicKey>, JournalError> {
    let Some(last) = reader.size().checked_sub(1) else {
        return Ok(None);
    };
    Ok(match reader.entry(last)?.leaf {
        Leaf::KeyRotation { new, .. } => key_of(&new),
        _ => None,
    })
}

/// The leaf by which a key names the next one. `before`: the tree that it is added to.
pub(crate) fn leaf(at: i64, before: &Checkpoint, old: &SigningKey, new: &PublicKey) -> Leaf {
    let text = text(before, &old.public_key(), new);
    Leaf::KeyRotation {
        at,
        old: old.public_key().to_hex(),
        new: new.to_hex(),
        signature: hex::encode(old.sign(text.as_bytes())),
    }
}

/// Both keys of a rotation, once the old one is seen to have signed it at this place. The error says why not.
pub(crate) fn check(
    before: &Checkpoint,
    old: &str,
    new: &str,
    signature: &str,
) -> Result<(PublicKey, PublicKey), String> {
    let (Some(old), Some(new)) = (key_of(old), key_of(new)) else {
        return Err("a rotation names what is no key".to_owned());
    };
    let signature = hex::decode(signature)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or("a rotation has no signature")?;
    if !old.verify(text(before, &old, &new).as_bytes(), &signature) {
        return Err(format!(
            "the rotation from the key {} to {} was not signed by the former at this place",
            old.fingerprint(),
            new.fingerprint()
        ));
    }
    Ok((old, new))
}

fn text(before: &Checkpoint, old: &PublicKey, new: &PublicKey) -> String {
    format!(
        "pgattest trail key rotation\n{}{}\n{}\n",
        before.body(),
        old.to_hex(),
        new.to_hex()
    )
}

fn key_of(hexadecimal: &str) -> Option<PublicKey> {
    let bytes = hex::decode(hexadecimal).ok()?.try_into().ok()?;
    PublicKey::from_bytes(&bytes)
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
