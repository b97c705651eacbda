//! Findings by cause, with every subject.

use pgattest_model::ident::visible;
use pgattest_model::{Audit, Finding};

use super::{Anchors, Evidence, Rank};
use crate::view::{self, Group, words};

/// From this many subjects on, what they share is said once and the subjects become a compact list.
const MANY: usize = 4;

pub(super) struct Cause {
    pub(super) anchor: String,
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) criteria: String,
    pub(super) rank: Rank,
    pub(super) headline: String,
    pub(super) subjects: String,
    pub(super) detail: Option<String>,
    pub(super) remediation: Option<String>,
    pub(super) evidence: Option<Vec<Evidence>>,
    /// Whether a text above stands for many with `‹name›` in the subject's place.
    pub(super) named: bool,
    /// The database that every subject lives in; `None` when they differ.
    pub(super) place: Option<String>,
    /// Whether only name, database and fingerprint are left to say for each.
    pub(super) compact: bool,
    pub(super) rows: Vec<Row>,
}

pub(super) struct Row {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) database: Option<String>,
    pub(super) detail: String,
    pub(super) remediation: String,
    pub(super) evidence: Vec<Evidence>,
    pub(super) fingerprint: String,
}

pub(super) fn causes(audit: &Audit, anchors: &Anchors<'_>) -> Vec<Cause> {
    let groups = view::groups(audit);
    groups
        .iter()
        .enumerate()
        .map(|(index, group)| cause(index + 1, group, anchors))
        .collect()
}

fn cause(number: usize, group: &Group<'_>, anchors: &Anchors<'_>) -> Cause {
    let evidence = |finding: &Finding| {
        finding
            .observations
            .iter()
            .map(|id| anchors.evidence(id))
            .collect()
    };
    let detail = said_once(group, |finding| &finding.detail);
    let remediation = said_once(group, |finding| &finding.remediation);
    let shared = group.shared(|finding| &finding.observations);
    let place = group
        .shared(|finding| &finding.subject.database)
        .and_then(Option::as_deref)
        .map(words::database);
    let criteria: Vec<&str> = group
        .meta
        .criteria
        .iter()
        .map(|criterion| criterion.id())
        .collect();
    let named = [&detail, &remediation]
        .into_iter()
        .flatten()
        .any(|text| text.contains(view::NAME));
    Cause {
        anchor: format!("finding-{number}"),
        id: group.meta.id,
        title: group.meta.title,
        criteria: criteria.join(", "),
        rank: Rank::of(group.severity),
        headline: visible(group.cause),
        subjects: words::subjects(group.members.iter().map(|member| &member.finding.subject)),
        compact: detail.is_some()
            && remediation.is_some()
            && shared.is_some()
            && group.members.len() >= MANY,
        detail,
        remediation,
        place: place.clone(),
        evidence: shared.map(|ids| ids.iter().map(|id| anchors.evidence(id)).collect()),
        named,
        rows: group
            .members
            .iter()
            .map(|member| Row {
                kind: member.finding.subject.kind.as_str(),
                name: visible(&member.finding.subject.name),
                // Said once above the list.
                database: member
                    .finding
                    .subject
                    .database
                    .as_deref()
                    .filter(|_| place.is_none())
                    .map(words::database),
                detail: visible(&member.finding.detail),
                remediation: visible(&member.finding.remediation),
                evidence: evidence(member.finding),
                fingerprint: visible(member.fingerprint),
            })
            .collect(),
    }
}

/// The text of every member, where one text can stand for all of them.
fn said_once<'a>(group: &Group<'a>, of: impl Fn(&'a Finding) -> &'a str) -> Option<String> {
    let shared = group.shared(&of).map(str::to_owned);
    let pattern = || group.pattern(&of).filter(|_| group.members.len() >= MANY);
    shared.or_else(pattern).map(|text| visible(&text))
}
