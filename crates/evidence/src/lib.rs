//! The evidence package: sealing, verifying, the signing key and the local ledger.
//!
//! A package is one zip file that an auditor can check without trusting whoever
//! made it. `docs/evidence-package.md` specifies every byte of it. This crate
//! does the I/O; the formats' arithmetic is in `pgattest-ledger`.
//!
//! - [`KeyStore`] keeps the signing key.
//! - [`Sealer::seal`] writes a package and records it in the [`Ledger`].
//! - [`verify()`] checks a package against keys that the caller trusts.
//! - [`open()`] gives access to the files of a package whose digests are right,
//!   whoever signed it.

#![warn(missing_docs)]

mod container;
pub mod disk;
mod keystore;
mod listing;
mod manifest;
mod names;
mod package;
mod record;
mod recovery;
mod report;
mod seal;
mod store;
mod verify;

pub use disk::{DiskError, FaultHook, Step as DiskStep};
pub use keystore::{KeyStore, KeyStoreError, StoredKey};
pub use listing::{Listed, PackageState};
pub use manifest::{FileEntry, Manifest, Period, Tool};
pub use names::segment;
pub use package::{Damage, MAX_PACKAGE_BYTES, OpenError, Package, open, open_bytes};
pub use pgattest_ledger::entry::ChangeEntry;
pub use pgattest_ledger::{Hash, PublicKey, SigningKey};
pub use record::Recorded;
pub use report::{Outcome, Problem, Step, StepId, Verdict, VerifyReport};
pub use seal::{PackageFile, SealError, SealRequest, Sealed, Sealer};
pub use store::{Ledger, LedgerError};
pub use verify::{Anchors, verify, verify_bytes};
