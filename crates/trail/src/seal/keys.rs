//! The keys of a trail: they are not kept where the trail is.

use pgattest_evidence::disk::{Access, Disk};
use pgattest_evidence::{DiskError, KeyStore, KeyStoreError, SigningKey};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// 64 hexadecimal digits and a line end.
const REDACTION: &str = "redaction.key";

/// The folder with a trail's keys.
pub struct TrailKeys {
    /// Signs checkpoints.
    pub signing: SigningKey,
    /// Whether the signing key was made just now.
    pub created: bool,
    /// Makes the digests of what was redacted.
    pub redaction: RedactionKey,
    /// Whether that key was made just now.
    pub redaction_created: bool,
}

/// Why a trail's keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// They would be with what they protect.
    #[error(
        "the keys in `{}` lie inside the journal `{}`: whoever can change the journal could sign the change; \
         keep them in a folder of their own",
        .keys.display(), .journal.display()
    )]
    Inside {
        /// The keys' folder.
        keys: PathBuf,
        /// The journal's.
        journal: PathBuf,
    },
    /// The signing key cannot be used.
    #[error(transparent)]
    Signing(#[from] KeyStoreError),
    /// A file operation failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The redaction key lets others in, or is none.
    #[error("the redaction key `{}` cannot be used: {reason}", .path.display())]
    Redaction {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl TrailKeys {
    /// Reads the keys in a folder, making those that are not there. The journal's folder need not exist yet.
    pub fn load_or_create(dir: &Path, journal: &Path) -> Result<Self, KeysError> {
        refuse_inside(dir, journal)?;
        let stored = KeyStore::new(dir).load_or_create()?;
        let (redaction, redaction_created) = RedactionKey::load_or_create(dir)?;
        Ok(Self {
            signing: stored.key,
            created: stored.created,
            redaction,
            redaction_created,
        })
    }
}

/// Whether a path lies in a folder, by whatever name or link either is called.
pub fn lies_inside(path: &Path, folder: &Path) -> bool {
    resolved(path).starts_with(resolved(folder))
}

/// Refuses a folder for keys that lies inside the journal, by whatever name or link it is called.
fn refuse_inside(dir: &Path, journal: &Path) -> Result<(), KeysError> {
    let (keys, inside) = (resolved(dir), resolved(journal));
    if keys.starts_with(&inside) {
        return Err(KeysError::Inside {
            keys,
            journal: inside,
        });
    }
    Ok(())
}

/// The path with the links of the part that exists followed.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut rest = Vec::new();
    let mut there = absolute.as_path();
    loop {
        if let Ok(found) = there.canonicalize() {
            return rest.iter().rev().fold(found, |path, name| path.join(name));
        }
        match (there.parent(), there.file_name()) {
            (Some(parent), Some(name)) => {
                rest.push(name.to_owned());
                there = parent;
            }
            _ => return absolute,
        }
    }
}

/// The key of the digests that stand for what was redacted: whoever has it and a guess can tell whether the guess is right, so it is
/// a secret, too. Has no `Debug`.
pub struct RedactionKey([u8; 32]);

impl RedactionKey {
    /// The key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The name that a [`crate::Leaf::Key`] has for it: a digest of the key, hexadecimal.
    pub fn identifier(&self) -> String {
        hex::encode(Sha256::digest(self.0))
    }

    /// Reads the key in a folder, making it when there is none. Of several processes that do so at once, one makes it. Whether it
    /// was this one.
    fn load_or_create(dir: &Path) -> Result<(Self, bool), KeysError> {
        let path = dir.join(REDACTION);
        if let Some(key) = Self::load(&path)? {
            return Ok((key, false));
        }
        let failed = |source| DiskError {
            action: "get random bytes for",
            path: path.clone(),
            source,
        };
        let mut bytes = [0; 32];
        let mut name = [0; 4];
        getrandom::fill(&mut bytes).map_err(|error| failed(error.into()))?;
        getrandom::fill(&mut name).map_err(|error| failed(error.into()))?;
        let disk = Disk::default();
        disk.create_folders(dir)?;
        let temporary = dir.join(format!(".{REDACTION}.{}", hex::encode(name)));
        let made = disk
            .write_new(
                &temporary,
                format!("{}\n", hex::encode(bytes)).as_bytes(),
                Access::Private,
            )
            .and_then(|()| disk.publish(&temporary, &path));
        match made {
            Ok(()) => Ok((Self(bytes), true)),
            Err(error) => {
                // A secret is not left lying about.
                let _ = std::fs::remove_file(&temporary);
                // Another process was faster.
                match Self::load(&path)? {
                    Some(key) => Ok((key, false)),
                    None => Err(error.into()),
                }
            }
        }
    }

    fn load(path: &Path) -> Result<Option<Self>, KeysError> {
        let refused = |reason: String| KeysError::Redaction {
            path: path.to_owned(),
            reason,
        };
        let failed = |source| DiskError {
            action: "read",
            path: path.to_owned(),
            source,
        };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(failed)?,
        };
        let mode = file.metadata().map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(refused(format!(
                "it has mode {:04o}, so that others could read it; run `chmod 600` on it, and make a new one if somebody may have",
                mode & 0o7777
            )));
        }
        let mut text = Vec::new();
        file.take(100).read_to_end(&mut text).map_err(failed)?;
        hex::decode(text.trim_ascii())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(|bytes| Some(Self(bytes)))
            .ok_or_else(|| refused("it does not hold 64 hexadecimal digits".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::{KeysError, TrailKeys};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn keys_are_made_once_and_read_again() {
        let place = tempfile::tempdir().unwrap();
        let (keys, journal) = (place.path().join("keys"), place.path().join("journal"));
        let made = TrailKeys::load_or_create(&keys, &journal).unwrap();
        let read = TrailKeys::load_or_create(&keys, &journal).unwrap();
        assert!(made.created && !read.created);
        assert!(made.redaction_created && !read.redaction_created);
        assert_eq!(made.redaction.as_bytes(), read.redaction.as_bytes());
        assert_eq!(made.redaction.identifier().len(), 64);
        let mode = |name: &str| keys.join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("redaction.key"), 0o600);
    }

    #[test]
    fn keys_inside_the_journal_are_refused_by_any_name() {
        let place = tempfile::tempdir().unwrap();
        let journal = place.path().join("journal");
        std::fs::create_dir_all(journal.join("keys")).unwrap();
        symlink(&journal, place.path().join("link")).unwrap();
        for keys in [
            journal.clone(),
            journal.join("keys"),
            journal.join("not/there/yet"),
            place.path().join("link/keys"),
            place.path().join("link/new"),
        ] {
            assert!(
                matches!(
                    TrailKeys::load_or_create(&keys, &journal),
                    Err(KeysError::Inside { .. })
                ),
                "{}",
                keys.display()
            );
        }
        assert!(
            std::fs::read_dir(journal.join("keys"))
                .unwrap()
                .next()
                .is_none()
        );
    }

    #[test]
    fn a_redaction_key_that_others_can_read_or_that_is_cut_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let (keys, journal) = (place.path().join("keys"), place.path().join("journal"));
        drop(TrailKeys::load_or_create(&keys, &journal).unwrap());
        let file = keys.join("redaction.key");
        let set =
            |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        set(0o640);
        assert!(TrailKeys::load_or_create(&keys, &journal).is_err());
        set(0o600);
        std::fs::write(&file, [0; 31]).unwrap();
        assert!(TrailKeys::load_or_create(&keys, &journal).is_err());
    }
}
