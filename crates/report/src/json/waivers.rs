//! Waivers and remarks on the policy file, from the model to the contract.

use pgattest_model::{Audit, Covers, DiagnosticLevel, WaiverResult, WaiverState};

use super::document::{DiagnosticWord, Place, PolicyDiagnostic, Waiver, WaiverCounts, WaiverWord};

pub(super) fn counts(audit: &Audit) -> WaiverCounts {
    let waivers = audit.assessment.waivers.iter();
    waivers.fold(WaiverCounts::default(), |mut counts, result| {
        match result.state {
            WaiverState::Used => counts.used += 1,
            WaiverState::Unused => counts.unused += 1,
            WaiverState::Unknown => counts.unknown += 1,
            WaiverState::Expired => counts.expired += 1,
        }
        counts
    })
}

pub(super) fn waiver(result: &WaiverResult) -> Waiver<'_> {
    let waiver = &result.waiver;
    let (subject, fingerprint) = match &waiver.covers {
        Covers::Subject(subject) => (Some(subject.as_str()), None),
        Covers::Fingerprint(fingerprint) => (None, Some(fingerprint.as_str())),
    };
    Waiver {
        state: match result.state {
            WaiverState::Used => WaiverWord::Used,
            WaiverState::Unused => WaiverWord::Unused,
            WaiverState::Unknown => WaiverWord::Unknown,
            WaiverState::Expired => WaiverWord::Expired,
        },
        why: &result.why,
        check: result.check,
        check_as_written: &waiver.check,
        subject,
        fingerprint,
        database: waiver.database.as_deref(),
        reason: &waiver.reason,
        owner: &waiver.owner,
        approver: &waiver.approver,
        compensating_control: waiver.compensating_control.as_deref(),
        issued: waiver.issued.map(|day| day.to_string()),
        expires: waiver.expires.to_string(),
        covers: result
            .covered
            .iter()
            .map(|covered| covered.fingerprint.0.as_str())
            .collect(),
        place: place(waiver.places.entry),
    }
}

pub(super) fn diagnostic(diagnostic: &pgattest_model::Diagnostic) -> PolicyDiagnostic<'_> {
    PolicyDiagnostic {
        level: match diagnostic.level {
            DiagnosticLevel::Note => DiagnosticWord::Note,
            DiagnosticLevel::Warning => DiagnosticWord::Warning,
        },
        message: &diagnostic.message,
        help: diagnostic.help.as_deref(),
        place: place(diagnostic.place),
    }
}

const fn place(place: pgattest_model::Place) -> Place {
    let pgattest_model::Place {
        start,
        end,
        line,
        column,
    } = place;
    Place {
        line,
        column,
        start,
        end,
    }
}
