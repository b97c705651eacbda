//! What verifying a package found, step by step.

use std::fmt;

use pgattest_ledger::PublicKey;

use crate::package::Package;

/// Something wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file of the package, or `None` when it is the zip file itself.
    pub file: Option<String>,
    /// What is wrong with it. Escaped: holds no control characters.
    pub what: String,
}

impl Problem {
    pub(crate) fn new(file: &str, what: impl fmt::Display) -> Self {
        Self {
            file: Some(harmless(file)),
            what: harmless(&what.to_string()),
        }
    }

    pub(crate) fn of_container(what: &str) -> Self {
        Self {
            file: None,
            what: harmless(what),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_deref().unwrap_or("the package");
        write!(f, "{file}: {}", self.what)
    }
}

/// Escapes what a terminal would act on: names come from the package.
fn harmless(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let acts =
                c.is_control() || matches!(c, '\u{200e}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            let escaped: String = if acts {
                c.escape_default().collect()
            } else {
                c.into()
            };
            escaped.chars().collect::<Vec<_>>()
        })
        .collect()
}

/// The steps of verifying, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepId {
    /// The zip file is exactly what its contents make it.
    Container,
    /// `manifest.json` is a manifest in canonical form.
    Manifest,
    /// Every file is listed once and has the digest listed.
    Files,
    /// `manifest.dsse.json` signs this manifest.
    Statement,
    /// `manifest.sshsig` signs this manifest.
    Signature,
    /// `ledger/checkpoint` is signed.
    Checkpoint,
    /// `ledger/proof.json` proves that the ledger records this manifest.
    Inclusion,
    /// The signing key is one that the caller trusts.
    Trust,
    /// The package agrees with a checkpoint kept elsewhere.
    Anchor,
    /// The package agrees with the live ledger.
    LiveLedger,
}

impl StepId {
    /// A word for the step, the same in every verifier.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Manifest => "manifest",
            Self::Files => "files",
            Self::Statement => "statement",
            Self::Signature => "signature",
            Self::Checkpoint => "checkpoint",
            Self::Inclusion => "inclusion",
            Self::Trust => "trust",
            Self::Anchor => "anchor",
            Self::LiveLedger => "live-ledger",
        }
    }

    /// What is so when the step is passed.
    pub fn title(self) -> &'static str {
        match self {
            Self::Container => "the zip file is exactly what its contents make it",
            Self::Manifest => "manifest.json is complete and canonical",
            Self::Files => "every file has the digest in the manifest, and no other file is there",
            Self::Statement => "manifest.dsse.json signs this manifest",
            Self::Signature => "manifest.sshsig signs this manifest",
            Self::Checkpoint => "ledger/checkpoint is signed",
            Self::Inclusion => "the ledger records this manifest",
            Self::Trust => "the signing key is one you trust",
            Self::Anchor => "the ledger agrees with the checkpoint kept elsewhere",
            Self::LiveLedger => "the live ledger still records this package",
        }
    }
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is so.
    Ok,
    /// It is not so.
    Failed(Vec<Problem>),
    /// It could not be found out, which is never a pass.
    NotChecked(String),
}

/// One step and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which step.
    pub id: StepId,
    /// How it ended.
    pub outcome: Outcome,
}

/// What all the steps together say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every step was passed: the package is what a trusted key signed.
    Verified,
    /// Nothing is wrong, but something was not found out, such as whether to trust
    /// the key. Not a pass.
    NotVerified,
    /// Something is wrong.
    Failed,
}

/// What verifying a package found.
#[derive(Debug)]
pub struct VerifyReport {
    /// The steps, in their order.
    pub steps: Vec<Step>,
    /// The key that signed, by the package's own account; `None` when it cannot be
    /// read. Trusted only when the step [`StepId::Trust`] is passed.
    pub signer: Option<PublicKey>,
    /// What a reader should know that is no failure, such as another file name.
    pub notes: Vec<String>,
    /// The package, when its container, manifest and digests are right, whoever
    /// signed it.
    pub package: Option<Package>,
}

impl VerifyReport {
    /// What the steps together say.
    pub fn verdict(&self) -> Verdict {
        let any = |test: fn(&Outcome) -> bool| self.steps.iter().any(|step| test(&step.outcome));
        if any(|outcome| matches!(outcome, Outcome::Failed(_))) {
            Verdict::Failed
        } else if self.steps.is_empty() || any(|outcome| matches!(outcome, Outcome::NotChecked(_)))
        {
            Verdict::NotVerified
        } else {
            Verdict::Verified
        }
    }

    /// Every problem of every step.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.steps.iter().flat_map(|step| match &step.outcome {
            Outcome::Failed(problems) => problems.as_slice(),
            Outcome::Ok | Outcome::NotChecked(_) => &[],
        })
    }

    /// How one step ended.
    pub fn outcome(&self, id: StepId) -> Option<&Outcome> {
        self.steps
            .iter()
            .find(|step| step.id == id)
            .map(|step| &step.outcome)
    }
}
