//! Effective privileges: what each role may do with each object, and what gives it that.
//!
//! The server answers this one pair at a time (`has_table_privilege`). Here nothing is stored for a pair. Objects whose owner
//! and ACL are alike share a [shape](shape::Shape); who comes to a role's privileges is one bitset a role ([`View`]). A
//! question about a pair goes through the entries of one ACL and tests a bit for each; a question about an object is a union
//! of one bitset an entry; a question about a role looks at each shape once.
//!
//! Computed as the server computes it: PUBLIC; what was granted to the role and to all it inherits; the grant options of
//! whoever has the owner's privileges, also where the owner revoked its own privileges; everything for a superuser; the
//! predefined roles; a column by itself or through its table; and nothing that writes a catalog table as a whole.
//!
//! Not here: row-level security, what a privilege is worth without USAGE on the schema or CONNECT on the database, and what an
//! owner may do without any privilege (DROP, ALTER), for which ask [`Privileges::owns`].

mod because;
mod object;
mod predefined;
mod right;
mod shape;
#[cfg(test)]
mod tests;

pub use because::{Because, Ground, Source};
pub use object::Object;
pub use predefined::Predefined;
pub use right::{Right, Rights};

use crate::roles::{Reach, RoleGraph, RoleSet, View};
use fixedbitset::FixedBitSet;
use pgattest_model::facts::{Acl, AclClass, Oid};
use shape::Shape;
use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

/// The effective privileges of every role of one cluster on the objects of one database and on the shared ones.
///
/// An answer of `None` says that the role or the object is not among the facts: large objects nobody granted on, the server's
/// own objects as `initdb` left them, array types, row types of tables, temporary objects. It never means "no".
#[derive(Debug)]
pub struct Privileges<'a> {
    graph: &'a RoleGraph,
    /// Ordered by object.
    listed: Vec<Listed<'a>>,
    rows: Vec<&'a Acl>,
    shapes: Vec<Shape>,
    /// Objects by shape: those of shape `n` are `by_shape[starts[n]..starts[n + 1]]`.
    by_shape: Vec<u32>,
    starts: Vec<u32>,
    predefined: Vec<(Predefined, usize)>,
    reaches: [OnceLock<Reach>; 3],
    unknown: BTreeSet<Oid>,
}

/// One object, its shape, and where its rows begin. They end where the next object's begin.
#[derive(Clone, Copy, Debug)]
struct Listed<'a> {
    object: Object<'a>,
    shape: u32,
    rows: u32,
}

/// Objects that have the same answers to every question.
#[derive(Clone, Copy, Debug)]
pub struct Group<'p> {
    privileges: &'p Privileges<'p>,
    number: usize,
}

impl<'a> Privileges<'a> {
    /// Takes the rows of `acls` of one database and of `shared-acls`, in any order. The graph should be the one
    /// [within the database](RoleGraph::within_database), or its owner is not a member of `pg_database_owner`.
    pub fn new(graph: &'a RoleGraph, acls: impl IntoIterator<Item = &'a Acl>) -> Self {
        let mut rows: Vec<&Acl> = acls.into_iter().collect();
        rows.sort_by_key(|row| (Object::of(row), row.grantee, row.grantor));
        let mut unknown = BTreeSet::new();
        let mut numbers: HashMap<Shape, u32> = HashMap::new();
        let mut shapes = Vec::new();
        let mut listed: Vec<Listed<'_>> = Vec::new();
        let mut at = 0;
        for same in rows.chunk_by(|a, b| Object::of(a) == Object::of(b)) {
            let Some(first) = same.first() else { continue };
            let object = Object::of(first);
            let shape = Shape::new(graph, object, same, &mut unknown);
            let number = numbers.get(&shape).copied().unwrap_or_else(|| {
                let number = narrow(shapes.len());
                shapes.push(shape.clone());
                numbers.insert(shape, number);
                number
            });
            listed.push(Listed {
                object,
                shape: number,
                rows: narrow(at),
            });
            at += same.len();
        }
        let (by_shape, starts) = sort_by_shape(&listed, shapes.len());
        let predefined = Predefined::ALL
            .into_iter()
            .filter(|role| role.since() <= graph.version().major())
            .filter_map(|role| {
                let oid = graph.named(role.name())?.oid;
                Some((role, graph.position(oid)?))
            })
            .collect();
        Self {
            graph,
            listed,
            rows,
            shapes,
            by_shape,
            starts,
            predefined,
            reaches: [OnceLock::new(), OnceLock::new(), OnceLock::new()],
            unknown,
        }
    }

    /// The graph it was built on.
    pub const fn graph(&self) -> &'a RoleGraph {
        self.graph
    }

    /// Roles that ACLs or owners name and the graph does not have: dropped while the collection ran, or hidden. When it is not
    /// empty, answers are incomplete for whoever was a member of them.
    pub const fn unknown(&self) -> &BTreeSet<Oid> {
        &self.unknown
    }

    /// Every object that is known, in order. Columns appear where somebody granted on them.
    pub fn objects(&self) -> impl ExactSizeIterator<Item = Object<'a>> {
        self.listed.iter().map(|listed| listed.object)
    }

    /// The objects in groups that have the same answers.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = Group<'_>> {
        (0..self.shapes.len()).map(|number| Group {
            privileges: self,
            number,
        })
    }

    /// Whether the role holds the privilege. `None` when the role or the object is not known.
    pub fn holds(&self, view: View, role: Oid, object: Object<'_>, right: Right) -> Option<bool> {
        self.rights(view, role, object)
            .map(|rights| rights.contains(right))
    }

    /// Whether the role may grant the privilege to others: it holds the option, or has the privileges of the owner.
    pub fn may_grant(
        &self,
        view: View,
        role: Oid,
        object: Object<'_>,
        right: Right,
    ) -> Option<bool> {
        self.rights(view, role, object)
            .map(|rights| rights.may_grant(right))
    }

    /// Everything the role holds on the object. `None` when the role or the object is not known.
    pub fn rights(&self, view: View, role: Oid, object: Object<'_>) -> Option<Rights> {
        let at = self.graph.position(role)?;
        if object.class == AclClass::Column {
            let whole = self.rights(view, role, Object::relation(object.oid))?;
            let own = self
                .shape(object)
                .map_or(Rights::NONE, |shape| self.of_shape(view, at, shape));
            return Some(whole.intersection(Shape::column_rights()).union(own));
        }
        match self.shape(object) {
            Some(shape) => Some(self.of_shape(view, at, shape)),
            // Every parameter with an ACL is listed, so one that is not has none.
            None if object.class == AclClass::Parameter => {
                Some(if self.reach(view).everything.contains(at) {
                    self.all(AclClass::Parameter)
                } else {
                    Rights::NONE
                })
            }
            None => None,
        }
    }

    /// Whether the role holds the privilege on the relation or on at least one of its columns, system columns aside: what
    /// `has_any_column_privilege` answers.
    pub fn holds_on_any_column(
        &self,
        view: View,
        role: Oid,
        relation: Oid,
        right: Right,
    ) -> Option<bool> {
        Some(
            self.rights_on_any_column(view, role, relation)?
                .contains(right),
        )
    }

    /// What the role holds on the relation or on at least one of its columns, system columns aside.
    pub fn rights_on_any_column(&self, view: View, role: Oid, relation: Oid) -> Option<Rights> {
        let at = self.graph.position(role)?;
        let mut rights = self
            .rights(view, role, Object::relation(relation))?
            .intersection(Shape::column_rights());
        let first = Object::column(relation, 1);
        let from = self.listed.partition_point(|listed| listed.object < first);
        for listed in self.listed.iter().skip(from) {
            if listed.object.class != AclClass::Column || listed.object.oid != relation {
                break;
            }
            if let Some(shape) = self.shapes.get(listed.shape as usize) {
                rights = rights.union(self.of_shape(view, at, shape));
            }
        }
        Some(rights)
    }

    /// Everyone who holds the privilege on the object. `None` when the object is not known.
    pub fn holders(&self, view: View, object: Object<'_>, right: Right) -> Option<RoleSet<'a>> {
        self.everyone(view, object, |rights| rights.contains(right))
    }

    /// Everyone who may grant the privilege on the object to others. `None` when the object is not known.
    pub fn grantors(&self, view: View, object: Object<'_>, right: Right) -> Option<RoleSet<'a>> {
        self.everyone(view, object, |rights| rights.may_grant(right))
    }

    /// What the role holds, object by object, without the objects on which it holds nothing. Columns appear where somebody
    /// granted on them, with what their table adds. Nothing for an unknown role.
    pub fn entitlements(
        &self,
        view: View,
        role: Oid,
    ) -> impl Iterator<Item = (Object<'a>, Rights)> {
        let at = self.graph.position(role);
        let per_shape: Vec<Rights> = self
            .shapes
            .iter()
            .map(|shape| at.map_or(Rights::NONE, |at| self.of_shape(view, at, shape)))
            .collect();
        self.listed.iter().filter_map(move |listed| {
            let rights = if listed.object.class == AclClass::Column {
                self.rights(view, role, listed.object)?
            } else {
                *per_shape.get(listed.shape as usize)?
            };
            (!rights.is_empty()).then_some((listed.object, rights))
        })
    }

    /// Whether the role has the privileges of the object's owner: it may alter and drop it, whatever the ACL says.
    pub fn owns(&self, view: View, role: Oid, object: Object<'_>) -> Option<bool> {
        let at = self.graph.position(role)?;
        let owner = self.shape(object)?.owner;
        let reach = self.reach(view);
        Some(
            reach.everything.contains(at)
                || owner.is_some_and(|owner| reach.has(at, owner as usize)),
        )
    }

    /// What everybody holds on the object by a grant to PUBLIC. `None` when the object is not known.
    pub fn of_public(&self, object: Object<'_>) -> Option<Rights> {
        let own = self.shape(object).map(|shape| shape.allowed(shape.public));
        if object.class != AclClass::Column {
            return own;
        }
        let whole = self.of_public(Object::relation(object.oid))?;
        let whole = whole.intersection(Shape::column_rights());
        Some(own.map_or(whole, |own| own.union(whole)))
    }

    fn everyone(
        &self,
        view: View,
        object: Object<'_>,
        has: impl Fn(Rights) -> bool,
    ) -> Option<RoleSet<'a>> {
        let number = self.find(object).map(|listed| listed.shape as usize);
        let bits = if object.class == AclClass::Column {
            let relation = self.find(Object::relation(object.oid))?.shape as usize;
            let possible = |rights: Rights| has(rights.intersection(Shape::column_rights()));
            let mut bits = self.holders_of_shape(view, relation, possible);
            if let Some(number) = number {
                bits.union_with(&self.holders_of_shape(view, number, &has));
            }
            bits
        } else {
            match number {
                Some(number) => self.holders_of_shape(view, number, &has),
                None if object.class == AclClass::Parameter && has(self.all(object.class)) => {
                    self.reach(view).everything.clone()
                }
                None => return None,
            }
        };
        Some(RoleSet::of(self.graph, bits))
    }

    /// One union for each entry that counts.
    fn holders_of_shape(
        &self,
        view: View,
        number: usize,
        has: impl Fn(Rights) -> bool,
    ) -> FixedBitSet {
        let reach = self.reach(view);
        let mut bits = FixedBitSet::with_capacity(self.graph.roles().len());
        let Some(shape) = self.shapes.get(number) else {
            return bits;
        };
        if has(self.all(shape.class)) {
            bits.union_with(&reach.everything);
        }
        let mut add = |role: usize| {
            if let Some(row) = reach.of(role) {
                bits.union_with(row);
            }
        };
        for (grantee, given) in shape.entries() {
            if has(shape.allowed(given)) {
                add(grantee);
            }
        }
        for (role, at) in &self.predefined {
            if has(shape.allowed(role.gives(shape.class))) {
                add(*at);
            }
        }
        if let Some(owner) = shape.owner
            && has(self.class(shape.class).only_options())
        {
            add(owner as usize);
        }
        if has(shape.allowed(shape.public)) {
            bits.insert_range(..);
        }
        bits
    }

    fn of_shape(&self, view: View, role: usize, shape: &Shape) -> Rights {
        let reach = self.reach(view);
        if reach.everything.contains(role) {
            return self.all(shape.class);
        }
        let mut rights = shape.rights(reach, role, self.class(shape.class));
        for (predefined, at) in &self.predefined {
            let gives = predefined.gives(shape.class);
            if !gives.is_empty() && reach.has(role, *at) {
                rights = rights.union(shape.allowed(gives));
            }
        }
        rights
    }

    fn class(&self, class: AclClass) -> Rights {
        Rights::of_class(class, self.graph.version().major())
    }

    /// A superuser's rights.
    fn all(&self, class: AclClass) -> Rights {
        let held = self.class(class);
        held.union(held.only_options())
    }

    fn shape(&self, object: Object<'_>) -> Option<&Shape> {
        self.shapes.get(self.find(object)?.shape as usize)
    }

    fn find(&self, object: Object<'_>) -> Option<&Listed<'a>> {
        let at = self
            .listed
            .binary_search_by(|listed| listed.object.cmp(&object))
            .ok()?;
        self.listed.get(at)
    }

    /// The ACL entries about an object, as they were collected; none when it is not known.
    pub fn rows(&self, object: Object<'_>) -> &[&'a Acl] {
        let Ok(at) = self
            .listed
            .binary_search_by(|listed| listed.object.cmp(&object))
        else {
            return &[];
        };
        let begin = self.listed.get(at).map_or(0, |listed| listed.rows as usize);
        let end = self
            .listed
            .get(at + 1)
            .map_or(self.rows.len(), |next| next.rows as usize);
        self.rows.get(begin..end).unwrap_or_default()
    }

    fn reach(&self, view: View) -> &Reach {
        let [in_force, set_role, granting] = &self.reaches;
        let place = match view {
            View::InForce => in_force,
            View::AfterSetRole => set_role,
            View::AfterGrantingItself => granting,
        };
        place.get_or_init(|| self.graph.reach(view))
    }
}

impl<'p> Group<'p> {
    /// The kind of all of them.
    pub fn class(&self) -> Option<AclClass> {
        self.privileges
            .shapes
            .get(self.number)
            .map(|shape| shape.class)
    }

    /// The objects, in order.
    pub fn objects(&self) -> impl ExactSizeIterator<Item = Object<'p>> {
        let bound = |at: usize| {
            self.privileges
                .starts
                .get(at)
                .map_or(0, |start| *start as usize)
        };
        let members = self
            .privileges
            .by_shape
            .get(bound(self.number)..bound(self.number + 1))
            .unwrap_or_default();
        let listed = &self.privileges.listed;
        members.iter().map(|at| {
            listed
                .get(*at as usize)
                .map_or(Object::relation(0), |listed| listed.object)
        })
    }

    /// Everyone who holds the privilege on each of them. For columns: by a grant on the column itself.
    pub fn holders(&self, view: View, right: Right) -> RoleSet<'p> {
        let bits = self
            .privileges
            .holders_of_shape(view, self.number, |rights| rights.contains(right));
        RoleSet::of(self.privileges.graph, bits)
    }
}

/// Counts, then places: the objects of each shape in order, and where each shape's begin.
fn sort_by_shape(listed: &[Listed<'_>], shapes: usize) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0_u32; shapes + 1];
    for object in listed {
        if let Some(next) = starts.get_mut(object.shape as usize + 1) {
            *next += 1;
        }
    }
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    let mut next = starts.clone();
    let mut order = vec![0; listed.len()];
    for (at, object) in listed.iter().enumerate() {
        if let Some(next) = next.get_mut(object.shape as usize) {
            if let Some(place) = order.get_mut(*next as usize) {
                *place = narrow(at);
            }
            *next += 1;
        }
    }
    (order, starts)
}

/// Four billion rows do not fit into memory.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
