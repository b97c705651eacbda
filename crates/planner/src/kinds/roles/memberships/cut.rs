//! Which memberships to revoke.

use super::goals::{Aim, Goal, Graphs, aims};
use crate::kinds::roles::people::{is_own, role_called};
use crate::planning::Planning;
use pgattest_access::{Path, RoleGraph};
use pgattest_checks::roles::{MANAGED, belongs_to_provider};
use pgattest_model::facts::{Membership, Oid};
use pgattest_model::{CheckResult, Missing};
use std::collections::BTreeSet;

/// A member and the role it is a member of.
pub(super) type Edge = (Oid, Oid);

/// What was chosen.
#[derive(Default)]
pub(super) struct Cut {
    /// Memberships to revoke, of every grantor.
    pub(super) edges: BTreeSet<Edge>,
    /// Goals, by number, that nothing closes without hurting somebody.
    pub(super) unreached: BTreeSet<usize>,
}

/// Chooses: see the module above.
pub(super) fn choose(planning: &Planning<'_>, goals: &[Goal<'_>]) -> Result<Cut, Missing> {
    let mut cut = Cut::default();
    if goals.is_empty() {
        return Ok(cut);
    }
    let search = Search::new(planning)?;
    let mut graphs = search.graphs(&cut.edges)?;
    for (at, goal) in goals.iter().enumerate() {
        let before = cut.edges.clone();
        while let Some(way) = goal.aim.way(&graphs, goal.login) {
            let edge = if goal.own {
                None
            } else {
                search.last_that_may_go(&way, goal.login, &cut.edges)?
            };
            let Some(edge) = edge else {
                cut.unreached.insert(at);
                cut.edges = before;
                graphs = search.graphs(&cut.edges)?;
                break;
            };
            cut.edges.insert(edge);
            graphs = search.graphs(&cut.edges)?;
        }
    }
    for edge in cut.edges.clone() {
        let mut fewer = cut.edges.clone();
        fewer.remove(&edge);
        let graphs = search.graphs(&fewer)?;
        let still = goals.iter().enumerate().all(|(at, goal)| {
            cut.unreached.contains(&at) || goal.aim.way(&graphs, goal.login).is_none()
        });
        if still {
            cut.edges = fewer;
        }
    }
    Ok(cut)
}

struct Search<'p, 'a> {
    planning: &'p Planning<'a>,
    /// What must stay: a login, and the targets that it reaches and may.
    kept: Vec<(Oid, Aim, BTreeSet<Oid>)>,
}

impl<'p, 'a> Search<'p, 'a> {
    fn new(planning: &'p Planning<'a>) -> Result<Self, Missing> {
        let mut search = Self {
            planning,
            kept: Vec::new(),
        };
        let graphs = search.graphs(&BTreeSet::new())?;
        for (check, aim) in aims(planning)? {
            // What a waiver accepts stays.
            let reported = reported(planning, check, aim.cause.as_deref())?;
            let mut holders = BTreeSet::new();
            for target in &aim.targets {
                let graph = graphs.of(&aim);
                let those = if aim.becoming {
                    graph.can_become(*target)
                } else {
                    graph.holders(*target)
                };
                holders.extend(
                    those
                        .into_iter()
                        .filter(|login| !login.superuser)
                        .map(|login| login.oid),
                );
            }
            for login in holders.difference(&reported) {
                let reached = aim.reached(&graphs, *login);
                search.kept.push((*login, aim.clone(), reached));
            }
        }
        Ok(search)
    }

    fn graphs(&self, cut: &BTreeSet<Edge>) -> Result<Graphs, Missing> {
        let context = &self.planning.context;
        let roles = context.facts.roles.here()?;
        let version = context.version()?;
        let whole: Vec<Membership> = context
            .facts
            .memberships
            .here()?
            .iter()
            .filter(|row| !cut.contains(&(row.member, row.role)))
            .cloned()
            .collect();
        // As the checks of predefined roles see it.
        let is_beneath = |row: &&Membership| {
            context.role(row.member).is_none_or(|member| {
                let substitute = MANAGED.contains(&member.name.as_str());
                !(member.superuser || substitute && belongs_to_provider(context, member))
            })
        };
        let beneath: Vec<Membership> = whole.iter().filter(is_beneath).cloned().collect();
        Ok(Graphs {
            whole: RoleGraph::new(roles.value, &whole, version),
            beneath: RoleGraph::new(roles.value, &beneath, version),
        })
    }

    /// The last membership of a way that nobody else needs.
    fn last_that_may_go(
        &self,
        way: &Path,
        login: Oid,
        cut: &BTreeSet<Edge>,
    ) -> Result<Option<Edge>, Missing> {
        let roles: Vec<Oid> = std::iter::once(login)
            .chain(way.hops.iter().map(|hop| hop.role))
            .collect();
        for edge in roles.windows(2).rev() {
            let [member, role] = edge else { continue };
            let edge = (*member, *role);
            if self.is_ours(edge) {
                let mut more = cut.clone();
                more.insert(edge);
                let graphs = self.graphs(&more)?;
                let stays = |(login, aim, before): &(Oid, Aim, BTreeSet<Oid>)| {
                    aim.reached(&graphs, *login) == *before
                };
                if self.kept.iter().all(stays) {
                    return Ok(Some(edge));
                }
            }
        }
        Ok(None)
    }

    /// What the server and a provider gave their own roles is theirs.
    fn is_ours(&self, (member, _): Edge) -> bool {
        let context = &self.planning.context;
        context
            .role(member)
            .is_some_and(|member| !member.is_predefined() && !belongs_to_provider(context, member))
    }
}

/// The logins that a check reports, whether or not this plan is to close it, but for the one that the plan is made with.
fn reported(
    planning: &Planning<'_>,
    check: &str,
    cause: Option<&str>,
) -> Result<BTreeSet<Oid>, Missing> {
    let roles = planning.context.facts.roles.here()?;
    let results = planning.assessment.checks.iter();
    Ok(results
        .filter(|result| result.meta.id == check)
        .flat_map(CheckResult::with_waivers)
        .filter(|(finding, waiver)| {
            waiver.is_none() && cause.is_none_or(|cause| finding.cause == cause)
        })
        .filter_map(|(finding, _)| role_called(roles.value, &finding.subject.name))
        .filter(|login| !is_own(planning, login))
        .map(|login| login.oid)
        .collect())
}
