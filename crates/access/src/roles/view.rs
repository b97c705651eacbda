//! All roles at once: for each role, everyone who has its privileges.

use super::{DATABASE_OWNER, Edge, OPTIONS_PER_GRANT, RoleGraph};
use fixedbitset::FixedBitSet;

/// How far a role goes to use a privilege. Each holds everything the one before it holds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum View {
    /// Nowhere: what the server grants it as it is, by inheritance. What `has_*_privilege` answers.
    InForce,
    /// To what it can `SET ROLE` to, and what that inherits ([`RoleGraph::reaches`]).
    AfterSetRole,
    /// To every role it can grant itself first, by ADMIN OPTION or (before 16) by CREATEROLE, again and again.
    AfterGrantingItself,
}

impl View {
    /// From the narrowest to the widest.
    pub const ALL: [Self; 3] = [Self::InForce, Self::AfterSetRole, Self::AfterGrantingItself];
}

/// One view of a graph. A row for each role: a bit for each role that comes to its privileges.
///
/// Takes a bit for each pair of roles: 3 MB for 5,000 roles, 300 MB for 50,000.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    rows: Vec<FixedBitSet>,
    /// Roles that are, or come to act as, a superuser: they hold everything. (Inheriting from one is not acting as one.)
    pub(crate) everything: FixedBitSet,
}

impl Reach {
    /// Who comes to the privileges of the role at this position.
    pub(crate) fn of(&self, role: usize) -> Option<&FixedBitSet> {
        self.rows.get(role)
    }

    /// Whether the member comes to the privileges of the role.
    pub(crate) fn has(&self, member: usize, role: usize) -> bool {
        self.of(role).is_some_and(|row| row.contains(member))
    }
}

impl RoleGraph {
    /// Answers every question of one view at once.
    ///
    /// A role's row is the union of its members' rows, so each is finished in one pass over the roles from members to groups;
    /// what goes in circles (CREATEROLE does) needs another pass or two.
    pub(crate) fn reach(&self, view: View) -> Reach {
        let order = self.members_first();
        let own: Vec<FixedBitSet> = (0..self.roles.len())
            .map(|at| {
                let mut row = FixedBitSet::with_capacity(self.roles.len());
                row.insert(at);
                row
            })
            .collect();
        if view == View::InForce {
            let everything = self.superusers();
            let rows = self.flow(&order, own, |edge| edge.inherit);
            return Reach { rows, everything };
        }
        let (acting, rows) = if view == View::AfterSetRole {
            let acting = self.flow(&order, own, |edge| edge.set);
            let rows = self.flow(&order, acting.clone(), |edge| edge.inherit);
            (acting, rows)
        } else {
            self.granting(&order, own)
        };
        let mut everything = self.superusers();
        for superuser in self.superusers().ones() {
            if let Some(row) = acting.get(superuser) {
                everything.union_with(row);
            }
        }
        Reach { rows, everything }
    }

    /// Whoever comes to act as a role, and whoever comes to its privileges, when roles grant themselves what they can.
    fn granting(
        &self,
        order: &[usize],
        own: Vec<FixedBitSet>,
    ) -> (Vec<FixedBitSet>, Vec<FixedBitSet>) {
        let mut acting = self.flow(order, own, |edge| edge.set);
        loop {
            let rows = self.flow(order, acting.clone(), |edge| edge.inherit);
            let before: usize = acting.iter().map(|row| row.count_ones(..)).sum();
            let managers = self.managers(&acting);
            for group in order {
                if !self.may_be_granted(*group) {
                    continue;
                }
                let Some(mut row) = acting.get_mut(*group).map(std::mem::take) else {
                    continue;
                };
                for edge in self.members_of(*group).iter().filter(|edge| edge.admin) {
                    if let Some(holders) = rows.get(edge.to) {
                        row.union_with(holders);
                    }
                }
                row.union_with(&managers);
                if let Some(place) = acting.get_mut(*group) {
                    *place = row;
                }
            }
            acting = self.flow(order, acting, |edge| edge.set);
            let after: usize = acting.iter().map(|row| row.count_ones(..)).sum();
            if after == before {
                return (acting, rows);
            }
        }
    }

    /// Whoever comes to act as a role whose CREATEROLE gives it every other role; nobody from 16.
    fn managers(&self, acting: &[FixedBitSet]) -> FixedBitSet {
        let mut managers = FixedBitSet::with_capacity(self.roles.len());
        for (at, row) in acting.iter().enumerate() {
            if self.grants_every_role(at) {
                managers.union_with(row);
            }
        }
        managers
    }

    /// Whether the role's CREATEROLE lets it grant every role that is no superuser.
    pub(super) fn grants_every_role(&self, at: usize) -> bool {
        self.version.major() < OPTIONS_PER_GRANT
            && self.roles.get(at).is_some_and(|role| role.create_role)
    }

    /// Whether somebody who is no superuser can ever grant the role.
    pub(super) fn may_be_granted(&self, at: usize) -> bool {
        self.roles
            .get(at)
            .is_some_and(|role| !role.superuser && role.name != DATABASE_OWNER)
    }

    fn superusers(&self) -> FixedBitSet {
        let mut superusers = FixedBitSet::with_capacity(self.roles.len());
        superusers.extend(
            self.roles
                .iter()
                .enumerate()
                .filter_map(|(at, role)| role.superuser.then_some(at)),
        );
        superusers
    }

    /// Adds to each group's row its members' rows, along the edges that count, until nothing changes. One pass is enough
    /// where there are no cycles, and the server allows none.
    fn flow(
        &self,
        order: &[usize],
        mut rows: Vec<FixedBitSet>,
        follows: impl Fn(&Edge) -> bool,
    ) -> Vec<FixedBitSet> {
        let mut place = vec![0; self.roles.len()];
        for (number, &at) in order.iter().enumerate() {
            if let Some(place) = place.get_mut(at) {
                *place = number;
            }
        }
        let comes_before = |a: usize, b: usize| place.get(a) < place.get(b);
        loop {
            let (mut circles, mut changed) = (false, false);
            for &group in order {
                let Some(mut row) = rows.get_mut(group).map(std::mem::take) else {
                    continue;
                };
                let before = row.count_ones(..);
                for edge in self.members_of(group).iter().filter(|edge| follows(edge)) {
                    circles |= !comes_before(edge.to, group);
                    if let Some(members) = rows.get(edge.to) {
                        row.union_with(members);
                    }
                }
                changed |= row.count_ones(..) != before;
                if let Some(place) = rows.get_mut(group) {
                    *place = row;
                }
            }
            if !(circles && changed) {
                return rows;
            }
        }
    }

    /// Every role after its members.
    fn members_first(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.roles.len());
        let mut seen = FixedBitSet::with_capacity(self.roles.len());
        for root in 0..self.roles.len() {
            if seen.put(root) {
                continue;
            }
            let mut stack = vec![(root, 0)];
            while let Some((at, next)) = stack.last_mut() {
                let edge = self.members_of(*at).get(*next);
                *next += 1;
                match edge {
                    Some(edge) if !seen.put(edge.to) => stack.push((edge.to, 0)),
                    Some(_) => {}
                    None => {
                        order.push(*at);
                        stack.pop();
                    }
                }
            }
        }
        order
    }
}
