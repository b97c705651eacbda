//! How one role comes to act as another: the memberships in between.

use super::{Edge, RoleGraph};
use pgattest_model::facts::{Oid, Role};
use pgattest_model::ident::{quote_ident, visible};
use std::collections::VecDeque;
use std::fmt;

/// The memberships from one role to another. Displays as `app -> deploy (inherits) -> admin (SET ROLE)`, each name quoted as
/// SQL would and free of invisible characters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Path {
    /// The role it begins with.
    pub member: String,
    /// One for each membership; none when the role is the target itself.
    pub hops: Vec<Hop>,
}

/// One membership of a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hop {
    /// The group.
    pub role: Oid,
    /// The group's name, as the catalog has it.
    pub name: String,
    /// Whether the membership gives the group's privileges without `SET ROLE`.
    pub inherited: bool,
}

impl Path {
    /// Whether the member must issue `SET ROLE` to act as the target.
    pub fn needs_set_role(&self) -> bool {
        self.hops.iter().any(|hop| !hop.inherited)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |name: &str| visible(&quote_ident(name));
        f.write_str(&shown(&self.member))?;
        for hop in &self.hops {
            let how = if hop.inherited {
                "inherits"
            } else {
                "SET ROLE"
            };
            write!(f, " -> {} ({how})", shown(&hop.name))?;
        }
        Ok(())
    }
}

/// Where a search stands: still choosing whom to become, or using what that role inherits. There is no way back: see
/// [`RoleGraph::reaches`].
#[derive(Clone, Copy, Eq, PartialEq)]
enum Phase {
    Setting,
    Inheriting,
}

impl RoleGraph {
    /// The path by which a member reaches a role, or nothing when it does not ([`RoleGraph::reaches`]).
    ///
    /// A path that needs no `SET ROLE` is preferred to one that does; then the shortest; then the first by names.
    pub fn path(&self, member: Oid, target: Oid) -> Option<Path> {
        let target = self.position(target)?;
        self.search(member, |at| at == target)
    }

    /// The path to the nearest role that is wanted; the member itself is not considered. Preferences as [`Self::path`].
    pub fn path_to_any(&self, member: Oid, wanted: impl Fn(&Role) -> bool) -> Option<Path> {
        self.search(member, |at| {
            self.roles
                .get(at)
                .is_some_and(|role| role.oid != member && wanted(role))
        })
    }

    /// The path by which a member becomes a role, `SET ROLE` at every membership ([`RoleGraph::can_set_role_to`]), or nothing
    /// when it cannot. What a role is (SUPERUSER, BYPASSRLS), rather than what it was granted, is had in no other way. The
    /// shortest, then the first by names.
    pub fn set_role_path(&self, member: Oid, target: Oid) -> Option<Path> {
        let target = self.position(target)?;
        self.becoming(self.position(member)?, |at| at == target)
    }

    /// As [`Self::set_role_path`], to the nearest role that is wanted; the member itself is not considered.
    pub fn set_role_path_to_any(
        &self,
        member: Oid,
        wanted: impl Fn(&Role) -> bool,
    ) -> Option<Path> {
        self.becoming(self.position(member)?, |at| {
            self.roles
                .get(at)
                .is_some_and(|role| role.oid != member && wanted(role))
        })
    }

    fn becoming(&self, start: usize, found: impl Fn(usize) -> bool) -> Option<Path> {
        let usable = |edge: &Edge| {
            edge.set.then_some(Edge {
                inherit: false,
                ..*edge
            })
        };
        self.shortest(start, Phase::Setting, &found, usable)
    }

    fn search(&self, member: Oid, found: impl Fn(usize) -> bool) -> Option<Path> {
        let start = self.position(member)?;
        let whole = |edge: &Edge| Some(*edge);
        self.shortest(start, Phase::Inheriting, &found, whole)
            .or_else(|| self.shortest(start, Phase::Setting, &found, whole))
    }

    fn shortest(
        &self,
        start: usize,
        phase: Phase,
        found: impl Fn(usize) -> bool,
        usable: impl Fn(&Edge) -> Option<Edge>,
    ) -> Option<Path> {
        let mut visits = vec![Visit {
            at: start,
            phase,
            came: None,
        }];
        let mut seen = [vec![false; self.roles.len()], vec![false; self.roles.len()]];
        let mut queue = VecDeque::from([0]);
        while let Some(number) = queue.pop_front() {
            let &Visit { at, phase, .. } = visits.get(number)?;
            if found(at) {
                return self.walked(&visits, number);
            }
            for edge in self.groups_of(at).iter().filter_map(&usable) {
                let inheriting = edge.inherit.then_some(Phase::Inheriting);
                let setting = (edge.set && phase == Phase::Setting).then_some(Phase::Setting);
                for phase in inheriting.into_iter().chain(setting) {
                    let first = seen
                        .get_mut(phase as usize)
                        .and_then(|seen| seen.get_mut(edge.to));
                    if first.is_some_and(|seen| !std::mem::replace(seen, true)) {
                        queue.push_back(visits.len());
                        visits.push(Visit {
                            at: edge.to,
                            phase,
                            came: Some((number, edge)),
                        });
                    }
                }
            }
        }
        None
    }

    fn walked(&self, visits: &[Visit], mut number: usize) -> Option<Path> {
        let mut hops = Vec::new();
        loop {
            let visit = visits.get(number)?;
            let role = self.roles.get(visit.at)?;
            let Some((before, edge)) = visit.came else {
                hops.reverse();
                return Some(Path {
                    member: role.name.clone(),
                    hops,
                });
            };
            hops.push(Hop {
                role: role.oid,
                name: role.name.clone(),
                inherited: edge.inherit,
            });
            number = before;
        }
    }
}

/// One role reached by a search, and from which visit.
struct Visit {
    at: usize,
    phase: Phase,
    came: Option<(usize, Edge)>,
}
