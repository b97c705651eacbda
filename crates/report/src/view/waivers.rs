//! Waivers as the reports for people show them.

use pgattest_model::ident::visible;
use pgattest_model::{Audit, Covers, WaiverResult, WaiverState};

use super::words;

/// A waiver with what every report says of it. The texts are harmless to show.
#[derive(Debug)]
pub struct WaiverRow<'a> {
    /// The waiver, its state and what it covers.
    pub result: &'a WaiverResult,
    /// The identifier of its check, or what stands there when no check is called so.
    pub check: String,
    /// What it covers, as written: `public.orders in shop`.
    pub covers: String,
    /// Each label with its value: reason, owner, approver, compensating control, dates, place in the policy file. Never empty:
    /// what was not said is said to be missing.
    pub facts: Vec<(&'static str, String)>,
}

/// The waivers: what needs attention first, then in the order of the file.
pub fn waiver_rows(audit: &Audit) -> Vec<WaiverRow<'_>> {
    let mut rows: Vec<WaiverRow<'_>> = audit.assessment.waivers.iter().map(row).collect();
    rows.sort_by_key(|row| row.result.state);
    rows
}

/// How many waivers are in each state that occurs, what needs attention first.
pub fn waiver_states(audit: &Audit) -> Vec<(WaiverState, usize)> {
    let number = |state| {
        let waivers = audit.assessment.waivers.iter();
        waivers.filter(|result| result.state == state).count()
    };
    WaiverState::ALL
        .into_iter()
        .map(|state| (state, number(state)))
        .filter(|(_, number)| *number > 0)
        .collect()
}

fn row(result: &WaiverResult) -> WaiverRow<'_> {
    let waiver = &result.waiver;
    let place = waiver
        .database
        .as_ref()
        .map_or_else(String::new, |name| format!(" in {}", words::database(name)));
    let covers = match &waiver.covers {
        Covers::Subject(subject) => visible(subject),
        Covers::Fingerprint(fingerprint) => format!("fingerprint {}", visible(fingerprint)),
    };
    let compensating = waiver
        .compensating_control
        .as_ref()
        .map_or_else(|| "none was named".to_owned(), |text| visible(text));
    let dates = match waiver.issued {
        Some(issued) => format!("{issued} to {}", waiver.expires),
        None => format!("until {}", waiver.expires),
    };
    WaiverRow {
        result,
        check: result
            .check
            .map_or_else(|| visible(&waiver.check), str::to_owned),
        covers: format!("{covers}{place}"),
        facts: vec![
            ("reason", visible(&waiver.reason)),
            ("compensating control", compensating),
            ("owner", visible(&waiver.owner)),
            ("approver", visible(&waiver.approver)),
            ("in force", dates),
            (
                "written in",
                format!("policy file, line {}", waiver.places.entry.line),
            ),
        ],
    }
}
