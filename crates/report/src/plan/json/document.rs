//! The types of the plan file. They are not the model's: the model may change its mind, a file that somebody keeps may not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to change in one PostgreSQL cluster, in which order, whom it affects, and how to take it back.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(title = "pgattest plan")]
pub(super) struct Document {
    /// The version of this format.
    #[schemars(extend("const" = super::SCHEMA))]
    pub(super) schema: String,
    /// SHA-256, hex, of everything else in this file as canonical JSON (RFC 8785).
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub(super) digest: String,
    /// What made the plan.
    pub(super) tool: Tool,
    /// The cluster it is for.
    pub(super) target: Target,
    /// When the facts were collected: RFC 3339, UTC.
    pub(super) facts_as_of: String,
    /// The facts it was made from, without those that change by themselves.
    pub(super) facts: Vec<Facts>,
    /// SHA-256 of the policy file, hex; null when there was none.
    pub(super) policy_sha256: Option<String>,
    /// What to do, in this order.
    pub(super) changes: Vec<Change>,
    /// Findings that no change closes.
    pub(super) left: Vec<Left>,
}

/// The program that made the plan.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub(super) struct Tool {
    /// Always `pgattest`.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
}

/// The cluster. A string is empty where the server did not say.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub(super) struct Target {
    /// Host and port, or socket.
    pub(super) name: String,
    /// Unique to the cluster since its `initdb`; kept by physical copies.
    pub(super) system_identifier: String,
    /// `16.14`.
    pub(super) version: String,
    /// What kind of service runs it.
    pub(super) flavour: String,
}

/// One group of facts.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub(super) struct Facts {
    /// The observation.
    pub(super) observation: String,
    /// Its digest, hex.
    pub(super) sha256: String,
}

/// One thing to do.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub(super) struct Change {
    /// Names it within the plan, and across plans from the same facts.
    pub(super) id: String,
    /// The kind of change.
    pub(super) kind: String,
    /// One line for a person.
    pub(super) title: String,
    /// When, relative to the others.
    pub(super) stage: Stage,
    /// The findings that are gone once it is done.
    pub(super) closes: Vec<Closes>,
    /// What is done.
    pub(super) action: Action,
    /// What takes it back.
    pub(super) undo: Undo,
    /// Who decides.
    pub(super) risk: Risk,
    /// What it needs beyond rights.
    pub(super) needs: Vec<Need>,
    /// Whom it affects, measured from the facts.
    pub(super) impact: Vec<Impact>,
    /// What somebody has to do besides.
    pub(super) notes: Vec<String>,
}

/// A finding.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub(super) struct Closes {
    /// The check.
    pub(super) check: String,
    /// What the finding is about.
    pub(super) subject: Subject,
    /// Its name across audits.
    pub(super) fingerprint: String,
}

/// What a finding is about.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub(super) struct Subject {
    /// What kind of thing.
    pub(super) kind: SubjectKind,
    /// The database it lives in; null for what the cluster shares.
    pub(super) database: Option<String>,
    /// Its name as SQL would have it, or a place such as `pg_hba.conf:12`.
    pub(super) name: String,
}

/// Kinds of subjects, as in an audit's report.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SubjectKind {
    AlertRule,
    Canary,
    Certificate,
    CipherSuite,
    Cluster,
    Database,
    DefaultPrivilege,
    Function,
    Handshake,
    HbaRule,
    Policy,
    Relation,
    Role,
    Schema,
    Session,
    Setting,
    Sink,
    Trail,
    View,
}

/// When a change is made; the order is the order of applying.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Stage {
    Files,
    Settings,
    Roles,
    Indexes,
    Grants,
    Ownership,
    Code,
    Isolation,
    Revokes,
    Powers,
    Authentication,
    RestartSettings,
    Restart,
    SettingsAfterRestart,
    AfterRestart,
}

/// What is done.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(super) enum Action {
    /// Statements that are done all or not at all.
    Sql {
        /// The database; null for what the cluster shares.
        database: Option<String>,
        /// Each ends with a semicolon.
        statements: Vec<String>,
    },
    /// One statement that cannot run in a transaction.
    SqlAlone {
        /// The database.
        database: String,
        /// What clears away the remains of an earlier try.
        before: Option<String>,
        /// The statement.
        statement: String,
    },
    /// `ALTER SYSTEM`.
    Setting {
        /// The parameter.
        name: String,
        /// Its value; a list where each element is quoted by itself; null to take it out of `postgresql.auto.conf`.
        value: Option<SettingValue>,
    },
    /// A text file of the server's is replaced.
    File {
        /// Which.
        file: ServerFile,
        /// Its path on the server.
        path: String,
        /// SHA-256 of what it holds now, hex.
        before_sha256: String,
        /// What it will hold.
        text: String,
    },
    /// A private key, a certificate authority and a certificate are made where the plan is applied.
    Certificate {
        /// Names and addresses the certificate is for.
        names: Vec<String>,
        /// Days it is valid.
        days: u32,
        /// Path of the certificate on the server.
        certificate: String,
        /// Path of its key.
        key: String,
        /// Path of the authority's certificate.
        authority: String,
    },
    /// The server is restarted.
    Restart,
    /// Nothing that pgattest does.
    ByHand {
        /// What somebody does.
        what: String,
    },
}

/// A value as `ALTER SYSTEM` takes it.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(untagged)]
pub(super) enum SettingValue {
    One(String),
    List(Vec<String>),
}

/// A configuration file of the server's.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ServerFile {
    Hba,
    Ident,
}

/// What takes a change back.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub(super) enum Undo {
    /// An action.
    Action {
        /// The action.
        action: Action,
    },
    /// The file that was there, kept by whoever applied the plan.
    Restore,
    /// Nothing.
    Nothing {
        /// Why.
        because: String,
    },
}

/// Who decides.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
pub(super) enum Risk {
    /// Reversible, and no application is expected to notice.
    #[serde(rename = "safe")]
    Safe,
    /// May stop an application: a person approves it.
    #[serde(rename = "approval")]
    Approval,
    /// Not done by pgattest.
    #[serde(rename = "by hand")]
    ByHand,
}

/// What a change needs beyond rights.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(tag = "need", rename_all = "kebab-case")]
pub(super) enum Need {
    /// A reload of the configuration.
    Reload,
    /// A restart of the server.
    Restart,
    /// Sessions that are open do not notice it.
    NewSessions,
    /// A lock.
    Lock {
        /// `ACCESS EXCLUSIVE`.
        mode: String,
        /// On what, as SQL.
        on: String,
    },
}

/// Somebody or something that a change affects.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub(super) struct Impact {
    /// In which way.
    pub(super) kind: ImpactKind,
    /// Who or what.
    pub(super) subject: String,
    /// One sentence.
    pub(super) detail: String,
    /// Observations that show it.
    pub(super) observations: Vec<String>,
}

/// In which way a change affects somebody.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ImpactKind {
    LoginRefused,
    RightLost,
    OwnerFiltered,
    RowsHidden,
    Slowed,
    MoreLogged,
    Unknown,
}

/// A finding that no change closes.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub(super) struct Left {
    /// The finding.
    pub(super) finding: Closes,
    /// What has to be done, or why nothing can be planned.
    pub(super) why: String,
}
