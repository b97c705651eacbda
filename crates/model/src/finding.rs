//! One subject that breaks a rule.

use crate::observation::ObservationId;
use crate::severity::Severity;

/// One subject that breaks a check's rule, and the observations that show it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    /// What is wrong, in words shared by every subject with the same trouble: findings with one cause are reported as one,
    /// with the list of their subjects. No period.
    pub cause: String,
    /// What is wrong with this subject in particular. One sentence, no period.
    pub detail: String,
    /// How bad it is to leave it.
    pub severity: Severity,
    /// The observations that show it; never empty.
    pub observations: Vec<ObservationId>,
    /// What to do about this subject: a statement to review or one sentence.
    pub remediation: String,
}

/// What a finding is about, as an operator would type it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Subject {
    /// What kind of thing.
    pub kind: SubjectKind,
    /// The database it lives in; `None` for what the cluster shares.
    pub database: Option<String>,
    /// The name as SQL would have it (quoted where needed), or `pg_hba.conf:12`.
    pub name: String,
}

impl Subject {
    /// A subject that the whole cluster shares.
    pub fn cluster(kind: SubjectKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            database: None,
            name: name.into(),
        }
    }

    /// A subject inside one database.
    pub fn in_database(
        kind: SubjectKind,
        database: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            database: Some(database.into()),
            name: name.into(),
        }
    }
}

/// Kinds of subjects.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[allow(missing_docs, reason = "each is the object it names")]
pub enum SubjectKind {
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

impl SubjectKind {
    /// The word used in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlertRule => "alert rule",
            Self::Canary => "canary",
            Self::Certificate => "certificate",
            Self::CipherSuite => "cipher suite",
            Self::Cluster => "cluster",
            Self::Database => "database",
            Self::DefaultPrivilege => "default privilege",
            Self::Function => "function",
            Self::Handshake => "handshake",
            Self::HbaRule => "hba rule",
            Self::Policy => "policy",
            Self::Relation => "relation",
            Self::Role => "role",
            Self::Schema => "schema",
            Self::Session => "session",
            Self::Setting => "setting",
            Self::Sink => "sink",
            Self::Trail => "trail",
            Self::View => "view",
        }
    }
}

/// Names a finding across runs: the same check, target, subject and cause give the same 16 hex digits.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint(pub String);
