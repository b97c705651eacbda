//! What is to be said about the policy file once the cluster is known.

use crate::policy::Place;

/// A remark on one place of the policy file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// How much it matters.
    pub level: DiagnosticLevel,
    /// What it points at.
    pub place: Place,
    /// What is the matter: one line, no period. May hold hostile names.
    pub message: String,
    /// What to do, where that can be said.
    pub help: Option<String>,
}

/// How much a remark matters. None of them stops an audit.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum DiagnosticLevel {
    /// As it should be, and worth knowing.
    Note,
    /// Not what its author can have meant.
    Warning,
}

impl DiagnosticLevel {
    /// The word, in reports and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
        }
    }
}
