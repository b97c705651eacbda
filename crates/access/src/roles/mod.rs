//! Who is a member of what, and what that gives them.
//!
//! A membership gives up to three things, and the closures are kept apart because the server keeps them apart: privileges
//! without doing anything (`inherit_option`), the right to `SET ROLE` (`set_option`), and the right to grant the role on
//! (`admin_option`). Before PostgreSQL 16 the first is the member's `INHERIT` attribute and the second is always given.

mod closure;
mod path;
mod route;
mod set;
#[cfg(test)]
mod tests;
mod view;

pub use path::{Hop, Path};
pub use route::{How, Route, Step};
pub use set::RoleSet;
pub(crate) use view::Reach;
pub use view::View;

use pgattest_model::ServerVersion;
use pgattest_model::facts::{Membership, Oid, Role};
use std::collections::{BTreeMap, BTreeSet};

/// Name of the role whose only member is the owner of the current database (14 and later).
const DATABASE_OWNER: &str = "pg_database_owner";

/// The first version in which each grant of membership carries its own INHERIT and SET options, and in which CREATEROLE no
/// longer lets its holder grant every role.
const OPTIONS_PER_GRANT: u32 = 16;

/// The roles of one cluster and the memberships between them.
///
/// Roles are held in the order of their names, so that everything it lists is in that order. Closures are computed when asked
/// for, each in time proportional to the memberships.
#[derive(Clone, Debug)]
pub struct RoleGraph {
    version: ServerVersion,
    roles: Vec<Role>,
    by_oid: BTreeMap<Oid, usize>,
    by_name: BTreeMap<String, usize>,
    /// For each member, the groups it is in.
    groups: Vec<Vec<Edge>>,
    /// For each group, its members.
    members: Vec<Vec<Edge>>,
    unknown: BTreeSet<Oid>,
}

/// All grants of one group to one member: an option counts when any of the grants has it, as the server counts.
#[derive(Clone, Copy, Debug)]
struct Edge {
    /// The role at the other end, by position.
    to: usize,
    inherit: bool,
    set: bool,
    admin: bool,
}

impl RoleGraph {
    /// Builds the graph. Memberships that name a role which is not among `roles` are left out and listed by [`Self::unknown`].
    pub fn new(roles: &[Role], memberships: &[Membership], version: ServerVersion) -> Self {
        let mut roles = roles.to_vec();
        roles.sort_by(|a, b| (&a.name, a.oid).cmp(&(&b.name, b.oid)));
        let by_oid: BTreeMap<_, _> = roles
            .iter()
            .enumerate()
            .map(|(at, role)| (role.oid, at))
            .collect();
        let by_name = roles
            .iter()
            .enumerate()
            .map(|(at, role)| (role.name.clone(), at))
            .collect();

        let mut unknown = BTreeSet::new();
        let mut merged: BTreeMap<(usize, usize), Edge> = BTreeMap::new();
        for membership in memberships {
            let ends = (by_oid.get(&membership.member), by_oid.get(&membership.role));
            let (Some(&member), Some(&group)) = ends else {
                unknown.extend(
                    [membership.member, membership.role]
                        .into_iter()
                        .filter(|oid| !by_oid.contains_key(oid)),
                );
                continue;
            };
            let edge = merged.entry((member, group)).or_insert(Edge {
                to: group,
                inherit: false,
                set: false,
                admin: false,
            });
            edge.inherit |= membership.inherit_option;
            edge.set |= membership.set_option;
            edge.admin |= membership.admin_option;
        }

        let mut graph = Self {
            version,
            groups: vec![Vec::new(); roles.len()],
            members: vec![Vec::new(); roles.len()],
            roles,
            by_oid,
            by_name,
            unknown,
        };
        for ((member, group), edge) in merged {
            graph.connect(member, group, edge);
        }
        graph
    }

    /// The same graph as seen from inside a database with this owner: there, the owner is a member of `pg_database_owner`
    /// without anybody having granted it, without ADMIN OPTION. (Before 16 an owner with NOINHERIT must `SET ROLE` to use it;
    /// before 14 the role does not exist and nothing changes.)
    #[must_use]
    pub fn within_database(&self, owner: Oid) -> Self {
        let mut graph = self.clone();
        let ends = (
            self.position(owner),
            self.by_name.get(DATABASE_OWNER).copied(),
        );
        if let (Some(member), Some(group)) = ends {
            let inherit = self.version.major() >= OPTIONS_PER_GRANT
                || self.role(owner).is_some_and(|owner| owner.inherit);
            graph.connect(
                member,
                group,
                Edge {
                    to: group,
                    inherit,
                    set: true,
                    admin: false,
                },
            );
        }
        graph
    }

    /// The version whose rules apply.
    pub const fn version(&self) -> ServerVersion {
        self.version
    }

    /// Every role, in the order of names.
    pub fn roles(&self) -> impl ExactSizeIterator<Item = &Role> {
        self.roles.iter()
    }

    /// Roles that can log in, in the order of names.
    pub fn logins(&self) -> impl Iterator<Item = &Role> {
        self.roles.iter().filter(|role| role.can_login)
    }

    /// The role with this identifier.
    pub fn role(&self, oid: Oid) -> Option<&Role> {
        self.position(oid).and_then(|at| self.roles.get(at))
    }

    /// The role with this name.
    pub fn named(&self, name: &str) -> Option<&Role> {
        self.by_name.get(name).and_then(|&at| self.roles.get(at))
    }

    /// The role's name, as the catalog has it: hostile, quote it before it becomes SQL.
    pub fn name(&self, oid: Oid) -> Option<&str> {
        self.role(oid).map(|role| role.name.as_str())
    }

    /// Identifiers that memberships name and `roles` does not have: roles dropped while the collection ran, or hidden. When
    /// it is not empty, answers about the graph are incomplete.
    pub const fn unknown(&self) -> &BTreeSet<Oid> {
        &self.unknown
    }

    /// Whether the role is a superuser itself. A superuser has every privilege and can `SET ROLE` to every role, whatever
    /// the closures say: they list only what memberships give.
    pub fn is_superuser(&self, oid: Oid) -> bool {
        self.role(oid).is_some_and(|role| role.superuser)
    }

    pub(crate) fn position(&self, oid: Oid) -> Option<usize> {
        self.by_oid.get(&oid).copied()
    }

    pub(crate) fn at(&self, position: usize) -> Option<&Role> {
        self.roles.get(position)
    }

    fn connect(&mut self, member: usize, group: usize, edge: Edge) {
        if let Some(groups) = self.groups.get_mut(member) {
            groups.push(Edge { to: group, ..edge });
            groups.sort_by_key(|edge| edge.to);
        }
        if let Some(members) = self.members.get_mut(group) {
            members.push(Edge { to: member, ..edge });
            members.sort_by_key(|edge| edge.to);
        }
    }

    fn groups_of(&self, member: usize) -> &[Edge] {
        self.groups.get(member).map_or(&[], Vec::as_slice)
    }

    fn members_of(&self, group: usize) -> &[Edge] {
        self.members.get(group).map_or(&[], Vec::as_slice)
    }
}
