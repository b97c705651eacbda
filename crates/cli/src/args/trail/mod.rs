//! `pgattest trail`.

mod archive;
mod completeness;
mod detect;
mod hold;
mod place;
mod proof;
mod prune;
mod query;
mod rotate_key;
mod run;
mod sinks;
mod status;
mod verify;

pub(crate) use archive::TrailArchiveArgs;
pub(crate) use completeness::{
    Answer as CompletenessFormat, TrailCompletenessArgs, TrailRecordsArgs,
};
pub(crate) use detect::TrailDetectArgs;
pub(crate) use hold::{HoldCommand, TrailHoldArgs};
pub(crate) use place::{TrailConfigArgs, TrailKeysArgs};
pub(crate) use proof::TrailProofArgs;
pub(crate) use prune::TrailPruneArgs;
pub(crate) use query::{Asked, QueryFormat, TrailQueryArgs};
pub(crate) use rotate_key::TrailRotateKeyArgs;
pub(crate) use run::TrailRunArgs;
pub(crate) use sinks::{SinksFormat, TrailSinksArgs};
pub(crate) use status::{TrailStatusArgs, TrailStatusFormat};
pub(crate) use verify::{TrailVerifyArgs, VerificationFormat};

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum TrailCommand {
    /// Capture the server's log, seal it, ship it, watch it: the collector
    Run(TrailRunArgs),
    /// Say how the trail is: what is sealed, what is behind, what is missing
    Status(TrailStatusArgs),
    /// Check a trail offline: signatures, tree, blocks; the whole, a range, or one record
    Verify(TrailVerifyArgs),
    /// Write the proof of one record, for an auditor to carry
    Proof(TrailProofArgs),
    /// Say what the log proves of its own completeness, and every hole
    Completeness(TrailCompletenessArgs),
    /// Answer an auditor's questions from the archive
    Query(TrailQueryArgs),
    /// Make the archive from the journal, or make it again
    Archive(TrailArchiveArgs),
    /// Remove payload that the retention policy no longer keeps; proofs stay
    Prune(TrailPruneArgs),
    /// Have another key sign from now on, named by the one that signs today
    RotateKey(TrailRotateKeyArgs),
    /// Set or lift a legal hold
    Hold(TrailHoldArgs),
    /// Say how far each sink is, try one, deliver what was refused again
    Sinks(TrailSinksArgs),
    /// Run the rules over records that are already there
    Detect(TrailDetectArgs),
}
