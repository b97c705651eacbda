//! What roles hold in a way that lasts: granted to them, and not because they own, are superuser or are everybody.

use pgattest_access::RoleGraph;
use pgattest_model::facts::{Acl, AclClass, Oid};
use std::collections::{BTreeSet, HashMap};

/// The ACLs of one database and of what the cluster shares, by object.
pub(super) struct Holdings<'a> {
    by_object: HashMap<(AclClass, Oid), Vec<&'a Acl>>,
}

impl<'a> Holdings<'a> {
    /// From rows of `acls` and `shared-acls`. Grants on columns do not count: none is worth a privilege on the table.
    pub(super) fn new(rows: impl IntoIterator<Item = &'a Acl>) -> Self {
        let mut by_object: HashMap<_, Vec<&Acl>> = HashMap::new();
        for row in rows {
            if !matches!(row.class, AclClass::Column | AclClass::Parameter) {
                by_object
                    .entry((row.class, row.object))
                    .or_default()
                    .push(row);
            }
        }
        Self { by_object }
    }

    /// The privileges that one of these roles was granted on the object by name, without the owner's own.
    pub(super) fn granted(
        &self,
        roles: &BTreeSet<Oid>,
        class: AclClass,
        object: Oid,
    ) -> BTreeSet<&'a str> {
        self.rows(class, object)
            .filter(|row| row.grantee != row.owner && roles.contains(&row.grantee))
            .flat_map(names)
            .collect()
    }

    /// The privileges that everybody was granted.
    pub(super) fn of_public(&self, class: AclClass, object: Oid) -> BTreeSet<&'a str> {
        self.rows(class, object)
            .filter(|row| row.grantee == pgattest_model::facts::PUBLIC)
            .flat_map(names)
            .collect()
    }

    /// The privileges that the owner has on the object without being a superuser.
    pub(super) fn of_owner(&self, class: AclClass, object: Oid) -> BTreeSet<&'a str> {
        self.rows(class, object)
            .filter(|row| row.grantee == row.owner)
            .flat_map(names)
            .collect()
    }

    /// Those of `wanted` that none of the roles was granted.
    pub(super) fn missing(
        &self,
        roles: &BTreeSet<Oid>,
        class: AclClass,
        object: Oid,
        wanted: &[&'static str],
    ) -> Vec<&'static str> {
        let granted = self.granted(roles, class, object);
        wanted
            .iter()
            .copied()
            .filter(|right| !granted.contains(right))
            .collect()
    }

    fn rows(&self, class: AclClass, object: Oid) -> impl Iterator<Item = &'a Acl> {
        let rows = self.by_object.get(&(class, object));
        rows.into_iter().flatten().copied()
    }
}

fn names(row: &Acl) -> impl Iterator<Item = &str> {
    row.privileges.iter().map(|given| given.name.as_str())
}

/// The role and the groups whose privileges it has without doing anything. Superusers among them do not count, nor do the server's
/// own roles: membership in those is what other changes take away.
pub(super) fn lasting(graph: &RoleGraph, role: Oid) -> BTreeSet<Oid> {
    graph
        .inherits(role)
        .roles()
        .filter(|group| group.oid == role || !(group.superuser || group.is_predefined()))
        .map(|group| group.oid)
        .collect()
}
