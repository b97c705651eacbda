//! Roles keep their privileges, and no longer pass them on.

use super::place::Place;
use super::proposal::{Proposal, drafts};
use super::public::in_database;
use super::taking::Take;
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_model::Missing;
use pgattest_model::facts::{AclClass, Oid, PUBLIC};
use pgattest_model::ident::visible;
use pgattest_model::plan::{Impact, ImpactKind, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// `REVOKE GRANT OPTION FOR .. FROM role`. Where the role passed something on, it is left to a person: CASCADE would take that from
/// those who use it.
#[derive(Clone, Copy, Debug)]
pub struct GrantOptions;

impl Kind for GrantOptions {
    fn name(&self) -> &'static str {
        "grant-options"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["GRN-08"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let mut all = Vec::new();
        let mut shared: BTreeMap<String, Vec<Problem<'_>>> = BTreeMap::new();
        for problem in planning.open("GRN-08") {
            let subject = &problem.finding.subject;
            if subject.database.is_none() {
                let name = subject.name.clone();
                shared.entry(name).or_default().push(problem);
            }
        }
        if !shared.is_empty() {
            let place = Place::shared(planning)?;
            let proposals = proposals(planning, &place, &shared, Stage::Powers);
            all.extend(drafts(planning, &place, proposals));
        }
        for database in &planning.context.facts.inside {
            let problems = in_database(planning, "GRN-08", database);
            if problems.is_empty() {
                continue;
            }
            let place = Place::inside(planning, database)?;
            let proposals = proposals(planning, &place, &problems, Stage::Revokes);
            all.extend(drafts(planning, &place, proposals));
        }
        Ok(all)
    }
}

fn proposals<'a>(
    planning: &Planning<'_>,
    place: &Place<'a>,
    problems: &BTreeMap<String, Vec<Problem<'_>>>,
    stage: Stage,
) -> Vec<Proposal<'a>> {
    let mut takes: BTreeMap<Oid, Vec<Take<'a>>> = BTreeMap::new();
    for acl in place.rows() {
        // The database's own privileges are the cluster's.
        let is_elsewhere = place.database.is_some() && acl.class == AclClass::Database;
        let is_candidate =
            acl.grantee != PUBLIC && acl.grantee != acl.grantor && acl.grantee != acl.owner;
        if is_elsewhere || !is_candidate {
            continue;
        }
        if let Some(take) = Take::options(acl) {
            takes.entry(acl.grantee).or_default().push(take);
        }
    }
    takes
        .into_iter()
        .filter_map(|(grantee, takes)| {
            let name = planning.context.role_name(grantee);
            let problems = problems.get(&name)?;
            let privileges: BTreeSet<&str> = takes
                .iter()
                .flat_map(|take| take.privileges.iter().copied())
                .collect();
            let privileges: Vec<&str> = privileges.into_iter().collect();
            let objects = takes.len();
            let mut proposal = Proposal::new(
                format!("take the grant options of role {}", visible(&name)),
                stage,
                takes,
            )
            .approval()
            .closing(problems.iter().map(Problem::closes));
            proposal.impact.push(Impact {
                kind: ImpactKind::RightLost,
                detail: format!(
                    "role {name} can no longer pass on {} on {objects} objects and columns; it keeps the privileges, and passed none of these on that is still in force",
                    privileges.join(", ")
                ),
                subject: name,
                observations: vec![place.from.clone()],
            });
            Some(proposal)
        })
        .collect()
}
