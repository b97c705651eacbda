//! What memberships add up to.

use super::{DATABASE_OWNER, Edge, OPTIONS_PER_GRANT, RoleGraph, RoleSet};
use pgattest_model::facts::{Oid, Role};

/// Questions about one role. Every set holds the role itself (a role has its own privileges) unless it says otherwise, and is
/// empty when the role is unknown. None of them treats a superuser specially: ask [`RoleGraph::is_superuser`].
impl RoleGraph {
    /// Roles whose privileges the member has without doing anything: `pg_has_role(member, role, 'USAGE')`.
    ///
    /// Attributes (SUPERUSER, CREATEROLE, BYPASSRLS, ..) are never inherited; having the privileges of a superuser still
    /// means owning what it owns.
    pub fn inherits(&self, member: Oid) -> RoleSet<'_> {
        self.closure(member, |edge| edge.inherit)
    }

    /// Roles the member can `SET ROLE` to: `pg_has_role(member, role, 'SET')` from 16, `'MEMBER'` before. Every membership on
    /// the way must have the SET option.
    pub fn can_set_role_to(&self, member: Oid) -> RoleSet<'_> {
        self.closure(member, |edge| edge.set)
    }

    /// Roles the member belongs to, whatever the options: `pg_has_role(member, role, 'MEMBER')`, and what `+group` in
    /// `pg_hba.conf` means.
    pub fn member_of(&self, member: Oid) -> RoleSet<'_> {
        self.closure(member, |_| true)
    }

    /// Everything the member can come to act as: the roles it can `SET ROLE` to, and what each of those inherits.
    ///
    /// The server checks `SET ROLE` against the role that logged in, not against the role it has become, so an inherited
    /// group's own SET memberships open nothing: the order is SET ROLE first, inheritance after.
    pub fn reaches(&self, member: Oid) -> RoleSet<'_> {
        let mut reached = self.can_set_role_to(member);
        let set: Vec<_> = reached.bits.ones().collect();
        self.spread(&mut reached, set, Self::groups_of, |edge| edge.inherit);
        reached
    }

    /// Roles the member can grant to others and to itself; itself is not in it.
    ///
    /// From 16: those that it, or a role it inherits, has ADMIN OPTION on. Before: by any membership, and CREATEROLE gives
    /// every role that is no superuser. A superuser role can only be granted by a superuser. (Up to 14 a login role can also
    /// grant itself away; that gives it nothing and is left out.)
    pub fn can_administer(&self, member: Oid) -> RoleSet<'_> {
        let mut granted = RoleSet::empty(self);
        let Some(role) = self.role(member) else {
            return granted;
        };
        let options_per_grant = self.version.major() >= OPTIONS_PER_GRANT;
        if role.create_role && !options_per_grant {
            granted.bits.insert_range(..);
        } else {
            let through = if options_per_grant {
                self.inherits(member)
            } else {
                self.member_of(member)
            };
            let administered = through
                .bits
                .ones()
                .flat_map(|at| self.groups_of(at))
                .filter(|edge| edge.admin)
                .map(|edge| edge.to);
            granted.bits.extend(administered);
        }
        for (at, role) in self.roles.iter().enumerate() {
            if role.superuser || role.oid == member || role.name == DATABASE_OWNER {
                granted.bits.set(at, false);
            }
        }
        granted
    }

    /// Login roles that reach a role ([`Self::reaches`]), in the order of names, without the role itself.
    pub fn holders(&self, role: Oid) -> Vec<&Role> {
        let mut reached = RoleSet::empty(self);
        if let Some(target) = self.position(role) {
            reached.bits.insert(target);
            self.spread(&mut reached, vec![target], Self::members_of, |edge| {
                edge.inherit
            });
            let inheriting: Vec<_> = reached.bits.ones().collect();
            self.spread(&mut reached, inheriting, Self::members_of, |edge| edge.set);
        }
        reached
            .roles()
            .filter(|holder| holder.can_login && holder.oid != role)
            .collect()
    }

    /// Login roles that have a role's privileges without doing anything ([`Self::inherits`]), in the order of names, without the
    /// role itself: those of [`Self::holders`] that need no `SET ROLE`.
    pub fn heirs(&self, role: Oid) -> Vec<&Role> {
        let mut reached = RoleSet::empty(self);
        if let Some(target) = self.position(role) {
            reached.bits.insert(target);
            self.spread(&mut reached, vec![target], Self::members_of, |edge| {
                edge.inherit
            });
        }
        reached
            .roles()
            .filter(|holder| holder.can_login && holder.oid != role)
            .collect()
    }

    /// Every member of a role, direct or not, whatever the options, and the role itself.
    pub fn all_members(&self, role: Oid) -> RoleSet<'_> {
        let mut members = RoleSet::empty(self);
        if let Some(group) = self.position(role) {
            members.bits.insert(group);
            self.spread(&mut members, vec![group], Self::members_of, |_| true);
        }
        members
    }

    /// Login roles that can `SET ROLE` to a role ([`Self::can_set_role_to`]), in the order of names, without the role itself:
    /// those that have what a role is (SUPERUSER, REPLICATION), and not only what it was granted.
    pub fn can_become(&self, role: Oid) -> Vec<&Role> {
        let mut reached = RoleSet::empty(self);
        if let Some(target) = self.position(role) {
            reached.bits.insert(target);
            self.spread(&mut reached, vec![target], Self::members_of, |edge| {
                edge.set
            });
        }
        reached
            .roles()
            .filter(|holder| holder.can_login && holder.oid != role)
            .collect()
    }

    fn closure(&self, member: Oid, follows: impl Fn(&Edge) -> bool) -> RoleSet<'_> {
        let mut reached = RoleSet::empty(self);
        if let Some(start) = self.position(member) {
            reached.bits.insert(start);
            self.spread(&mut reached, vec![start], Self::groups_of, follows);
        }
        reached
    }

    /// Adds to the set whatever the edges lead to from the given roles. Each role is visited once, so cycles end.
    fn spread<'a>(
        &'a self,
        reached: &mut RoleSet<'a>,
        mut from: Vec<usize>,
        edges: impl Fn(&'a Self, usize) -> &'a [Edge],
        follows: impl Fn(&Edge) -> bool,
    ) {
        while let Some(at) = from.pop() {
            for edge in edges(self, at) {
                if follows(edge) && !reached.bits.put(edge.to) {
                    from.push(edge.to);
                }
            }
        }
    }
}
