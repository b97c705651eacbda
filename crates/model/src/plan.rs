//! A plan: what to change, in which order, whom it hurts, and how to take it back.
//!
//! A plan decides everything; whoever applies it chooses nothing. It is made from facts and policy, names the digest of those
//! facts, and is never changed after it was made.

use crate::finding::{Fingerprint, Subject};
use crate::ident::{quote_literal, quote_parameter};
use crate::observation::ObservationId;

/// Ordered changes for one cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// Version of pgattest that made it.
    pub tool_version: String,
    /// The cluster it is for.
    pub target: PlanTarget,
    /// When the facts were collected: RFC 3339, UTC.
    pub facts_as_of: String,
    /// Digest of the facts it was made from, without those that change by themselves.
    pub facts: FactsDigest,
    /// SHA-256 of the policy file, hex; `None` when there was none.
    pub policy_sha256: Option<String>,
    /// What to do, in this order.
    pub changes: Vec<Change>,
    /// What no change closes, and why.
    pub left: Vec<Left>,
}

/// Which cluster a plan is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlanTarget {
    /// Host and port, or socket, as it was asked.
    pub name: String,
    /// From `pg_control_system()`; empty where that was refused.
    pub system_identifier: String,
    /// `16.14`.
    pub version: String,
    /// Who runs the server: `self-hosted`, `rds`, `cloud-sql`, `azure` or `unknown`.
    pub flavour: String,
}

/// SHA-256 over facts, one for each group, so that it can be said which of them moved. Hex.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FactsDigest {
    /// By observation, in the order of their identifiers.
    pub groups: Vec<(ObservationId, String)>,
}

/// One thing to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Names it within the plan and across plans from the same facts: `role-attributes-1f0c9a7b`.
    pub id: String,
    /// The kind of change: `role-attributes`.
    pub kind: String,
    /// One line for a person, without a period: `take CREATEDB from role builders`.
    pub title: String,
    /// When, relative to the others.
    pub stage: Stage,
    /// The findings that are gone once it is done.
    pub closes: Vec<Closes>,
    /// What is done.
    pub action: Action,
    /// What takes it back.
    pub undo: Undo,
    /// Who decides.
    pub risk: Risk,
    /// What it needs beyond rights.
    pub needs: Vec<Need>,
    /// Whom it affects, measured from the facts.
    pub impact: Vec<Impact>,
    /// What somebody has to do besides, without which the change does not help or may hurt; no period. Empty: nothing.
    pub notes: Vec<String>,
}

/// A finding that a change closes.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Closes {
    /// The check: `ROL-09`.
    pub check: String,
    /// What the finding is about.
    pub subject: Subject,
    /// The finding.
    pub fingerprint: Fingerprint,
}

/// When a change is made. The order is the order of applying: first what helps nobody to fail (certificates, settings), then what
/// gives, then what moves, then what takes away, then who may come in; a restart and what needs it come last.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// Files that settings will name.
    Files,
    /// `ALTER SYSTEM` that a reload puts in force.
    Settings,
    /// New roles and memberships that give.
    Roles,
    /// What cannot run in a transaction: indexes made while the table is written.
    Indexes,
    /// In a database: privileges and default privileges that give.
    Grants,
    /// In a database: who owns.
    Ownership,
    /// In a database: views, functions, triggers.
    Code,
    /// In a database: policies and row-level security.
    Isolation,
    /// In a database: privileges taken away.
    Revokes,
    /// In the cluster: attributes, memberships and settings of roles and databases taken away or changed.
    Powers,
    /// Who may come in: `pg_hba.conf`, `pg_ident.conf`.
    Authentication,
    /// `ALTER SYSTEM` that only a restart puts in force.
    RestartSettings,
    /// The restart.
    Restart,
    /// `ALTER SYSTEM` for what the restart loaded.
    SettingsAfterRestart,
    /// In a database: what needs what the restart loaded.
    AfterRestart,
}

/// What is done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Statements that are done all or not at all.
    Sql {
        /// The database; `None` for what the cluster shares: done in whichever database one is connected to.
        database: Option<String>,
        /// Each ends with a semicolon. No transaction control among them.
        statements: Vec<String>,
    },
    /// One statement that cannot run in a transaction, and that may be tried again after it failed half-way.
    SqlAlone {
        /// The database.
        database: String,
        /// What clears away the remains of an earlier try; `None` when there are none. May fail without harm.
        before: Option<String>,
        /// The statement, with a semicolon.
        statement: String,
    },
    /// `ALTER SYSTEM SET` or, without a value, `RESET`.
    Setting {
        /// The parameter.
        name: String,
        /// Its value; `None`: out of `postgresql.auto.conf`.
        value: Option<SettingValue>,
    },
    /// A text file of the server's is replaced.
    File {
        /// Which.
        file: ServerFile,
        /// Its path on the server.
        path: String,
        /// SHA-256 of what it holds now, hex: anything else there is refused.
        before_sha256: String,
        /// What it will hold.
        text: String,
    },
    /// A private key, a certificate authority of one's own and a certificate signed by it are made where the plan is applied.
    Certificate {
        /// Names and addresses the certificate is for.
        names: Vec<String>,
        /// Days it is valid.
        days: u32,
        /// Paths on the server: the certificate with its chain, its key, the authority's certificate.
        certificate: String,
        /// See `certificate`.
        key: String,
        /// See `certificate`.
        authority: String,
    },
    /// The server is restarted, by whoever may.
    Restart,
    /// Nothing that pgattest does: one sentence, without a period.
    ByHand(String),
}

/// A value as `ALTER SYSTEM` takes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SettingValue {
    /// One value; quoted as a literal.
    One(String),
    /// A list (`shared_preload_libraries`): each element quoted by itself. An empty list is the empty string.
    List(Vec<String>),
}

/// A configuration file of the server's.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ServerFile {
    /// `pg_hba.conf`, or a file it includes.
    Hba,
    /// `pg_ident.conf`, or a file it includes.
    Ident,
}

/// What takes a change back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Undo {
    /// This.
    By(Action),
    /// The file that was there, kept by whoever applied the plan.
    Restore,
    /// Nothing, for this reason; no period.
    None(String),
}

/// Who decides.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Risk {
    /// Reversible, and no application is expected to notice.
    Safe,
    /// May stop an application: a person approves it, having read whom it affects.
    Approval,
    /// Not done by pgattest.
    ByHand,
}

/// What a change needs beyond rights.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Need {
    /// A reload of the configuration.
    Reload,
    /// A restart of the server.
    Restart,
    /// Sessions that are open do not notice it; new ones do.
    NewSessions,
    /// A lock.
    Lock {
        /// As PostgreSQL calls it: `ACCESS EXCLUSIVE`.
        mode: String,
        /// On what, as SQL.
        on: String,
    },
}

/// Somebody or something that a change affects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Impact {
    /// In which way.
    pub kind: ImpactKind,
    /// Who or what: a role, a view, a session's `user@address`.
    pub subject: String,
    /// One sentence, without a period.
    pub detail: String,
    /// What shows it.
    pub observations: Vec<ObservationId>,
}

/// In which way a change affects somebody. The worst first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ImpactKind {
    /// A login that was seen, live or in a log, would be refused.
    LoginRefused,
    /// A role loses a privilege or an attribute.
    RightLost,
    /// What a role runs on its own tables would be filtered or stopped.
    OwnerFiltered,
    /// A view, function or role would see fewer rows.
    RowsHidden,
    /// Something becomes slower or is stopped for a moment.
    Slowed,
    /// More is written to the log.
    MoreLogged,
    /// What cannot be known from the facts.
    Unknown,
}

/// A finding that no change closes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Left {
    /// The finding.
    pub finding: Closes,
    /// What has to be done, or why nothing can be planned.
    pub why: String,
}

impl Stage {
    /// Changes of one block are made database by database; blocks are made one after the other.
    pub const fn block(self) -> u8 {
        match self {
            Self::Files => 0,
            Self::Settings => 1,
            Self::Roles => 2,
            Self::Indexes => 3,
            Self::Grants | Self::Ownership | Self::Code | Self::Isolation | Self::Revokes => 4,
            Self::Powers => 5,
            Self::Authentication => 6,
            Self::RestartSettings => 7,
            Self::Restart => 8,
            Self::SettingsAfterRestart => 9,
            Self::AfterRestart => 10,
        }
    }

    /// The word of the plan file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Settings => "settings",
            Self::Roles => "roles",
            Self::Indexes => "indexes",
            Self::Grants => "grants",
            Self::Ownership => "ownership",
            Self::Code => "code",
            Self::Isolation => "isolation",
            Self::Revokes => "revokes",
            Self::Powers => "powers",
            Self::Authentication => "authentication",
            Self::RestartSettings => "restart-settings",
            Self::Restart => "restart",
            Self::SettingsAfterRestart => "settings-after-restart",
            Self::AfterRestart => "after-restart",
        }
    }
}

impl Risk {
    /// The words for people, and of the plan file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Approval => "approval",
            Self::ByHand => "by hand",
        }
    }
}

impl Action {
    /// The database it is done in; `None` for the cluster's own.
    pub fn database(&self) -> Option<&str> {
        match self {
            Self::Sql { database, .. } => database.as_deref(),
            Self::SqlAlone { database, .. } => Some(database),
            Self::Setting { .. }
            | Self::File { .. }
            | Self::Certificate { .. }
            | Self::Restart
            | Self::ByHand(_) => None,
        }
    }
}

/// `ALTER SYSTEM SET name = ..;`, or `RESET` without a value.
pub fn alter_system(name: &str, value: Option<&SettingValue>) -> String {
    let name = quote_parameter(name);
    match value {
        None => format!("ALTER SYSTEM RESET {name};"),
        Some(SettingValue::One(value)) => {
            format!("ALTER SYSTEM SET {name} = {};", quote_literal(value))
        }
        Some(SettingValue::List(values)) if values.is_empty() => {
            format!("ALTER SYSTEM SET {name} = '';")
        }
        Some(SettingValue::List(values)) => {
            let values: Vec<String> = values.iter().map(|value| quote_literal(value)).collect();
            format!("ALTER SYSTEM SET {name} = {};", values.join(", "))
        }
    }
}

/// Changes in the order in which they are taken back, from that in which they were made: the last first. Only a restart comes
/// after the settings that it puts in force, whichever way they go.
pub fn taking_back<'c>(made: &[&'c Change]) -> Vec<&'c Change> {
    let mut order: Vec<&Change> = made.iter().rev().copied().collect();
    // Stable: everything else keeps its place.
    order.sort_by_key(|change| match change.stage {
        Stage::AfterRestart | Stage::SettingsAfterRestart => 0,
        Stage::RestartSettings => 1,
        Stage::Restart => 2,
        _ => 3,
    });
    order
}

impl Plan {
    /// Whether there is nothing that pgattest would do.
    pub fn is_empty(&self) -> bool {
        !self
            .changes
            .iter()
            .any(|change| change.risk != Risk::ByHand)
    }
}
