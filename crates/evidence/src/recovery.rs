//! Finishing what a crash interrupted.
//!
//! A package is written under a temporary name, then recorded in the ledger, then
//! moved to its own name. Between the last two the ledger records a package that
//! nobody finds; the next sealing moves it into place. A temporary file that the
//! ledger does not record was never sealed; it is left alone, since another ledger
//! may be about to record it.

use std::fs;
use std::path::{Path, PathBuf};

use pgattest_ledger::PublicKey;
use pgattest_ledger::entry::Entry;

use crate::disk::{parent, random_name};
use crate::listing::manifest_digest;
use crate::package;
use crate::store::{Ledger, LedgerError};

/// What a package's temporary name has after the package's random part.
const SUFFIX: &str = ".sealing";

/// The name under which `package` is written first.
pub(crate) fn temporary_name(package: &str) -> std::io::Result<String> {
    Ok(format!(".{package}.{}{SUFFIX}", random_name()?))
}

/// The package whose temporary file this is.
pub(crate) fn package_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_prefix('.')?.strip_suffix(SUFFIX)?;
    let (package, _random) = name.rsplit_once('.')?;
    package.strip_suffix(".zip").map(|_| package.to_owned())
}

/// The temporary files of packages in a folder.
pub(crate) fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = files
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| package_of(path).is_some())
        .collect();
    found.sort();
    found
}

/// Moves the packages in `folder` that the ledger records, but that are still
/// under their temporary names, into place. The caller holds the ledger's lock.
/// Returns where they are now.
pub(crate) fn finish(
    ledger: &Ledger,
    key: &PublicKey,
    folder: &Path,
) -> Result<Vec<PathBuf>, LedgerError> {
    let leftovers = leftovers(folder);
    if leftovers.is_empty() {
        return Ok(Vec::new());
    }
    let entries: Vec<Entry> = ledger
        .entries(key)?
        .iter()
        .filter_map(|text| Entry::parse(text).ok())
        .collect();
    let mut finished = Vec::new();
    for path in leftovers {
        let Some(name) = package_of(&path) else {
            continue;
        };
        let digest = manifest_digest(&path);
        let recorded = entries
            .iter()
            .any(|entry| entry.package == name && Some(&entry.manifest_sha256) == digest.as_ref());
        if !recorded {
            continue;
        }
        let target = parent(&path).join(&name);
        if manifest_digest(&target) == digest {
            // Only removing the temporary name was interrupted.
            let _ = fs::remove_file(&path);
        } else if package::open(&path).is_ok() && !target.exists() {
            ledger.disk().publish(&path, &target)?;
            finished.push(target);
        }
    }
    Ok(finished)
}
