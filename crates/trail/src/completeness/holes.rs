//! Line numbers that a session lacks, until records come late and fill them.
//!
//! Records of a session may be sealed out of their order: the end of a log file that was cut within a record is only certain once the
//! file has rested, and the next file is read meanwhile.

use super::result::{Finding, Kind, Weight};
use super::sessions::{At, start_of};
use super::tracker::Seen;
use serde::{Deserialize, Serialize};

/// Holes of a session that may still be filled; of more the oldest stay as they are told.
const MOST: usize = 64;

/// What is added to a hole that may be none.
pub(super) const MAYBE_BEFORE: &str = "; the session began in the second in which this log does, so they may have been logged before it";

/// The holes of a session.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Holes {
    open: Vec<Hole>,
    /// Holes that are told and not remembered.
    forgotten: bool,
    /// Numbers from before the log begins, which nobody misses here, and which may come late all the same.
    #[serde(default)]
    before: Vec<(u64, u64)>,
}

/// One of them.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Hole {
    lines: (u64, u64),
    /// The finding that tells it.
    finding: usize,
}

impl Holes {
    /// Whether anything is missing.
    pub(super) fn any(&self) -> bool {
        self.forgotten || !self.open.is_empty()
    }

    /// Tells a hole.
    pub(super) fn tell(&mut self, finding: Finding, findings: &mut Vec<Finding>) {
        if let Some(lines) = finding.lines {
            if self.open.len() == MOST {
                self.open.remove(0);
                self.forgotten = true;
            }
            self.open.push(Hole {
                lines,
                finding: findings.len(),
            });
        }
        findings.push(finding);
    }

    /// Numbers below this one were logged before the log begins, as far as is known.
    pub(super) fn begin_at(&mut self, line: u64) {
        self.before = vec![(1, line.saturating_sub(1))];
    }

    /// A record came late that was taken for one from before the log begins. False when it was not, or came already.
    pub(super) fn fill_before(&mut self, line: u64) -> bool {
        let covers = |(from, to): &(u64, u64)| *from <= line && line <= *to;
        let Some(at) = self.before.iter().position(covers) else {
            return false;
        };
        let (from, to) = self.before.swap_remove(at);
        let rest = [(from, line - 1), (line + 1, to)];
        self.before
            .extend(rest.into_iter().filter(|(from, to)| from <= to));
        true
    }

    /// A record came late: takes its number out of the hole that it was missing in. False when it was not missing.
    pub(super) fn fill(
        &mut self,
        session: &str,
        who: &str,
        line: u64,
        findings: &mut Vec<Finding>,
    ) -> bool {
        let missing = |hole: &Hole| hole.lines.0 <= line && line <= hole.lines.1;
        let Some(at) = self.open.iter().position(missing) else {
            return false;
        };
        let hole = self.open.swap_remove(at);
        let (from, to) = hole.lines;
        let Some(finding) = findings.get_mut(hole.finding) else {
            return false;
        };
        let mut rest = [(from, line - 1), (line + 1, to)]
            .into_iter()
            .filter(|(from, to)| from <= to);
        // None is missing any more: taken away at the end, because findings are known by their places.
        finding.count = 0;
        let mut other = None;
        if let Some(lines) = rest.next() {
            narrow(finding, session, who, lines);
            other = rest.next().map(|lines| {
                let mut other = finding.clone();
                narrow(&mut other, session, who, lines);
                other
            });
            self.open.push(Hole {
                lines,
                finding: hole.finding,
            });
        }
        if let Some(other) = other {
            self.tell(other, findings);
        }
        true
    }
}

/// Takes away the findings of holes that were filled, and of sessions whose end came late.
pub(super) fn settle(findings: &mut Vec<Finding>) {
    findings.retain(|finding| {
        !matches!(finding.kind, Kind::Hole | Kind::Unfinished) || finding.count > 0
    });
}

fn narrow(finding: &mut Finding, session: &str, who: &str, lines: (u64, u64)) {
    finding.detail = sentence(session, who, lines, &finding.records);
    if finding.weight == Weight::Suspicion {
        finding.detail.push_str(MAYBE_BEFORE);
    }
    finding.lines = Some(lines);
    finding.count = lines.1 - lines.0 + 1;
}

/// A finding of these numbers, missing before the record that is seen, and, where it is known, after another one.
pub(super) fn hole(
    seen: &Seen<'_>,
    session: &str,
    who: &str,
    lines: (u64, u64),
    after: Option<At>,
) -> Finding {
    let mut finding = Finding::new(Kind::Hole, Weight::Loss, String::new());
    seen.fill(&mut finding, session, lines);
    if let Some(after) = after {
        finding.records.insert(0, after.record);
        finding.from = after.time;
    } else {
        finding.from = start_of(session).map(|start| start * 1000);
    }
    narrow(&mut finding, session, who, lines);
    finding
}

/// `records`: the one before the hole, where it is known, and the one behind it.
fn sentence(session: &str, who: &str, lines: (u64, u64), records: &[u64]) -> String {
    let which = if lines.0 == lines.1 {
        format!("line {} of session {session}{who} is missing", lines.0)
    } else {
        format!(
            "lines {} to {} of session {session}{who} are missing",
            lines.0, lines.1
        )
    };
    match records {
        [after, before, ..] => format!("{which}, between record {after} and record {before}"),
        [before] => format!("{which}, before record {before}"),
        [] => which,
    }
}
