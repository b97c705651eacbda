//! The signing key on disk.
//!
//! The key is kept in OpenSSH's private key format: one file, which the
//! `ssh-keygen` of any system can inspect (`-y`, `-l`) and sign with. It is not
//! protected by a passphrase, because audits run unattended: what protects it is
//! the file's mode, and who may become its owner.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use pgattest_ledger::key::KeyError;
use pgattest_ledger::{PublicKey, SigningKey};
use zeroize::Zeroizing;

use crate::disk::{Access, Disk, DiskError, random_name};

/// The private key's file name.
const PRIVATE: &str = "pgattest_ed25519";

/// The public key's file name.
const PUBLIC: &str = "pgattest_ed25519.pub";

/// The file name of the key that is to take the private key's place.
const NEXT: &str = "pgattest_ed25519.next";

/// The longest key file that is read, in bytes.
const LONGEST: u64 = 64 * 1024;

/// A folder with a signing key.
#[derive(Clone, Debug)]
pub struct KeyStore {
    /// The folder.
    pub dir: PathBuf,
}

/// A signing key that was read or made.
pub struct StoredKey {
    /// The key.
    pub key: SigningKey,
    /// Whether it was made just now.
    pub created: bool,
}

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// There is no key yet.
    #[error("there is no signing key at `{}`", .0.display())]
    Absent(PathBuf),
    /// A file operation failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The key file or its folder lets others in.
    #[error(
        "`{}` has mode {mode:04o}: others than its owner could use the signing key; \
         run `chmod {wanted:o}` on it, and make a new key if somebody may have read it",
        .path.display()
    )]
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode it should have.
        wanted: u32,
    },
    /// The key file is not a file.
    #[error("`{}` is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// The key file cannot be understood.
    #[error("the signing key `{}` cannot be used", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
}

impl KeyStore {
    /// A store in this folder, which need not exist yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Where the private key is.
    pub fn private_key_path(&self) -> PathBuf {
        self.dir.join(PRIVATE)
    }

    /// Where the public key is, for copying to the auditor.
    pub fn public_key_path(&self) -> PathBuf {
        self.dir.join(PUBLIC)
    }

    /// Where the key is that is to take the private key's place.
    pub fn next_key_path(&self) -> PathBuf {
        self.dir.join(NEXT)
    }

    /// Reads the key.
    pub fn load(&self) -> Result<SigningKey, KeyStoreError> {
        self.read(self.private_key_path())
    }

    /// Reads the key that is to take its place, when there is one.
    pub fn load_next(&self) -> Result<Option<SigningKey>, KeyStoreError> {
        match self.read(self.next_key_path()) {
            Err(KeyStoreError::Absent(_)) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Makes the key that is to take its place, when there is none.
    pub fn create_next(&self, disk: &Disk) -> Result<SigningKey, KeyStoreError> {
        let path = self.next_key_path();
        self.create(disk, &path)?;
        self.read(path)
    }

    /// Puts the next key in the key's place: the old private key is gone then.
    pub fn promote_next(&self, disk: &Disk) -> Result<(), KeyStoreError> {
        let key = self.read(self.next_key_path())?;
        disk.replace(&self.next_key_path(), &self.private_key_path())?;
        self.refresh_public_key(&key.public_key());
        Ok(())
    }

    fn read(&self, path: PathBuf) -> Result<SigningKey, KeyStoreError> {
        let failed = |source| DiskError {
            action: "read",
            path: path.clone(),
            source,
        };
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(KeyStoreError::Absent(path));
            }
            other => other.map_err(failed)?,
        };
        // Of the open file, so that what is checked is what is read.
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(KeyStoreError::NotAFile(path));
        }
        refuse(&path, metadata.permissions().mode(), 0o077, 0o600)?;
        let folder = fs::metadata(&self.dir).map_err(failed)?;
        refuse(&self.dir, folder.permissions().mode(), 0o022, 0o700)?;

        let mut text = Zeroizing::new(String::with_capacity(
            usize::try_from(metadata.len().min(LONGEST)).unwrap_or_default() + 1,
        ));
        file.take(LONGEST)
            .read_to_string(&mut text)
            .map_err(failed)?;
        SigningKey::from_openssh(&text).map_err(|source| KeyStoreError::Key { path, source })
    }

    /// Reads the key, making it first when there is none. Of several processes
    /// that do so at once, one makes the key and all get that one.
    pub fn load_or_create(&self) -> Result<StoredKey, KeyStoreError> {
        let created = match self.load() {
            Err(KeyStoreError::Absent(path)) => self.create(&Disk::default(), &path)?,
            Err(error) => return Err(error),
            Ok(key) => {
                self.refresh_public_key(&key.public_key());
                return Ok(StoredKey {
                    key,
                    created: false,
                });
            }
        };
        let key = self.load()?;
        self.refresh_public_key(&key.public_key());
        Ok(StoredKey { key, created })
    }

    /// Makes a key; false when another process was faster.
    fn create(&self, disk: &Disk, path: &Path) -> Result<bool, KeyStoreError> {
        disk.create_folders(&self.dir)?;
        let random = |source| DiskError {
            action: "get random bytes for",
            path: path.to_owned(),
            source,
        };
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|error| random(error.into()))?;
        let text = SigningKey::from_seed(&seed)
            .to_openssh()
            .map_err(|source| KeyStoreError::Key {
                path: path.to_owned(),
                source,
            })?;

        let name = format!(".{PRIVATE}.{}", random_name().map_err(random)?);
        let temporary = self.dir.join(name);
        let published = disk
            .write_new(&temporary, text.as_bytes(), Access::Private)
            .and_then(|()| disk.publish(&temporary, path));
        match published {
            Ok(()) => Ok(true),
            Err(error) => {
                // A private key is not left lying about.
                let _ = fs::remove_file(&temporary);
                if error.source.kind() == io::ErrorKind::AlreadyExists && path.exists() {
                    Ok(false)
                } else {
                    Err(error.into())
                }
            }
        }
    }

    /// Puts the public key beside the private one. It can be derived at any time,
    /// so a folder that cannot be written to is no error.
    fn refresh_public_key(&self, key: &PublicKey) {
        let path = self.public_key_path();
        let line = key.openssh_line() + "\n";
        if fs::read(&path).is_ok_and(|found| found == line.as_bytes()) {
            return;
        }
        let Ok(name) = random_name() else { return };
        let temporary = self.dir.join(format!(".{PUBLIC}.{name}"));
        let disk = Disk::default();
        let written = disk
            .write_new(&temporary, line.as_bytes(), Access::Default)
            .and_then(|()| disk.replace(&temporary, &path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
    }
}

fn refuse(path: &Path, mode: u32, forbidden: u32, wanted: u32) -> Result<(), KeyStoreError> {
    if mode & forbidden == 0 {
        return Ok(());
    }
    Err(KeyStoreError::Exposed {
        path: path.to_owned(),
        mode: mode & 0o7777,
        wanted,
    })
}
