//! Checking a journal offline, believing nobody but the keys that the caller brings.
//!
//! Everything is looked at even when something is wrong: each [`Problem`] names its place. Nothing that was not looked at is said to
//! be right; what was looked at is counted in the [`Report`].

mod anchored;
mod blocks;
mod chain;
mod leaves;
mod report;
mod second;
mod tree;

pub use report::{Outage, Problem, ProblemKind, Report, SecondSigned, Stamped, Witnessed};

use self::chain::Chain;
use crate::journal::{CHECKPOINT, JournalError, JournalReader};
use pgattest_ledger::PublicKey;
use pgattest_ledger::cosigned::WitnessKey;
use pgattest_ledger::ecdsa::EcPublicKey;
use std::ops::Range;
use std::path::Path;

/// What is to be checked, and against what.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// Whose signatures are believed, and those of the keys that they lead to by rotation. Never taken from the journal.
    pub keys: &'a [PublicKey],
    /// Checkpoints that were kept elsewhere: the journal has to continue each.
    pub earlier: &'a [Vec<u8>],
    /// Witnesses: each has to have signed a checkpoint of this journal.
    pub witnesses: &'a [WitnessKey],
    /// Second keys: each has to have signed a checkpoint of this journal; where only some records are checked, one that covers them.
    pub second_keys: &'a [EcPublicKey],
    /// Only these records, with the proofs of their blocks; `None`: everything.
    pub records: Option<Range<u64>>,
    /// How often a running collector shows that it lives, in milliseconds. More than twice that without a leaf is a silence.
    pub heartbeat_ms: i64,
}

/// Checks a journal. An error only when there is none, or its folder cannot be read at all.
pub fn verify(dir: &Path, request: &Request<'_>) -> Result<Report, JournalError> {
    let mut report = Report::new(dir);
    let reader = match JournalReader::open(dir) {
        Err(error @ JournalError::Absent(_)) => return Err(error),
        Err(error) => {
            report.add(ProblemKind::Checkpoint, CHECKPOINT, error_text(&error));
            return Ok(report);
        }
        Ok(reader) => reader,
    };
    let said = reader.checkpoint().unverified();
    report.origin.clone_from(&said.origin);
    report.leaves = said.size;
    report.root = said.root.to_hex();
    let chain = Chain::new(&reader, request.keys);
    let signed = match &request.records {
        None => {
            let told = leaves::check_all(&reader, request, &mut report);
            for (leaf, reason) in chain.told(&told.rotations) {
                report.add(ProblemKind::Rotation, format!("leaf {leaf}"), reason);
            }
            second::Looked::AtEveryLeaf(told.second)
        }
        Some(records) => {
            let last = blocks::check_range(&reader, records.clone(), &mut report);
            second::Looked::UpToLeaf(last)
        }
    };
    match chain.head() {
        Ok(key) => report.signed_by = Some(key.fingerprint()),
        Err(reason) => report.add_first(ProblemKind::Checkpoint, CHECKPOINT, reason),
    }
    anchored::check_earlier(&reader, &chain, request, &mut report);
    second::check(&reader, &chain, request, &signed, &mut report);
    anchored::check_witnesses(&reader, &chain, request, &mut report);
    anchored::check_timestamps(&reader, &chain, &mut report);
    report.keys = chain.keys().iter().map(PublicKey::fingerprint).collect();
    Ok(report)
}

/// The key of these that signed a checkpoint.
pub(crate) fn signing_key<'k>(
    signed: &pgattest_ledger::SignedCheckpoint,
    keys: &'k [PublicKey],
) -> Result<&'k PublicKey, String> {
    let mut reason = "no key was given to check its signature with".to_owned();
    for key in keys {
        match signed.verify(key) {
            Ok(_) => return Ok(key),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(reason)
}

/// An error and its causes, in one line.
pub(crate) fn error_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
