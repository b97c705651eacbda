//! Merkle tree, checkpoint, signed note, DSSE and SSHSIG as pure functions.
//!
//! Everything here maps bytes to bytes: no clock, no files, no randomness. The
//! formats are public ones, so that a third party can check them with tools of
//! their own:
//!
//! | module | format |
//! | --- | --- |
//! | [`canonical`] | JSON Canonicalization Scheme, RFC 8785 |
//! | [`tree`] | Merkle tree, inclusion and consistency proofs, RFC 6962 |
//! | [`tile`] | tlog-tiles, C2SP: how the tree is cut into files |
//! | [`checkpoint`] | tlog-checkpoint in a signed note, C2SP |
//! | [`cosigned`] | tlog-cosignature, tlog-proof, C2SP |
//! | [`ecdsa`] | P-256 keys, and their signatures in a signed note |
//! | [`dsse`] | Dead Simple Signing Envelope 1.0 with an in-toto Statement v1 |
//! | [`sshsig`] | OpenSSH's PROTOCOL.sshsig |
//! | [`key`] | Ed25519 keys in OpenSSH's formats |
//! | [`entry`] | what an entry of the ledger and a proof of it say |

#![warn(missing_docs)]

pub mod canonical;
pub mod checkpoint;
pub mod cosigned;
pub mod dsse;
pub mod ecdsa;
pub mod entry;
mod hash;
pub mod key;
pub mod sshsig;
pub mod tile;
pub mod tree;

pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use cosigned::CosignedCheckpoint;
pub use hash::Hash;
pub use key::{PublicKey, SigningKey};
