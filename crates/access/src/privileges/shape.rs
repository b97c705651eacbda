//! Objects whose owner and privileges are alike.

use super::object::Object;
use super::right::{COLUMN, Rights};
use crate::RoleGraph;
use crate::roles::Reach;
use pgattest_model::facts::{Acl, AclClass, Oid, PUBLIC};
use std::collections::BTreeSet;

/// Who was given what on an object, without the object and without who gave it. Objects with the same shape have the same
/// answers, and a schema full of tables has few shapes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Shape {
    pub(super) class: AclClass,
    /// Whether it is a catalog table.
    catalog: bool,
    /// The owner by its position; nothing when the role is unknown.
    pub(super) owner: Option<u32>,
    pub(super) public: Rights,
    /// What each role got, by its position, in that order.
    entries: Box<[(u32, Rights)]>,
}

impl Shape {
    /// The shape of an object from all its rows. Grantees and owners that the graph does not have are added to `unknown`.
    pub(super) fn new(
        graph: &RoleGraph,
        object: Object<'_>,
        rows: &[&Acl],
        unknown: &mut BTreeSet<Oid>,
    ) -> Self {
        let mut position = |oid: Oid| {
            let at = graph.position(oid).and_then(|at| u32::try_from(at).ok());
            if at.is_none() {
                unknown.insert(oid);
            }
            at
        };
        let mut public = Rights::NONE;
        let mut entries: Vec<(u32, Rights)> = Vec::with_capacity(rows.len());
        for row in rows {
            let given = Rights::given(&row.privileges);
            if given.is_empty() {
                continue;
            }
            if row.grantee == PUBLIC {
                public = public.union(given);
            } else if let Some(grantee) = position(row.grantee) {
                entries.push((grantee, given));
            }
        }
        entries.sort_unstable_by_key(|(grantee, _)| *grantee);
        entries.dedup_by(|later, first| {
            let same = later.0 == first.0;
            if same {
                first.1 = first.1.union(later.1);
            }
            same
        });
        Self {
            class: object.class,
            catalog: object.is_catalog(),
            owner: rows.first().and_then(|row| position(row.owner)),
            public,
            entries: entries.into_boxed_slice(),
        }
    }

    /// Who got something of their own.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, Rights)> {
        self.entries
            .iter()
            .map(|(grantee, given)| (*grantee as usize, *given))
    }

    /// What the entries, PUBLIC and the owner's options come to for one role that is no superuser.
    pub(super) fn rights(&self, reach: &Reach, role: usize, class: Rights) -> Rights {
        let mut rights = self.public;
        for (grantee, given) in self.entries() {
            if reach.has(role, grantee) {
                rights = rights.union(given);
            }
        }
        if self
            .owner
            .is_some_and(|owner| reach.has(role, owner as usize))
        {
            rights = rights.union(class.only_options());
        }
        self.allowed(rights)
    }

    /// Less what the server refuses although it was granted: writing to catalog tables.
    pub(super) fn allowed(&self, rights: Rights) -> Rights {
        use super::Right::{Delete, Insert, Truncate, Update, Usage};
        if self.catalog {
            rights.without(Rights::of(&[Insert, Update, Delete, Truncate, Usage]))
        } else {
            rights
        }
    }

    /// Whether the shape is a relation's and `rights` can be on one of its columns.
    pub(super) fn column_rights() -> Rights {
        let held = Rights::of(&COLUMN);
        held.union(held.only_options())
    }
}
