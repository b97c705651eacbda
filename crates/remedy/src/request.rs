//! What applying a plan is asked with, and what it tells meanwhile.

use pgattest_collect::Limits;
use pgattest_model::plan::Plan;
use pgattest_wire::ConnectOptions;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// One plan, one cluster, and how to go about it.
pub struct Request<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// SHA-256 of the plan file, hex: what the journal is bound to.
    pub plan_digest: &'a str,
    /// How to connect; the role that applies. It must be the way in that is to stay open.
    pub options: &'a ConnectOptions,
    /// The folder of this plan's journal and backups; made if missing, for its owner only.
    pub folder: &'a Path,
    /// Where the server's files are reached.
    pub files: ServerFiles,
    /// What to do where a restart is due.
    pub restart: Restart,
    /// Subjects of `LoginRefused` impacts that the user accepts. One that is not accepted refuses the plan before anything begins.
    pub accept: BTreeSet<String>,
    /// The longest that a statement waits for a lock. In a transaction never longer than half the shortest `deadlock_timeout` of
    /// any role, so that it is this that gives up and not an application that it deadlocks with.
    pub lock_timeout: Duration,
    /// How often a transaction is tried that met a lock or a deadlock; 0 is taken as 1. In between every lock is released: at
    /// first for as long as the attempt took, then for twice as long each time, ten seconds at most.
    pub attempts: u32,
    /// Within this time new connections must have shown that new rules let in whom they must.
    pub prove_within: Duration,
    /// Limits of collecting the facts again.
    pub limits: Limits,
    /// Called before and after everything that can be cut off; for tests.
    pub faults: Option<FaultHook>,
}

/// Where the server's files are reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServerFiles {
    /// They are on this machine: replaced by renaming, so that there is the old file or the new one.
    Local,
    /// Through the server. It writes over the file, which is NOT atomic: for a moment, or for ever on a full disk, the file is
    /// cut short. The server reads it only when it is told to, so nobody notices, and it is read back before it is told to.
    ThroughServer,
}

/// What to do where a restart is due.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Restart {
    /// Stop there; [`crate::resume`] goes on after somebody restarted the server.
    No,
    /// Say so, and wait until somebody restarted it.
    Wait {
        /// For at most this long.
        limit: Duration,
    },
    /// Run this with `sh -c`, as the user wrote it, and wait until the server is back.
    Command(String),
}

/// One point at which a process can be killed, a disk be full, a connection be cut. Displays as `before COMMIT (grants-1f0c9a7b)`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Point {
    /// What is about to be done, or was done.
    pub name: &'static str,
    /// To what.
    pub of: String,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.of)
    }
}

/// Called at each [`Point`]; an error is taken as the act's own.
pub type FaultHook = Arc<dyn Fn(&Point) -> io::Result<()> + Send + Sync>;

/// Is told what happens.
pub trait Observer {
    /// Something happened.
    fn event(&mut self, event: &Event<'_>);
}

/// What happens.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Something is looked at before anything begins.
    Checking {
        /// What.
        what: &'static str,
    },
    /// A step begins.
    StepStarted(&'a StepInfo),
    /// Somebody or something is waited for.
    Waiting {
        /// What for.
        what: &'a str,
    },
    /// A step met a lock or a deadlock, and is tried again.
    Retried {
        /// The step.
        step: &'a StepInfo,
        /// Which attempt failed, from 1.
        attempt: u32,
        /// How many there are.
        of: u32,
        /// Why it failed.
        why: &'a str,
    },
    /// The server was told to put a file back by itself.
    GuardSet {
        /// The file.
        path: &'a str,
        /// When.
        within: Duration,
    },
    /// New connections showed that the new rules do what they must.
    Proved {
        /// What was tried, and what happened.
        what: &'a str,
    },
    /// A step was done.
    StepDone {
        /// The step.
        step: &'a StepInfo,
        /// What it changed.
        effects: &'a [Effect],
    },
    /// A step failed, and what it had done was taken back.
    RolledBack {
        /// The step.
        step: &'a StepInfo,
        /// Why it failed.
        why: &'a str,
    },
    /// A change could not be taken back.
    NotUndone(&'a NotUndone),
}

/// One step: changes that are made together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StepInfo {
    /// Counted from 1.
    pub index: usize,
    /// How many there are.
    pub total: usize,
    /// Identifiers of its changes.
    pub changes: Vec<String>,
    /// Their titles.
    pub titles: Vec<String>,
    /// Whether it takes back.
    pub undo: bool,
}

impl StepInfo {
    /// All titles in one line.
    pub fn title(&self) -> String {
        self.titles.join("; ")
    }
}

/// Before and after, for the ledger.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Effect {
    /// The change.
    pub change: String,
    /// On what: a database, a parameter, a file's path.
    pub on: String,
    /// A setting's line, a file's SHA-256; empty for statements, keys, and files that were not there.
    pub before: String,
    /// The statements, a setting's line, a file's SHA-256; of a private key only that it is one.
    pub after: String,
}

/// How applying ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Applied {
    /// Identifiers of the changes that are done, in the plan's order, those of earlier runs too.
    pub done: Vec<String>,
    /// Identifiers of those that a person does.
    pub by_hand: Vec<String>,
    /// Whether it stopped before a restart; [`crate::resume`] goes on.
    pub waits_for_restart: bool,
}

/// How taking back ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Undone {
    /// Identifiers of the changes that were taken back now.
    pub taken_back: Vec<String>,
    /// Those that were not.
    pub left: Vec<NotUndone>,
    /// Parameters whose old value comes back only with a restart.
    pub needs_restart: Vec<String>,
}

/// A change that is not taken back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NotUndone {
    /// Its identifier.
    pub change: String,
    /// What it did.
    pub title: String,
    /// Why it stays; no period.
    pub why: String,
}
