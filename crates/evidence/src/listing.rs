//! Listing what the ledger records, and what became of each package.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use pgattest_ledger::entry::{ChangeEntry, Entry};
use pgattest_ledger::{Hash, PublicKey, canonical};
use serde::{Deserialize, Serialize};

use crate::container;
use crate::disk::random_name;
use crate::names;
use crate::recovery;
use crate::store::{Ledger, LedgerError, root_of};

/// The cache's file name.
const INDEX: &str = "index.json";

/// The schema of the cache.
const INDEX_SCHEMA: &str = "pgattest.ledger-index/1";

/// The largest `manifest.json` that is looked at, in bytes.
const LARGEST_MANIFEST: u64 = 64 << 20;

/// An entry of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Its place, from 0.
    pub index: u64,
    /// Its exact text.
    pub text: String,
    /// What it says of a package; `None` when it is of another kind.
    pub entry: Option<Entry>,
    /// What it says of a step of changing a cluster; `None` when it is of another kind. When both are, this version does not
    /// know the kind.
    pub change: Option<ChangeEntry>,
    /// Whether its package is where it was looked for.
    pub package: PackageState,
}

/// What became of a package that the ledger records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackageState {
    /// A file of its name has the manifest that the ledger records. Whether the
    /// rest of it is undamaged is for [`crate::verify()`] to say.
    Present(PathBuf),
    /// Sealing was interrupted after the entry was recorded: the package is there
    /// under a temporary name. The next sealing into that folder finishes it.
    Unfinished(PathBuf),
    /// A file of its name is there, but is another one.
    Replaced(PathBuf),
    /// There is no such file in the folders that were looked at.
    Missing,
}

impl Ledger {
    /// Every entry, in order, and what became of its package in these folders.
    ///
    /// Uses `index.json` to spare reading every bundle. It is a cache: it is
    /// believed only when it has the signed root, and otherwise made anew.
    pub fn list(&self, key: &PublicKey, folders: &[&Path]) -> Result<Vec<Listed>, LedgerError> {
        let entries = self.indexed_entries(key)?;
        let unfinished: Vec<PathBuf> = folders
            .iter()
            .flat_map(|folder| recovery::leftovers(folder))
            .collect();
        let listed = (0..).zip(entries).map(|(index, text)| {
            let entry = Entry::parse(text.as_bytes()).ok();
            let package = match &entry {
                Some(entry) => look(entry, folders, &unfinished),
                None => PackageState::Missing,
            };
            let change = ChangeEntry::parse(text.as_bytes()).ok();
            Listed {
                index,
                text,
                entry,
                change,
                package,
            }
        });
        Ok(listed.collect())
    }

    fn indexed_entries(&self, key: &PublicKey) -> Result<Vec<String>, LedgerError> {
        let Some(head) = self.checkpoint(key)? else {
            return Ok(Vec::new());
        };
        let path = self.dir().join(INDEX);
        if let Some(index) = Index::read(&path) {
            let bytes: Vec<Vec<u8>> = index
                .entries
                .iter()
                .map(|entry| entry.clone().into_bytes())
                .collect();
            if bytes.len() as u64 == head.size && root_of(&bytes) == head.root {
                return Ok(index.entries);
            }
        }
        let entries: Vec<String> = self
            .entries(key)?
            .into_iter()
            .map(|entry| String::from_utf8_lossy(&entry).into_owned())
            .collect();
        Index {
            schema: INDEX_SCHEMA.to_owned(),
            entries: entries.clone(),
        }
        .write(&path);
        Ok(entries)
    }
}

/// The cache.
#[derive(Deserialize, Serialize)]
struct Index {
    schema: String,
    entries: Vec<String>,
}

impl Index {
    fn read(path: &Path) -> Option<Self> {
        let index: Self = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (index.schema == INDEX_SCHEMA).then_some(index)
    }

    /// Writes the cache if it can be written: nothing is lost without it.
    fn write(&self, path: &Path) {
        let (Ok(bytes), Ok(name)) = (canonical::to_bytes(self), random_name()) else {
            return;
        };
        let temporary = path.with_extension(format!("json.{name}"));
        let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
    }
}

fn look(entry: &Entry, folders: &[&Path], unfinished: &[PathBuf]) -> PackageState {
    // The name comes from a ledger that is signed, and is not trusted to be a name.
    if names::check_path(&entry.package).is_err() || entry.package.contains('/') {
        return PackageState::Missing;
    }
    let recorded = |path: &Path| manifest_digest(path).as_deref() == Some(&*entry.manifest_sha256);
    let mut replaced = None;
    for folder in folders {
        let path = folder.join(&entry.package);
        if recorded(&path) {
            return PackageState::Present(path);
        }
        if path.exists() {
            replaced = Some(path);
        }
    }
    let left = unfinished.iter().find(|path| {
        recovery::package_of(path).as_deref() == Some(&*entry.package) && recorded(path)
    });
    match (left, replaced) {
        (Some(path), _) => PackageState::Unfinished(path.clone()),
        (None, Some(path)) => PackageState::Replaced(path),
        (None, None) => PackageState::Missing,
    }
}

/// SHA-256 of the manifest in what may be a package.
pub(crate) fn manifest_digest(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let manifest = container::peek(&mut file, names::MANIFEST, LARGEST_MANIFEST).ok()??;
    Some(Hash::of(&manifest).to_hex())
}
