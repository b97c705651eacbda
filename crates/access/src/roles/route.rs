//! How one role comes to the privileges of another when it may also grant itself roles.

use super::{Edge, RoleGraph, View};
use fixedbitset::FixedBitSet;
use pgattest_model::facts::{Oid, Role};
use pgattest_model::ident::{quote_ident, visible};
use std::fmt;

/// The steps from one role to another. Displays as `app -> deploy (SET ROLE) -> owner (inherits)`, each name quoted as SQL
/// would and free of invisible characters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// The role it begins with.
    pub member: String,
    /// None when the role is the target itself.
    pub steps: Vec<Step>,
}

/// One step of a route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// The role it leads to.
    pub role: Oid,
    /// That role's name, as the catalog has it.
    pub name: String,
    /// What makes it possible.
    pub how: How,
}

/// What makes a step possible.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum How {
    /// The membership gives the role's privileges without doing anything.
    Inherits,
    /// `SET ROLE`.
    SetRole,
    /// ADMIN OPTION: the role is granted to oneself, with whatever options it takes.
    AdminOption,
    /// CREATEROLE, before 16: the role is granted to oneself.
    CreateRole,
}

impl Route {
    /// What the first role has to be able to do.
    pub fn view(&self) -> View {
        self.steps
            .iter()
            .map(|step| match step.how {
                How::Inherits => View::InForce,
                How::SetRole => View::AfterSetRole,
                How::AdminOption | How::CreateRole => View::AfterGrantingItself,
            })
            .max()
            .unwrap_or(View::InForce)
    }

    /// The role it ends at, by name.
    pub fn end(&self) -> &str {
        self.steps.last().map_or(&self.member, |step| &step.name)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |name: &str| visible(&quote_ident(name));
        f.write_str(&shown(&self.member))?;
        for step in &self.steps {
            write!(f, " -> {} ({})", shown(&step.name), step.how)?;
        }
        Ok(())
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inherits => "inherits",
            Self::SetRole => "SET ROLE",
            Self::AdminOption => "grants itself, ADMIN OPTION",
            Self::CreateRole => "grants itself, CREATEROLE",
        })
    }
}

/// One role met on a walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit<'a> {
    /// The role.
    pub(crate) role: &'a Role,
    /// Whether a session can be this role; otherwise it only has its privileges.
    pub(crate) acting: bool,
    /// Its place in the walk, for [`Walk::route`].
    pub(crate) number: usize,
}

/// Every role one role comes to, nearest first.
pub(crate) struct Walk<'a> {
    graph: &'a RoleGraph,
    places: Vec<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    at: usize,
    acting: bool,
    came: Option<(usize, How)>,
}

impl<'a> Walk<'a> {
    pub(crate) fn visits(&self) -> impl Iterator<Item = Visit<'a>> {
        let roles = &self.graph.roles;
        self.places
            .iter()
            .enumerate()
            .filter_map(move |(number, place)| {
                Some(Visit {
                    role: roles.get(place.at)?,
                    acting: place.acting,
                    number,
                })
            })
    }

    /// How the walk came to a visit.
    pub(crate) fn route(&self, mut number: usize) -> Option<Route> {
        let mut steps = Vec::new();
        loop {
            let place = self.places.get(number)?;
            let role = self.graph.roles.get(place.at)?;
            let Some((before, how)) = place.came else {
                steps.reverse();
                let member = role.name.clone();
                return Some(Route { member, steps });
            };
            steps.push(Step {
                role: role.oid,
                name: role.name.clone(),
                how,
            });
            number = before;
        }
    }
}

impl RoleGraph {
    /// The route by which a member comes to a role's privileges in a view, or nothing when it does not. The narrowest view
    /// that has one is preferred, then the shortest, then the first by names.
    pub fn route(&self, view: View, member: Oid, target: Oid) -> Option<Route> {
        self.route_to_any(view, member, |role, _| role.oid == target)
    }

    /// The route to the nearest role that is wanted. `wanted` is told whether a session can be the role (true) or only has
    /// its privileges (false). Preferences as [`Self::route`].
    pub fn route_to_any(
        &self,
        view: View,
        member: Oid,
        wanted: impl Fn(&Role, bool) -> bool,
    ) -> Option<Route> {
        View::ALL
            .into_iter()
            .filter(|narrower| *narrower <= view)
            .find_map(|view| {
                let walk = self.walk(view, member)?;
                let visit = walk
                    .visits()
                    .find(|visit| wanted(visit.role, visit.acting))?;
                walk.route(visit.number)
            })
    }

    /// Goes everywhere a role can come to in a view; nothing when the role is unknown. Nobody needs to go further from a
    /// superuser it can be: it is the end of the walk.
    pub(crate) fn walk(&self, view: View, member: Oid) -> Option<Walk<'_>> {
        let start = self.position(member)?;
        let mut walk = Walk {
            graph: self,
            places: vec![Place {
                at: start,
                acting: true,
                came: None,
            }],
        };
        let mut seen = Seen::new(self.roles.len());
        seen.first(start, true);
        let mut number = 0;
        while let Some(&Place { at, acting, .. }) = walk.places.get(number) {
            let superuser = acting && self.roles.get(at).is_some_and(|role| role.superuser);
            if !superuser || number == 0 {
                for edge in self.groups_of(at) {
                    for (how, acting) in self.moves(view, edge, acting) {
                        walk.go(&mut seen, number, edge.to, how, acting);
                    }
                }
                let every = view == View::AfterGrantingItself && acting;
                if every && self.grants_every_role(at) && !seen.everyone {
                    seen.everyone = true;
                    for to in (0..self.roles.len()).filter(|to| self.may_be_granted(*to)) {
                        walk.go(&mut seen, number, to, How::CreateRole, true);
                    }
                }
            }
            number += 1;
        }
        Some(walk)
    }

    /// What an edge allows, and whether one can be the role afterwards.
    fn moves(&self, view: View, edge: &Edge, acting: bool) -> impl Iterator<Item = (How, bool)> {
        let inherits = edge.inherit.then_some((How::Inherits, false));
        let sets = edge.set && acting && view >= View::AfterSetRole;
        let grants =
            edge.admin && view >= View::AfterGrantingItself && self.may_be_granted(edge.to);
        inherits
            .into_iter()
            .chain(sets.then_some((How::SetRole, true)))
            .chain(grants.then_some((How::AdminOption, true)))
    }
}

impl Walk<'_> {
    fn go(&mut self, seen: &mut Seen, from: usize, to: usize, how: How, acting: bool) {
        if seen.first(to, acting) {
            self.places.push(Place {
                at: to,
                acting,
                came: Some((from, how)),
            });
        }
    }
}

struct Seen {
    acting: FixedBitSet,
    inheriting: FixedBitSet,
    everyone: bool,
}

impl Seen {
    fn new(roles: usize) -> Self {
        Self {
            acting: FixedBitSet::with_capacity(roles),
            inheriting: FixedBitSet::with_capacity(roles),
            everyone: false,
        }
    }

    fn first(&mut self, at: usize, acting: bool) -> bool {
        if acting {
            !self.acting.put(at)
        } else {
            !self.inheriting.put(at)
        }
    }
}
