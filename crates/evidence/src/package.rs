//! A package whose container, manifest and digests are right.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use pgattest_ledger::Hash;

use crate::container;
use crate::manifest::{FileEntry, Manifest};
use crate::names;
use crate::report::Problem;

/// The largest package that is read or made, in bytes: 1 GiB. Files are stored
/// uncompressed, so this bounds what they take unpacked too.
pub const MAX_PACKAGE_BYTES: u64 = 1 << 30;

/// The files of a package, each with the digest that the manifest gives it.
///
/// Says nothing about who signed it: that is [`crate::verify()`]'s business.
#[derive(Clone)]
pub struct Package {
    bytes: Vec<u8>,
    files: BTreeMap<String, Range<usize>>,
    manifest: Manifest,
}

impl Package {
    /// What the manifest says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of `manifest.json`, which the signatures and the ledger are about.
    pub fn manifest_digest(&self) -> Hash {
        Hash::of(self.file(names::MANIFEST).unwrap_or_default())
    }

    /// The bytes of one file, such as `verdicts.json`.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.bytes.get(self.files.get(path)?.clone())
    }

    /// The zip file itself.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Every file, in the order of their paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, range)| {
            let bytes = self.bytes.get(range.clone()).unwrap_or_default();
            (path.as_str(), bytes)
        })
    }
}

impl fmt::Debug for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Package")
            .field("package", &self.manifest.package)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

/// Why a package could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file could not be read.
    #[error("cannot read `{}`", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is larger than a package can be.
    #[error("`{}` is larger than {MAX_PACKAGE_BYTES} bytes: not an evidence package", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is not what a package has to be.
    #[error("`{}` is not an undamaged evidence package", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Damage,
    },
}

/// What is wrong with a package. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Each problem, with its file.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.problems.iter().enumerate() {
            let comma = if place == 0 { "" } else { "; " };
            write!(f, "{comma}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Damage {}

/// Opens the package at `path`: container, manifest and digests have to be right.
pub fn open(path: &Path) -> Result<Package, OpenError> {
    open_bytes(read(path)?).map_err(|source| OpenError::Damaged {
        path: path.to_owned(),
        source,
    })
}

/// Opens a package from its bytes, as [`open`] does.
pub fn open_bytes(bytes: Vec<u8>) -> Result<Package, Damage> {
    let checked = Checked::new(bytes);
    match checked.package {
        Some(package) => Ok(package),
        None => Err(Damage {
            problems: [checked.container, checked.manifest, checked.files]
                .into_iter()
                .flatten()
                .flatten()
                .collect(),
        }),
    }
}

/// Reads a file that may be a package.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, OpenError> {
    let error = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(error)?;
    let mut bytes = Vec::new();
    // One byte more than allowed, so that a larger file is told from the largest.
    file.take(MAX_PACKAGE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(error)?;
    if bytes.len() as u64 > MAX_PACKAGE_BYTES {
        return Err(OpenError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

/// The first three steps: each is its problems, or `None` when it was not reached.
pub(crate) struct Checked {
    pub(crate) container: Option<Vec<Problem>>,
    pub(crate) manifest: Option<Vec<Problem>>,
    pub(crate) files: Option<Vec<Problem>>,
    /// There when there is no problem.
    pub(crate) package: Option<Package>,
    /// There when the container has no problem and the manifest can be read.
    pub(crate) parts: Option<Parts>,
}

/// What the later steps look at.
pub(crate) struct Parts {
    pub(crate) manifest_bytes: Vec<u8>,
    pub(crate) manifest: Manifest,
    pub(crate) envelope: BTreeMap<&'static str, Vec<u8>>,
}

impl Checked {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let contents = container::read(&bytes);
        let mut checked = Self {
            container: Some(contents.problems),
            manifest: None,
            files: None,
            package: None,
            parts: None,
        };
        if checked.container.as_ref().is_some_and(|it| !it.is_empty()) {
            return checked;
        }
        let files: BTreeMap<String, Range<usize>> = contents.files.into_iter().collect();
        let file = |name: &str| bytes.get(files.get(name)?.clone());

        let manifest = match file(names::MANIFEST) {
            None => Err("it is missing".to_owned()),
            Some(bytes) => Manifest::parse(bytes).map_err(|error| error.to_string()),
        };
        let manifest = match manifest {
            Ok(manifest) => manifest,
            Err(what) => {
                checked.manifest = Some(vec![Problem::new(names::MANIFEST, what)]);
                return checked;
            }
        };
        checked.manifest = Some(Vec::new());

        let problems = check_files(&manifest, &files, &bytes);
        checked.parts = Some(Parts {
            manifest_bytes: file(names::MANIFEST).unwrap_or_default().to_vec(),
            manifest: manifest.clone(),
            envelope: names::ENVELOPE
                .into_iter()
                .filter_map(|name| Some((name, file(name)?.to_vec())))
                .collect(),
        });
        if problems.is_empty() {
            checked.package = Some(Package {
                bytes,
                files,
                manifest,
            });
        }
        checked.files = Some(problems);
        checked
    }
}

fn check_files(
    manifest: &Manifest,
    files: &BTreeMap<String, Range<usize>>,
    bytes: &[u8],
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for listed in &manifest.files {
        let Some(content) = files
            .get(&listed.path)
            .and_then(|range| bytes.get(range.clone()))
        else {
            problems.push(Problem::new(&listed.path, "it is missing"));
            continue;
        };
        let found = FileEntry::of(&listed.path, content);
        if found.bytes != listed.bytes {
            let what = format!("it has {} bytes, not {}", found.bytes, listed.bytes);
            problems.push(Problem::new(&listed.path, what));
        } else if found.sha256 != listed.sha256 {
            problems.push(Problem::new(
                &listed.path,
                "its SHA-256 is not the one in the manifest",
            ));
        }
    }
    for name in names::ENVELOPE {
        if !files.contains_key(name) {
            problems.push(Problem::new(name, "it is missing"));
        }
    }
    for name in files.keys() {
        let known = names::ENVELOPE.contains(&name.as_str())
            || manifest
                .files
                .binary_search_by(|file| file.path.as_str().cmp(name))
                .is_ok();
        if !known {
            problems.push(Problem::new(name, "the manifest does not list it"));
        }
    }
    problems
}
