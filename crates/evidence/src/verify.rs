//! Verifying a package against keys that the caller trusts.

use std::path::Path;

use pgattest_ledger::checkpoint::SignedCheckpoint;
use pgattest_ledger::dsse::Envelope;
use pgattest_ledger::entry::{ConsistencyProof, Entry, InclusionProof};
use pgattest_ledger::sshsig::FileSignature;
use pgattest_ledger::{Checkpoint, Hash, PublicKey};

use crate::names;
use crate::package::{self, Checked, OpenError, Parts};
use crate::report::{Outcome, Problem, Step, StepId, VerifyReport};
use crate::store::Ledger;

/// What is known of the ledger from elsewhere.
#[derive(Clone, Copy, Default)]
pub struct Anchors<'a> {
    /// A checkpoint of the ledger that was kept elsewhere.
    pub checkpoint: Option<&'a [u8]>,
    /// A proof that one of that checkpoint and the package's continues the other:
    /// canonical JSON of [`ConsistencyProof`]. Needed when their sizes differ and
    /// the ledger is not at hand.
    pub consistency: Option<&'a [u8]>,
    /// The ledger itself, as it is now.
    pub ledger: Option<&'a Ledger>,
}

/// Verifies the package at `path`.
///
/// `trusted` are the keys that the caller trusts, from elsewhere than the package.
/// With none, or when another key signed, the verdict is never
/// [`crate::Verdict::Verified`].
pub fn verify(
    path: &Path,
    trusted: &[PublicKey],
    anchors: &Anchors<'_>,
) -> Result<VerifyReport, OpenError> {
    let bytes = package::read(path)?;
    let name = path.file_name().and_then(|name| name.to_str());
    Ok(verify_bytes(bytes, name, trusted, anchors))
}

/// Verifies a package from its bytes, as [`verify`] does. `file_name` is the name
/// it goes by, if it has one.
pub fn verify_bytes(
    bytes: Vec<u8>,
    file_name: Option<&str>,
    trusted: &[PublicKey],
    anchors: &Anchors<'_>,
) -> VerifyReport {
    let checked = Checked::new(bytes);
    let mut report = VerifyReport {
        steps: Vec::new(),
        signer: None,
        notes: Vec::new(),
        package: checked.package,
    };
    for (id, problems) in [
        (StepId::Container, checked.container),
        (StepId::Manifest, checked.manifest),
        (StepId::Files, checked.files),
    ] {
        let outcome = match problems {
            Some(problems) if problems.is_empty() => Outcome::Ok,
            Some(problems) => Outcome::Failed(problems),
            None => not_reached(),
        };
        report.steps.push(Step { id, outcome });
    }
    let Some(parts) = checked.parts else {
        report.steps.extend(
            [
                StepId::Statement,
                StepId::Signature,
                StepId::Checkpoint,
                StepId::Inclusion,
                StepId::Trust,
            ]
            .map(|id| Step {
                id,
                outcome: not_reached(),
            }),
        );
        return report;
    };
    if let Some(name) = file_name.filter(|name| *name != parts.manifest.package) {
        report.notes.push(format!(
            "the package was made under the name `{}`, and is now named `{}`",
            parts.manifest.package.escape_debug(),
            name.escape_debug()
        ));
    }
    Signed::new(&parts).check(trusted, anchors, &mut report);
    report
}

fn not_reached() -> Outcome {
    Outcome::NotChecked("an earlier step found damage".to_owned())
}

/// The signed parts of a package, read once.
struct Signed<'p> {
    parts: &'p Parts,
    digest: Hash,
    signature: Result<FileSignature, Problem>,
}

type Checks = Result<(), Problem>;

impl<'p> Signed<'p> {
    fn new(parts: &'p Parts) -> Self {
        Self {
            parts,
            digest: Hash::of(&parts.manifest_bytes),
            signature: file(parts, names::SIGNATURE).and_then(|bytes| {
                FileSignature::parse(bytes).map_err(|error| Problem::new(names::SIGNATURE, error))
            }),
        }
    }

    fn check(&self, trusted: &[PublicKey], anchors: &Anchors<'_>, report: &mut VerifyReport) {
        let signer = self.signer(trusted);
        report.signer = signer;
        let checkpoint = self.checkpoint(signer);
        let mut step = |id, outcome| report.steps.push(Step { id, outcome });
        step(StepId::Statement, outcome(self.statement(signer)));
        step(StepId::Signature, outcome(self.file_signature(signer)));
        step(
            StepId::Checkpoint,
            outcome(checkpoint.as_ref().map(|_| ()).map_err(Clone::clone)),
        );
        step(
            StepId::Inclusion,
            outcome(self.inclusion(checkpoint.as_ref().ok())),
        );
        step(StepId::Trust, trust(signer, trusted));

        let Anchors {
            checkpoint: anchor,
            ledger,
            ..
        } = *anchors;
        if let Some(anchor) = anchor {
            let found = match (&checkpoint, signer) {
                (Ok(ours), Some(key)) => check_anchor(anchor, ours, &key, anchors),
                _ => not_reached(),
            };
            step(StepId::Anchor, found);
        }
        if let Some(ledger) = ledger {
            let found = match (&checkpoint, signer) {
                (Ok(ours), Some(key)) => check_live(ledger, ours, &key),
                _ => not_reached(),
            };
            step(StepId::LiveLedger, found);
        }
    }

    /// Whose key the package says it was signed with: the trusted one that the
    /// statement names, or else the one in the OpenSSH signature.
    fn signer(&self, trusted: &[PublicKey]) -> Option<PublicKey> {
        let named = file(self.parts, names::STATEMENT)
            .ok()
            .and_then(|bytes| Envelope::parse(bytes).ok());
        let trusted = named.and_then(|envelope| {
            let named = |key: &&PublicKey| key.key_id() == envelope.key_id();
            trusted.iter().find(named).copied()
        });
        trusted.or_else(|| {
            let signature = self.signature.as_ref().ok()?;
            Some(signature.public_key())
        })
    }

    fn statement(&self, signer: Option<PublicKey>) -> Checks {
        let wrong = |what: String| Problem::new(names::STATEMENT, what);
        let bytes = file(self.parts, names::STATEMENT)?;
        let envelope = Envelope::parse(bytes).map_err(|error| wrong(error.to_string()))?;
        let key = signer.ok_or_else(|| wrong("there is no key to check it with".to_owned()))?;
        let statement = envelope
            .verify(&key)
            .map_err(|error| wrong(error.to_string()))?;
        if statement == self.parts.manifest.statement(self.digest) {
            return Ok(());
        }
        let named = statement.pointer("/subject/0/digest/sha256");
        Err(wrong(
            if named.and_then(serde_json::Value::as_str) == Some(&*self.digest.to_hex()) {
                "the statement says something else than the manifest does".to_owned()
            } else {
                "the statement is about another manifest".to_owned()
            },
        ))
    }

    fn file_signature(&self, signer: Option<PublicKey>) -> Checks {
        let signature = self.signature.as_ref().map_err(Clone::clone)?;
        if Some(signature.public_key()) != signer {
            return Err(Problem::new(
                names::SIGNATURE,
                "it names another key than the statement does",
            ));
        }
        signature
            .verify(&self.parts.manifest_bytes)
            .map_err(|_| Problem::new(names::SIGNATURE, "the signature does not fit manifest.json"))
    }

    fn checkpoint(&self, signer: Option<PublicKey>) -> Result<Checkpoint, Problem> {
        let wrong = |what: String| Problem::new(names::CHECKPOINT, what);
        let bytes = file(self.parts, names::CHECKPOINT)?;
        let signed = SignedCheckpoint::parse(bytes).map_err(|error| wrong(error.to_string()))?;
        let key = signer.ok_or_else(|| wrong("there is no key to check it with".to_owned()))?;
        signed
            .verify(&key)
            .cloned()
            .map_err(|error| wrong(error.to_string()))
    }

    fn inclusion(&self, checkpoint: Option<&Checkpoint>) -> Checks {
        let wrong = |what: String| Problem::new(names::PROOF, what);
        let proof = self.proof()?;
        let entry =
            Entry::parse(proof.entry.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        if entry.manifest_sha256 != self.digest.to_hex() {
            return Err(wrong("its entry is about another manifest".to_owned()));
        }
        if entry.package != self.parts.manifest.package {
            return Err(wrong("its entry is about another package".to_owned()));
        }
        if proof.checkpoint.as_bytes() != file(self.parts, names::CHECKPOINT)? {
            return Err(wrong(format!(
                "its checkpoint is not the one in {}",
                names::CHECKPOINT
            )));
        }
        let checkpoint = checkpoint
            .ok_or_else(|| wrong("there is no checkpoint to check it against".to_owned()))?;
        if proof.index.checked_add(1) != Some(checkpoint.size) {
            return Err(wrong(
                "its checkpoint is not the one right after its entry".to_owned(),
            ));
        }
        proof
            .verify(checkpoint)
            .map_err(|error| wrong(error.to_string()))
    }

    fn proof(&self) -> Result<InclusionProof, Problem> {
        InclusionProof::parse(file(self.parts, names::PROOF)?)
            .map_err(|error| Problem::new(names::PROOF, error))
    }
}

/// Whether the key is one that the caller trusts.
fn trust(signer: Option<PublicKey>, trusted: &[PublicKey]) -> Outcome {
    let Some(key) = signer else {
        return Outcome::NotChecked("who signed it cannot be told".to_owned());
    };
    if trusted.contains(&key) {
        return Outcome::Ok;
    }
    Outcome::NotChecked(if trusted.is_empty() {
        format!(
            "signed by {}, which you have not said you trust",
            key.fingerprint()
        )
    } else {
        let trusted: Vec<String> = trusted.iter().map(PublicKey::fingerprint).collect();
        format!(
            "signed by {}, which is none of the keys you trust ({})",
            key.fingerprint(),
            trusted.join(", ")
        )
    })
}

/// Whether the package's checkpoint and one kept elsewhere are of one ledger.
fn check_anchor(
    anchor: &[u8],
    ours: &Checkpoint,
    key: &PublicKey,
    anchors: &Anchors<'_>,
) -> Outcome {
    let failed = |what: &str| Outcome::Failed(vec![Problem::new(names::CHECKPOINT, what)]);
    let anchor = match SignedCheckpoint::parse(anchor) {
        Ok(anchor) => anchor,
        Err(error) => return failed(&format!("the checkpoint kept elsewhere: {error}")),
    };
    let anchor = match anchor.verify(key) {
        Ok(anchor) => anchor,
        Err(error) => return failed(&format!("the checkpoint kept elsewhere: {error}")),
    };
    if anchor.origin != ours.origin {
        return failed("the checkpoint kept elsewhere is of another ledger");
    }
    if anchor.size == ours.size {
        return if anchor.root == ours.root {
            Outcome::Ok
        } else {
            failed(
                "the checkpoint kept elsewhere has the same size and another root: the ledger was forked",
            )
        };
    }

    let (old, new) = if anchor.size < ours.size {
        (anchor, ours)
    } else {
        (ours, anchor)
    };
    let proof = if let Some(bytes) = anchors.consistency {
        match ConsistencyProof::parse(bytes) {
            Ok(proof) => proof,
            Err(error) => return failed(&format!("the consistency proof: {error}")),
        }
    } else if let Some(ledger) = anchors.ledger {
        match ledger.prove_consistency(key, old.size, new.size) {
            Ok(proof) => proof,
            Err(error) => return failed(&format!("the live ledger: {}", chain(&error))),
        }
    } else {
        return Outcome::NotChecked(format!(
            "the checkpoint kept elsewhere has size {}, this package's {}; a consistency proof \
             or the ledger is needed to compare them",
            anchor.size, ours.size
        ));
    };
    match proof.verify(old, new) {
        Ok(()) => Outcome::Ok,
        Err(error) => failed(&format!(
            "the ledger does not agree with the checkpoint kept elsewhere: {error}"
        )),
    }
}

/// Whether the ledger as it is now continues the one that recorded the package.
fn check_live(ledger: &Ledger, ours: &Checkpoint, key: &PublicKey) -> Outcome {
    let failed = |what: String| Outcome::Failed(vec![Problem::new(names::CHECKPOINT, what)]);
    let head = match ledger.check(key) {
        Ok(Some(head)) => head,
        Ok(None) => return failed("the live ledger is empty".to_owned()),
        Err(error) => return failed(format!("the live ledger: {}", chain(&error))),
    };
    if head.origin != ours.origin {
        return failed("the live ledger is another one".to_owned());
    }
    match ledger.root_at(key, ours.size) {
        Ok(root) if root == ours.root => Outcome::Ok,
        Ok(_) => failed("the live ledger has another past than this package".to_owned()),
        Err(error) => failed(format!("the live ledger: {}", chain(&error))),
    }
}

fn file<'p>(parts: &'p Parts, name: &'static str) -> Result<&'p [u8], Problem> {
    parts
        .envelope
        .get(name)
        .map(Vec::as_slice)
        .ok_or_else(|| Problem::new(name, "it is missing"))
}

fn outcome(checks: Checks) -> Outcome {
    match checks {
        Ok(()) => Outcome::Ok,
        Err(problem) => Outcome::Failed(vec![problem]),
    }
}

/// An error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
