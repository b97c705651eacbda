//! Ways from a role to superuser, or to what is as good.
//!
//! A way is a [route](crate::Route) over memberships (inheriting, `SET ROLE`, granting oneself a role by ADMIN OPTION or, before
//! 16, by CREATEROLE) to a role that has a [power](Power). Tests walk them on real servers of every major, but for functions of
//! extensions, logical slots, and most parameters; docs/closures.md has the list.
//!
//! Not known here, because the facts do not show it, and so never a reason to call a cluster safe: what functions do (a
//! superuser's SECURITY DEFINER function may run any text it is given); functions inside views, policies, defaults, indexes and
//! rules that a superuser's session evaluates; names that a superuser's session finds in a schema somebody else writes to; a
//! table on which an ordinary role put a trigger and to which a superuser writes; password verifiers that somebody may read;
//! jobs of schedulers; user mappings and loopback connections of foreign servers; extensions that a cloud provider allows; and
//! whether CONNECT, USAGE on a schema and `pg_hba.conf` let the role come so far.

mod find;
mod known;
mod power;
#[cfg(test)]
mod tests;

pub use power::{Caller, Grade, Power};

use crate::roles::{RoleGraph, Route, View};
use find::{Found, Held, find};
use pgattest_model::Missing;
use pgattest_model::facts::{Facts, Oid, Role};
use std::collections::BTreeMap;
use std::fmt;

/// One way. Displays as `app -> deploy (SET ROLE) -> boss (SET ROLE): is a superuser`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Way {
    /// How far it leads.
    pub grade: Grade,
    /// How the role comes to whoever has the power.
    pub route: Route,
    /// What is had there.
    pub power: Power,
    /// What else it takes, as a clause; empty when nothing more is needed.
    pub when: &'static str,
}

/// The ways of one cluster.
#[derive(Debug)]
pub struct Escalation {
    graph: RoleGraph,
    found: Found,
}

impl Escalation {
    /// Looks through the facts once. Fails when roles, memberships, databases or the version are missing; what is missing
    /// inside one database is listed by [`Self::not_seen`].
    pub fn new(facts: &Facts) -> Result<Self, Missing> {
        let graph = RoleGraph::new(
            facts.roles.here()?.value,
            facts.memberships.here()?.value,
            facts.version()?,
        );
        let found = find(facts, &graph)?;
        Ok(Self { graph, found })
    }

    /// What could not be looked at. While it is not empty, there may be more ways.
    pub fn not_seen(&self) -> &[Missing] {
        &self.found.not_seen
    }

    /// The roles, without the databases' implicit memberships.
    pub const fn graph(&self) -> &RoleGraph {
        &self.graph
    }

    /// Every login role that has a way, with its ways, in the order of names.
    pub fn logins(&self) -> impl Iterator<Item = (&Role, Vec<Way>)> {
        self.graph
            .logins()
            .map(|role| (role, self.ways(role.oid)))
            .filter(|(_, ways)| !ways.is_empty())
    }

    /// Every known way of a role, one for each power, by the route that needs least. The worst come first, among them those
    /// that need nothing else, then the shortest. None for an unknown role. A superuser has one, without a step.
    pub fn ways(&self, role: Oid) -> Vec<Way> {
        let Some(start) = self.graph.role(role) else {
            return Vec::new();
        };
        if start.superuser {
            let route = self.graph.route(View::InForce, role, role);
            return route
                .map(|route| way(&superuser(), route))
                .into_iter()
                .collect();
        }
        let mut found: BTreeMap<(Oid, Held), Route> = BTreeMap::new();
        for view in View::ALL {
            let Some(walk) = self.graph.walk(view, role) else {
                continue;
            };
            for visit in walk.visits() {
                for held in self.powers(visit.role, visit.acting, start) {
                    let key = (visit.role.oid, held);
                    if !found.contains_key(&key)
                        && let Some(route) = walk.route(visit.number)
                    {
                        found.insert(key, route);
                    }
                }
            }
        }
        let mut ways: Vec<Way> = found
            .into_iter()
            .map(|((_, held), route)| way(&held, route))
            .collect();
        if let Some(route) = self.graph.route(View::InForce, role, role) {
            ways.extend(self.found.public().map(|held| way(held, route.clone())));
        }
        ways.sort_by(|a, b| a.order().cmp(&b.order()));
        ways
    }

    /// What a role on the way has, being it or only having its privileges.
    fn powers(&self, role: &Role, acting: bool, start: &Role) -> Vec<Held> {
        let major = self.graph.version().major();
        let mut powers: Vec<Held> = Vec::new();
        if role.superuser {
            powers.extend(if acting {
                Some(superuser())
            } else {
                self.owner(role)
            });
            return powers;
        }
        if role.is_predefined() {
            let known = known::ROLES
                .iter()
                .filter(|(name, since, _)| *name == role.name && *since <= major);
            powers.extend(known.map(|(name, _, grade)| Held {
                grade: *grade,
                power: Power::Role(name),
                when: "",
            }));
        }
        if role.replication && acting {
            let logical_only = role.oid != start.oid || !role.can_login;
            powers.push(Held {
                grade: Grade::ReadsEverything,
                power: Power::Replication { logical_only },
                when: if logical_only {
                    "wal_level is logical"
                } else {
                    "pg_hba.conf lets it make replication connections"
                },
            });
        }
        powers.extend(
            self.found
                .held
                .get(&role.oid)
                .into_iter()
                .flatten()
                .cloned(),
        );
        powers
    }

    /// What inheriting from a superuser gives: being the owner of what it owns.
    fn owner(&self, superuser: &Role) -> Option<Held> {
        let owns = self.found.owns.get(&superuser.oid);
        let bootstrap = superuser.oid == Role::BOOTSTRAP;
        if !bootstrap && owns.is_none() {
            return None;
        }
        Some(Held {
            grade: Grade::Superuser,
            power: Power::Owner {
                superuser: superuser.oid,
                owns: owns.filter(|_| !bootstrap).cloned(),
            },
            when: if bootstrap {
                ""
            } else {
                "it may create objects in the schema, or a superuser uses the object"
            },
        })
    }
}

impl Way {
    fn order(&self) -> impl Ord + '_ {
        (
            self.grade,
            !self.when.is_empty(),
            self.route.view(),
            self.route.steps.len(),
            &self.power,
            self.route.end(),
        )
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.route, self.power)?;
        if !self.when.is_empty() {
            write!(f, ", when {}", self.when)?;
        }
        Ok(())
    }
}

const fn superuser() -> Held {
    Held {
        grade: Grade::Superuser,
        power: Power::Superuser,
        when: "",
    }
}

fn way(held: &Held, route: Route) -> Way {
    Way {
        grade: held.grade,
        route,
        power: held.power.clone(),
        when: held.when,
    }
}
