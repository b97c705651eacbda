//! Accepted risks, and remarks on the policy file.

use pgattest_model::ident::visible;
use pgattest_model::{Audit, DiagnosticLevel, WaiverState};

use super::Rank;
use crate::view::{self, words};

pub(super) struct WaiverLine {
    pub(super) class: &'static str,
    pub(super) state: &'static str,
    pub(super) check: String,
    /// Whether the check has a page in this report.
    pub(super) is_known: bool,
    pub(super) covers: String,
    pub(super) why: String,
    pub(super) facts: Vec<(&'static str, String)>,
    /// Above the list of findings.
    pub(super) covered: String,
    pub(super) rows: Vec<CoveredLine>,
}

pub(super) struct CoveredLine {
    pub(super) subject: String,
    pub(super) rank: Rank,
    pub(super) cause: String,
    pub(super) fingerprint: String,
}

pub(super) struct Remark {
    pub(super) line: usize,
    pub(super) message: String,
    pub(super) help: String,
}

pub(super) fn lines(audit: &Audit) -> Vec<WaiverLine> {
    view::waiver_rows(audit)
        .into_iter()
        .map(|row| {
            let result = row.result;
            let number = words::count(result.covered.len(), "finding");
            WaiverLine {
                class: match result.state {
                    WaiverState::Used => "waived",
                    WaiverState::Expired | WaiverState::Unknown | WaiverState::Unused => "unknown",
                },
                state: result.state.as_str(),
                check: row.check,
                is_known: result.check.is_some(),
                covers: row.covers,
                why: visible(&result.why),
                facts: row.facts,
                covered: match result.state {
                    WaiverState::Used => format!("{number} accepted"),
                    _ => format!("{number} no longer accepted by it"),
                },
                rows: result
                    .covered
                    .iter()
                    .map(|covered| CoveredLine {
                        subject: words::subject(&covered.subject),
                        rank: Rank::of(covered.severity),
                        cause: visible(&covered.cause),
                        fingerprint: visible(&covered.fingerprint.0),
                    })
                    .collect(),
            }
        })
        .collect()
}

/// Warnings only: what is as it should be stands with the waivers.
pub(super) fn remarks(audit: &Audit) -> Vec<Remark> {
    audit
        .assessment
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.level == DiagnosticLevel::Warning)
        .map(|diagnostic| Remark {
            line: diagnostic.place.line,
            message: visible(&diagnostic.message),
            help: visible(diagnostic.help.as_deref().unwrap_or_default()),
        })
        .collect()
}
