//! Sealing: making a package, recording it, putting it in its place.
//!
//! The order is: write the package under a temporary name; record it in the
//! ledger; move the package to its own name. Written first, so that a full disk is
//! met before anything is recorded. Recorded before it is visible, so that nobody
//! ever holds a package that the ledger does not know. A crash between the last
//! two leaves an entry whose package is under its temporary name: listing says so,
//! and the next sealing moves it into place (see `recovery`).

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pgattest_ledger::canonical::{self, CanonicalError};
use pgattest_ledger::entry::{ENTRY_SCHEMA, EVIDENCE, Entry};
use pgattest_ledger::sshsig::{self, SshSigError};
use pgattest_ledger::{Hash, SigningKey, dsse};
use serde_json::Value;

use crate::container::{self, BuildError};
use crate::disk::{Access, DiskError};
use crate::manifest::{self, FileEntry, Manifest, Period, Tool};
use crate::names;
use crate::package::MAX_PACKAGE_BYTES;
use crate::recovery;
use crate::report::{Problem, Verdict};
use crate::store::{Ledger, LedgerError};
use crate::verify::{Anchors, verify_bytes};

/// One file to be put into a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageFile {
    /// Its path: letters, digits, `.`, `_`, `-` and `/`.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// What is to be sealed.
///
/// The same request, key and ledger state give the same bytes.
#[derive(Clone, Debug)]
pub struct SealRequest {
    /// The program that made the observations.
    pub tool: Tool,
    /// The target's name, which may be any text: a safe form of it (see
    /// [`crate::segment`]) is part of the file name.
    pub target_name: String,
    /// What was looked at; free.
    pub target: Value,
    /// When the first observation was begun.
    pub started_at: Timestamp,
    /// When the last observation was finished; part of the file name.
    pub finished_at: Timestamp,
    /// Now.
    pub recorded_at: Timestamp,
    /// The collector's clock minus the server's, in milliseconds; `None` when it was
    /// not measured.
    pub clock_skew_ms: Option<i64>,
    /// What could not be looked at, and why.
    pub not_visible: Vec<Value>,
    /// What else a reader has to know.
    pub notes: Vec<Value>,
    /// What a listing of the ledger shows; free, at most some 60 kB.
    pub summary: Value,
    /// The files. `README.txt`, `verdicts.json` and `observations.jsonl` have to be
    /// there; `manifest.*` and `ledger/*` are made here.
    pub files: Vec<PackageFile>,
}

/// A package that was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Where it is.
    pub path: PathBuf,
    /// Its file name, as the ledger records it.
    pub package: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its manifest.
    pub manifest_digest: Hash,
    /// Its place in the ledger, from 0.
    pub index: u64,
    /// The ledger's head, to be anchored elsewhere.
    pub checkpoint: String,
    /// Packages that an earlier, interrupted sealing had left unfinished, and that
    /// were put in their places now.
    pub recovered: Vec<PathBuf>,
}

/// Why a package was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A file cannot be part of a package, or a needed one is missing.
    #[error("the package cannot be made: {0}")]
    Content(String),
    /// A part of the manifest or the entry has no canonical form.
    #[error("`{part}` cannot be written as canonical JSON")]
    Canonical {
        /// Which part.
        part: &'static str,
        /// Why.
        source: CanonicalError,
    },
    /// The manifest could not be signed.
    #[error("the manifest could not be signed")]
    Signing(#[from] SshSigError),
    /// The package could not be written.
    #[error("the package could not be written; nothing was recorded")]
    Disk(#[from] DiskError),
    /// The package could not be recorded.
    #[error("the package could not be recorded in the ledger")]
    Ledger(#[from] LedgerError),
    /// The package was recorded, but could not be moved to its name.
    #[error(
        "the package is recorded and complete, but is still named `{}`; sealing another package \
         into the same folder moves it into place",
        .temporary.display()
    )]
    NotPublished {
        /// Where it is.
        temporary: PathBuf,
        /// Why.
        source: DiskError,
    },
    /// What was made does not verify: a defect of this program.
    #[error("the package that was made does not verify ({0}); nothing was written")]
    SelfCheck(String),
}

/// Seals packages.
pub struct Sealer<'a> {
    /// Signs.
    pub key: &'a SigningKey,
    /// Records.
    pub ledger: &'a Ledger,
    /// Where packages are put.
    pub out_dir: &'a Path,
}

impl Sealer<'_> {
    /// Makes a package, records it in the ledger and puts it in its place. When
    /// this returns, the package survives a power cut. Sealers of one ledger wait
    /// for each other.
    pub fn seal(&self, request: SealRequest) -> Result<Sealed, SealError> {
        let locked = self.ledger.lock()?;
        let disk = self.ledger.disk();
        disk.create_folders(self.out_dir)?;
        let public = self.key.public_key();
        let recovered = recovery::finish(self.ledger, &public, self.out_dir)?;

        let package = self.free_name(&request);
        let (manifest, entry_fields, mut files) = request.into_manifest(package.clone())?;
        let canonical = |part| move |source| SealError::Canonical { part, source };
        let manifest_bytes = manifest.to_bytes().map_err(canonical(names::MANIFEST))?;
        Manifest::parse(&manifest_bytes).map_err(|error| SealError::Content(error.to_string()))?;
        let digest = Hash::of(&manifest_bytes);
        let statement = dsse::seal(&manifest.statement(digest), self.key)
            .map_err(canonical(names::STATEMENT))?;
        let signature = sshsig::sign(self.key, &manifest_bytes)?;

        let entry = canonical::to_string(&Entry {
            schema: ENTRY_SCHEMA.to_owned(),
            kind: EVIDENCE.to_owned(),
            manifest_sha256: digest.to_hex(),
            target: entry_fields.target,
            recorded_at: entry_fields.recorded_at,
            package: package.clone(),
            summary: entry_fields.summary,
        })
        .map_err(canonical("summary"))?;
        let prepared = locked.prepare(self.key, &entry)?;
        let proof = canonical::to_bytes(&prepared.proof).map_err(canonical(names::PROOF))?;
        let checkpoint = prepared.checkpoint.to_text();

        for (path, bytes) in [
            (names::MANIFEST, manifest_bytes),
            (names::STATEMENT, statement),
            (names::SIGNATURE, signature.into_bytes()),
            (names::CHECKPOINT, checkpoint.clone().into_bytes()),
            (names::PROOF, proof),
        ] {
            files.push(PackageFile {
                path: path.to_owned(),
                bytes,
            });
        }
        let parts: Vec<(&str, &[u8])> = files
            .iter()
            .map(|file| (file.path.as_str(), file.bytes.as_slice()))
            .collect();
        let bytes = container::build(&parts, MAX_PACKAGE_BYTES)
            .map_err(|error: BuildError| SealError::Content(error.to_string()))?;
        drop(files);
        let bytes = self_check(bytes, &public)?;

        let failed = |source| DiskError {
            action: "name a temporary file in",
            path: self.out_dir.to_owned(),
            source,
        };
        let temporary = recovery::temporary_name(&package).map_err(failed)?;
        let temporary = self.out_dir.join(temporary);
        let written = disk
            .write_new(&temporary, &bytes, Access::Private)
            .and_then(|()| disk.sync_folder(self.out_dir));
        if let Err(error) = written {
            let _ = fs::remove_file(&temporary);
            return Err(error.into());
        }
        if let Err(error) = locked.commit(&prepared) {
            // The entry may be recorded all the same, when only the last flush
            // failed: then the package has to stay for the next sealing to finish.
            let recorded = self.ledger.checkpoint_text();
            if !matches!(recorded, Ok(Some(text)) if text == checkpoint) {
                let _ = fs::remove_file(&temporary);
            }
            return Err(error.into());
        }
        let path = self.out_dir.join(&package);
        disk.publish(&temporary, &path)
            .map_err(|source| SealError::NotPublished { temporary, source })?;

        Ok(Sealed {
            path,
            package,
            bytes: bytes.len() as u64,
            manifest_digest: digest,
            index: prepared.proof.index,
            checkpoint,
            recovered,
        })
    }

    /// A file name that nothing has yet.
    fn free_name(&self, request: &SealRequest) -> String {
        let stem = format!(
            "evidence-{}-{}",
            names::segment(&request.target_name),
            request.finished_at.strftime("%Y%m%dT%H%M%SZ")
        );
        let mut name = format!("{stem}.zip");
        let mut number = 2_u64;
        while self.out_dir.join(&name).symlink_metadata().is_ok() {
            name = format!("{stem}-{number}.zip");
            number += 1;
        }
        name
    }
}

/// What of a request goes into the ledger's entry.
struct EntryFields {
    target: String,
    recorded_at: String,
    summary: Value,
}

impl SealRequest {
    fn into_manifest(
        self,
        package: String,
    ) -> Result<(Manifest, EntryFields, Vec<PackageFile>), SealError> {
        let mut files = self.files;
        for file in &files {
            let path = file.path.to_ascii_lowercase();
            if path.starts_with("manifest.") || path.starts_with("ledger/") {
                return Err(SealError::Content(format!(
                    "`{}` is made while sealing, and cannot be passed in",
                    file.path.escape_debug()
                )));
            }
        }
        files.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        let manifest = Manifest {
            schema: manifest::SCHEMA.to_owned(),
            package,
            tool: self.tool,
            target: self.target,
            period: Period {
                started_at: self.started_at.to_string(),
                finished_at: self.finished_at.to_string(),
            },
            clock_skew_ms: self.clock_skew_ms,
            files: files
                .iter()
                .map(|file| FileEntry::of(&file.path, &file.bytes))
                .collect(),
            not_visible: self.not_visible,
            notes: self.notes,
        };
        let entry = EntryFields {
            target: self.target_name,
            recorded_at: self.recorded_at.to_string(),
            summary: self.summary,
        };
        Ok((manifest, entry, files))
    }
}

/// Verifies what was made before anything is recorded.
fn self_check(bytes: Vec<u8>, key: &crate::PublicKey) -> Result<Vec<u8>, SealError> {
    let report = verify_bytes(bytes, None, &[*key], &Anchors::default());
    match (report.verdict(), report.package) {
        (Verdict::Verified, Some(package)) => Ok(package.into_bytes()),
        (_, package) => {
            drop(package);
            let problems: Vec<String> = report
                .steps
                .iter()
                .flat_map(|step| match &step.outcome {
                    crate::Outcome::Failed(problems) => {
                        problems.iter().map(Problem::to_string).collect()
                    }
                    crate::Outcome::NotChecked(why) => vec![why.clone()],
                    crate::Outcome::Ok => Vec::new(),
                })
                .collect();
            Err(SealError::SelfCheck(problems.join("; ")))
        }
    }
}
