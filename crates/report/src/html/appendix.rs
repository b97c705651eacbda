//! What stands behind the findings: every check with its population, what was not visible, and every observation.

use std::collections::BTreeSet;

use pgattest_model::ident::visible;
use pgattest_model::{Audit, Outcome, Status};

use super::overview::population;
use super::{Anchors, Badge, Evidence, anchor, lines};
use crate::markdown;
use crate::view::{self, words};

pub(super) struct CheckLine {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) badge: Badge,
    pub(super) tested: String,
    pub(super) findings: String,
    pub(super) reason: String,
    /// Parts that were not seen: why, and the statement that would open it.
    pub(super) unseen: Vec<(String, Option<String>)>,
}

pub(super) struct GapLine {
    pub(super) whys: Vec<String>,
    pub(super) grant: Option<String>,
    pub(super) wanted_by: String,
    pub(super) evidence: Vec<Evidence>,
}

pub(super) struct ObservationLine {
    /// `None` for the second of two with one identifier: an anchor is there once.
    pub(super) anchor: Option<String>,
    pub(super) id: String,
    pub(super) failed: bool,
    pub(super) result: String,
    pub(super) opens: Option<String>,
    pub(super) file: Option<String>,
    pub(super) database: String,
    pub(super) role: String,
    pub(super) asked_at: String,
    pub(super) ours: String,
    pub(super) servers: String,
    pub(super) query: String,
}

pub(super) struct CheckPage {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) badge: Badge,
    pub(super) severity: &'static str,
    pub(super) criteria: String,
    pub(super) responsibility: &'static str,
    /// Rendered HTML.
    pub(super) docs: String,
}

/// The checks whose status is wanted, in the registry's order.
pub(super) fn checks(audit: &Audit, wanted: impl Fn(Status) -> bool) -> Vec<CheckLine> {
    audit
        .assessment
        .checks
        .iter()
        .filter(|result| wanted(result.status()))
        .map(|result| CheckLine {
            id: result.meta.id,
            title: result.meta.title,
            badge: result.status().into(),
            tested: population(result),
            findings: match result.accepted().count() {
                0 => words::thousands(result.open().count()),
                waived => format!(
                    "{}, {} waived",
                    words::thousands(result.open().count()),
                    words::thousands(waived)
                ),
            },
            reason: visible(&view::reason(result).unwrap_or_default()),
            unseen: result
                .verdict
                .unseen()
                .iter()
                .map(|missing| (visible(&missing.why), missing.grant.as_deref().map(visible)))
                .collect(),
        })
        .collect()
}

pub(super) fn gaps(audit: &Audit, anchors: &Anchors<'_>) -> Vec<GapLine> {
    view::gaps(audit)
        .iter()
        .map(|gap| GapLine {
            whys: gap.whys.iter().map(|why| visible(why)).collect(),
            grant: gap.grant.map(visible),
            wanted_by: if gap.wanted_by.is_empty() {
                "no check yet".to_owned()
            } else {
                gap.wanted_by.join(", ")
            },
            evidence: gap
                .observations
                .iter()
                .map(|id| anchors.evidence(id))
                .collect(),
        })
        .collect()
}

pub(super) fn observations(audit: &Audit) -> Vec<ObservationLine> {
    let mut sorted: Vec<&pgattest_model::Observation> = audit.observations.iter().collect();
    sorted.sort_by(|a, b| (&a.id, &a.started_at).cmp(&(&b.id, &b.started_at)));
    let mut seen = BTreeSet::new();
    sorted
        .into_iter()
        .map(|observation| line(observation, seen.insert(&observation.id)))
        .collect()
}

fn line(observation: &pgattest_model::Observation, first: bool) -> ObservationLine {
    let clock = |from: &str, to: &str| match (from, to) {
        ("", "") => "not said by the server".to_owned(),
        _ => format!("{} to {}", visible(from), visible(to)),
    };
    let (failed, result, opens) = match &observation.outcome {
        Outcome::Rows { csv, rows } => {
            let rows = usize::try_from(*rows).unwrap_or(usize::MAX);
            (
                false,
                format!(
                    "{}, {}",
                    words::count(rows, "row"),
                    words::count(csv.len(), "byte")
                ),
                None,
            )
        }
        Outcome::Failed {
            sqlstate,
            message,
            opens,
        } => {
            let code = if sqlstate.is_empty() {
                String::new()
            } else {
                format!("{} ", visible(sqlstate))
            };
            (
                true,
                format!("could not be read: {code}{}", visible(message)),
                opens.as_deref().map(visible),
            )
        }
    };
    ObservationLine {
        anchor: first.then(|| anchor(&observation.id)),
        id: observation.id.to_string(),
        failed,
        result,
        opens,
        file: (!failed).then(|| format!("observations/{}.csv", observation.id)),
        database: words::database(&observation.database),
        role: visible(&observation.role),
        asked_at: visible(&observation.asked_at),
        ours: clock(&observation.started_at, &observation.finished_at),
        servers: clock(
            &observation.server_started_at,
            &observation.server_finished_at,
        ),
        query: lines(&observation.query),
    }
}

pub(super) fn pages(audit: &Audit) -> Vec<CheckPage> {
    audit
        .assessment
        .checks
        .iter()
        .map(|result| {
            let criteria: Vec<&str> = result
                .meta
                .criteria
                .iter()
                .map(|criterion| criterion.id())
                .collect();
            CheckPage {
                id: result.meta.id,
                title: result.meta.title,
                badge: result.status().into(),
                severity: result.meta.severity.as_str(),
                criteria: criteria.join(", "),
                responsibility: crate::explain::responsibility(result.meta),
                docs: markdown::to_html(&markdown::blocks(result.meta.docs), 3),
            }
        })
        .collect()
}
