//! A session that was told to be cut off. It may log a little more, which then makes another sentence of it, or its end.

use super::result::Finding;
use serde::{Deserialize, Serialize};

/// Where it was told, and why.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Unfinished {
    finding: usize,
    reason: String,
}

impl Unfinished {
    /// Told by the finding of this index.
    pub(super) fn new(finding: usize, reason: &str) -> Self {
        Self {
            finding,
            reason: reason.to_owned(),
        }
    }

    /// It logged more: this line is its last one.
    pub(super) fn restate(&self, session: &str, who: &str, line: u64, findings: &mut [Finding]) {
        if let Some(finding) = findings.get_mut(self.finding) {
            finding.detail = sentence(session, who, line, &self.reason);
            finding.lines = Some((line, line));
        }
    }

    /// Its end came late. Whether there was anything to take back.
    pub(super) fn take_back(&self, findings: &mut [Finding]) -> bool {
        let finding = findings.get_mut(self.finding);
        finding.map(|finding| finding.count = 0).is_some()
    }
}

/// What is said of it. `who` is empty or begins with a space.
pub(super) fn sentence(session: &str, who: &str, line: u64, reason: &str) -> String {
    format!(
        "session {session}{who} ended without a record of its disconnection after line {line}: {reason}; records at its end may be missing"
    )
}
