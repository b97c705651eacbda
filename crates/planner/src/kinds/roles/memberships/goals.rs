//! What must not be reached: the findings about memberships, as questions to a graph.

use super::cut::Edge;
use crate::kinds::roles::people::{is_own, role_called};
use crate::kinds::roles::superuser::closed_paths;
use crate::planning::{Planning, Problem};
use pgattest_access::{Path, RoleGraph};
use pgattest_checks::roles::{ALL_DATA, MANAGED, MONITORING, WAYS_OUT};
use pgattest_model::Missing;
use pgattest_model::facts::{Oid, Role};
use std::collections::BTreeSet;

/// One finding.
pub(super) struct Goal<'a> {
    pub(super) problem: Problem<'a>,
    pub(super) login: Oid,
    pub(super) aim: Aim,
    /// Whether nothing is to be revoked for it: the plan is made with this login.
    pub(super) own: bool,
}

/// What one check looks for.
#[derive(Clone)]
pub(super) struct Aim {
    /// The cause of its findings, where the check has several.
    pub(super) cause: Option<String>,
    /// The roles at the end.
    pub(super) targets: BTreeSet<Oid>,
    /// Whether only becoming one of them counts, and not inheriting from it.
    pub(super) becoming: bool,
    /// Whether what superusers are members of leads nowhere.
    pub(super) beneath: bool,
}

/// The graph as it is, and without what superusers are members of.
pub(super) struct Graphs {
    pub(super) whole: RoleGraph,
    pub(super) beneath: RoleGraph,
}

impl Graphs {
    /// The graph that an aim is followed in.
    pub(super) fn of(&self, aim: &Aim) -> &RoleGraph {
        if aim.beneath {
            &self.beneath
        } else {
            &self.whole
        }
    }
}

const CHECKS: [&str; 5] = ["ROL-02", "ROL-03", "ROL-07", "ROL-12", "ROL-13"];

/// The findings of the checks of memberships, without those that are gone when a role is no superuser any more.
pub(super) fn of<'a>(planning: &Planning<'a>) -> Result<Vec<Goal<'a>>, Missing> {
    let roles = planning.context.facts.roles.here()?;
    let closed = closed_paths(planning)?;
    let mut goals = Vec::new();
    for check in CHECKS {
        for problem in planning.open(check) {
            if closed.contains_key(problem.fingerprint) {
                continue;
            }
            let Some(login) = role_called(roles.value, &problem.finding.subject.name) else {
                continue;
            };
            if let Some(aim) = Aim::of(planning, check, &problem.finding.cause)? {
                goals.push(Goal {
                    problem,
                    login: login.oid,
                    aim,
                    own: is_own(planning, login),
                });
            }
        }
    }
    Ok(goals)
}

/// Every aim of the checks, with the check: who is not reported keeps what it has.
pub(super) fn aims(planning: &Planning<'_>) -> Result<Vec<(&'static str, Aim)>, Missing> {
    let mut aims = Vec::new();
    for check in ["ROL-02", "ROL-07", "ROL-13"] {
        aims.extend(Aim::of(planning, check, "")?.map(|aim| (check, aim)));
    }
    for (check, list) in [("ROL-03", &WAYS_OUT[..]), ("ROL-12", &ALL_DATA[..])] {
        for (_, allows) in list {
            let aim = Aim::of(planning, check, &cause(allows))?;
            aims.extend(aim.map(|aim| (check, aim)));
        }
    }
    Ok(aims)
}

/// As ROL-03 and ROL-12 say which of their roles a finding is about.
fn cause(allows: &str) -> String {
    format!("login role can {allows} without approval")
}

impl Aim {
    fn of(planning: &Planning<'_>, check: &str, about: &str) -> Result<Option<Self>, Missing> {
        let graph = planning.context.role_graph()?;
        let those = |wanted: &dyn Fn(&Role) -> bool| -> BTreeSet<Oid> {
            graph
                .roles()
                .filter(|role| wanted(role))
                .map(|role| role.oid)
                .collect()
        };
        let predefined = |list: &[(&str, &str)]| {
            let named: Vec<&str> = list
                .iter()
                .filter(|(_, allows)| cause(allows) == about)
                .map(|(name, _)| *name)
                .collect();
            those(&|role| named.contains(&role.name.as_str()))
        };
        let approved = planning.context.policy.access.bypass_rls.as_ref();
        let is_approved = |role: &Role| approved.is_some_and(|names| names.contains(&role.name));
        let (targets, becoming, beneath) = match check {
            "ROL-02" => (
                those(&|role| role.superuser || MANAGED.contains(&role.name.as_str())),
                false,
                false,
            ),
            "ROL-03" => (predefined(&WAYS_OUT), false, false),
            "ROL-07" => (
                those(&|role| role.superuser || (role.bypass_rls && !is_approved(role))),
                true,
                false,
            ),
            "ROL-12" => (predefined(&ALL_DATA), false, true),
            "ROL-13" => (
                those(&|role| MONITORING.iter().any(|(name, _)| *name == role.name)),
                false,
                true,
            ),
            _ => return Ok(None),
        };
        Ok((!targets.is_empty()).then(|| Self {
            cause: matches!(check, "ROL-03" | "ROL-12").then(|| about.to_owned()),
            targets,
            becoming,
            beneath,
        }))
    }

    /// A way from a login to one of the targets.
    pub(super) fn way(&self, graphs: &Graphs, login: Oid) -> Option<Path> {
        let graph = graphs.of(self);
        let wanted = |role: &Role| self.targets.contains(&role.oid);
        if self.becoming {
            graph.set_role_path_to_any(login, wanted)
        } else {
            graph.path_to_any(login, wanted)
        }
    }

    /// The targets that a login reaches.
    pub(super) fn reached(&self, graphs: &Graphs, login: Oid) -> BTreeSet<Oid> {
        let graph = graphs.of(self);
        let set = if self.becoming {
            graph.can_set_role_to(login)
        } else {
            graph.reaches(login)
        };
        set.oids()
            .filter(|oid| *oid != login && self.targets.contains(oid))
            .collect()
    }
}

impl Goal<'_> {
    /// Those of the memberships that are on a way of this one.
    pub(super) fn relevant(&self, graph: &RoleGraph, edges: &BTreeSet<Edge>) -> BTreeSet<Edge> {
        let from = graph.member_of(self.login);
        edges
            .iter()
            .filter(|(member, role)| {
                let to = graph.member_of(*role);
                from.contains(*member) && self.aim.targets.iter().any(|target| to.contains(*target))
            })
            .copied()
            .collect()
    }
}
