//! What a verification found.

use serde::Serialize;
use std::path::Path;

/// Problems that are listed one by one; of more only the number is known. Memory stays bounded however damaged a journal is.
const MOST: usize = 10_000;

/// What a verification looked at, and found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// `pgattest.trail-verification/1`.
    pub schema: &'static str,
    /// The journal's folder.
    pub journal: String,
    /// Whether everything that was looked at is right.
    pub verified: bool,
    /// The journal's name in its checkpoint.
    pub origin: String,
    /// Leaves that the checkpoint covers.
    pub leaves: u64,
    /// The root that the checkpoint says, hexadecimal.
    pub root: String,
    /// The fingerprint of the key that signed the checkpoint; absent when none of those given did.
    pub signed_by: Option<String>,
    /// The fingerprints of the keys that the journal had, one after the other, as far as rotations tell; empty without one.
    pub keys: Vec<String>,
    /// Leaves that were looked at, each held against the root.
    pub leaves_checked: u64,
    /// Blocks whose payload was read and held against its manifest.
    pub blocks_checked: u64,
    /// Records in them, torn pieces included.
    pub records_checked: u64,
    /// Torn pieces in them.
    pub torn: u64,
    /// Blocks whose payload the retention policy removed.
    pub blocks_pruned: u64,
    /// Gaps that the collector declared.
    pub gaps: u64,
    /// When the collector did not run.
    pub outages: Vec<Outage>,
    /// How many more outages there are than are listed.
    pub outages_not_listed: u64,
    /// Times when the collector's clock was set back.
    pub clock_set_back: u64,
    /// Earlier checkpoints that the journal continues: their sizes.
    pub continues: Vec<u64>,
    /// What each second key that was given has signed.
    pub second: Vec<SecondSigned>,
    /// The last checkpoint that each witness signed.
    pub witnessed: Vec<Witnessed>,
    /// Time stamps of checkpoints of this journal.
    pub stamped: Vec<Stamped>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// How many more problems there are than are listed.
    pub problems_not_listed: u64,
    /// What is worth knowing and not wrong.
    pub notes: Vec<String>,
}

/// A time without a running collector.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Outage {
    /// The last sign of life, in milliseconds since 1970.
    pub from: i64,
    /// When it began again.
    pub to: i64,
    /// Why it stopped, as it said; absent when it said nothing, as one that was killed.
    pub reason: Option<String>,
}

/// Checkpoints that a second key signed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct SecondSigned {
    /// The key: SHA-256 of its `SubjectPublicKeyInfo`, hexadecimal.
    pub key: String,
    /// Their sizes, in order. Each covers all leaves before it. Where only some records were checked: those that were found and cover them.
    pub checkpoints: Vec<u64>,
}

/// A checkpoint that a witness signed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Witnessed {
    /// The witness's name.
    pub witness: String,
    /// The checkpoint's size.
    pub size: u64,
    /// When, in seconds since 1970, by the witness's clock.
    pub time: u64,
}

/// A checkpoint with a time stamp.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Stamped {
    /// The checkpoint's size.
    pub size: u64,
    /// When, in seconds since 1970, as the token says. The authority's own signature is checked by `openssl ts -verify`.
    pub time: u64,
}

/// Something that is not as it has to be.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// What kind.
    pub kind: ProblemKind,
    /// Where: a file of the journal, a leaf, a block, a record.
    pub place: String,
    /// What is wrong.
    pub problem: String,
}

/// Kinds of problems.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The checkpoint cannot be read, or none of the keys signed it.
    Checkpoint,
    /// The old key did not sign what names the new one, or not as its successor.
    Rotation,
    /// Tiles or leaves are not those of the root.
    Tree,
    /// A leaf cannot be understood.
    Leaf,
    /// Records, blocks or leaves are not numbered without a hole.
    Numbering,
    /// A file's blocks overlap, or leave a hole that no leaf explains.
    Source,
    /// A running collector was silent.
    Silence,
    /// A block's payload is not its manifest's.
    Block,
    /// A segment holds what no manifest covers.
    Segment,
    /// Payload was pruned against a hold.
    Retention,
    /// An earlier checkpoint is not continued.
    Continuation,
    /// A second key did not sign, or signed something else.
    SecondSignature,
    /// A witness did not sign, or signed something else.
    Witness,
    /// A time stamp is about something else.
    Timestamp,
    /// A cache is damaged; it is made again when the journal is next written.
    Cache,
}

impl Report {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            schema: "pgattest.trail-verification/1",
            journal: dir.display().to_string(),
            verified: true,
            origin: String::new(),
            leaves: 0,
            root: String::new(),
            signed_by: None,
            keys: Vec::new(),
            leaves_checked: 0,
            blocks_checked: 0,
            records_checked: 0,
            torn: 0,
            blocks_pruned: 0,
            gaps: 0,
            outages: Vec::new(),
            outages_not_listed: 0,
            clock_set_back: 0,
            continues: Vec::new(),
            second: Vec::new(),
            witnessed: Vec::new(),
            stamped: Vec::new(),
            problems: Vec::new(),
            problems_not_listed: 0,
            notes: Vec::new(),
        }
    }

    pub(super) fn add(
        &mut self,
        kind: ProblemKind,
        place: impl Into<String>,
        problem: impl Into<String>,
    ) {
        self.verified = false;
        if self.problems.len() < MOST {
            self.problems.push(Problem {
                kind,
                place: place.into(),
                problem: problem.into(),
            });
        } else {
            self.problems_not_listed += 1;
        }
    }

    /// The same, before all others: what everything else rests on.
    pub(super) fn add_first(
        &mut self,
        kind: ProblemKind,
        place: impl Into<String>,
        problem: impl Into<String>,
    ) {
        self.verified = false;
        self.problems.insert(
            0,
            Problem {
                kind,
                place: place.into(),
                problem: problem.into(),
            },
        );
    }

    pub(super) fn outage(&mut self, outage: Outage) {
        if self.outages.len() < MOST {
            self.outages.push(outage);
        } else {
            self.outages_not_listed += 1;
        }
    }
}
