//! What is fixed about a check.

use crate::criterion::Criterion;
use crate::severity::Severity;

/// Everything fixed about a check; its documentation page is built from it.
#[derive(Debug)]
pub struct Meta {
    /// Stable identifier, never reused: `ROL-01`.
    pub id: &'static str,
    /// Kebab-case name, as the file is called: `superuser-roles`.
    pub name: &'static str,
    /// The compliant state, in one line.
    pub title: &'static str,
    /// Severity of a finding unless the finding says otherwise.
    pub severity: Severity,
    /// Criteria this check gives evidence for; the first is the main one.
    pub criteria: &'static [Criterion],
    /// The row of the crosswalk it belongs to.
    pub area: Area,
    /// Who can act on a managed service.
    pub responsibility: Responsibility,
    /// The release that added it.
    pub since: &'static str,
    /// Markdown, from the doc comment.
    pub docs: &'static str,
}

/// Control areas: the rows of the crosswalk to other frameworks.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[allow(missing_docs, reason = "the crosswalk names them")]
pub enum Area {
    LeastPrivilege,
    TenantIsolation,
    CodeTrust,
    Authentication,
    Boundary,
    Transport,
    KeyCustody,
    AuditLogging,
    LogProtection,
    LogRetention,
    LogReview,
}

impl Area {
    /// The key of the row in the crosswalk data.
    pub const fn key(self) -> &'static str {
        match self {
            Self::LeastPrivilege => "least-privilege",
            Self::TenantIsolation => "tenant-isolation",
            Self::CodeTrust => "code-trust",
            Self::Authentication => "authentication",
            Self::Boundary => "boundary",
            Self::Transport => "transport",
            Self::KeyCustody => "key-custody",
            Self::AuditLogging => "audit-logging",
            Self::LogProtection => "log-protection",
            Self::LogRetention => "log-retention",
            Self::LogReview => "log-review",
        }
    }
}

/// Who can act on the subject of a check when a provider runs the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Responsibility {
    /// The customer alone: roles, grants, policies.
    Yours,
    /// The provider offers the setting, the customer chooses it.
    Shared,
    /// The provider alone.
    Provider,
}

impl Responsibility {
    /// The word used in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yours => "yours",
            Self::Shared => "shared",
            Self::Provider => "provider",
        }
    }
}
