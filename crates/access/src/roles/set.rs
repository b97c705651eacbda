//! A set of roles of one graph.

use super::RoleGraph;
use fixedbitset::FixedBitSet;
use pgattest_model::facts::{Oid, Role};
use std::fmt;

/// A set of roles, one bit a role. Lists them in the order of names.
#[derive(Clone)]
pub struct RoleSet<'a> {
    graph: &'a RoleGraph,
    pub(super) bits: FixedBitSet,
}

impl<'a> RoleSet<'a> {
    pub(super) fn empty(graph: &'a RoleGraph) -> Self {
        Self {
            graph,
            bits: FixedBitSet::with_capacity(graph.roles.len()),
        }
    }

    /// The set with a bit for each position in the graph.
    pub(crate) const fn of(graph: &'a RoleGraph, bits: FixedBitSet) -> Self {
        Self { graph, bits }
    }

    /// Whether the role is in it. An unknown role never is.
    pub fn contains(&self, role: Oid) -> bool {
        self.graph
            .position(role)
            .is_some_and(|at| self.bits.contains(at))
    }

    /// The roles in it.
    pub fn roles(&self) -> impl Iterator<Item = &'a Role> {
        let graph = self.graph;
        self.bits.ones().filter_map(move |at| graph.roles.get(at))
    }

    /// Their identifiers, in the order of names.
    pub fn oids(&self) -> impl Iterator<Item = Oid> {
        self.roles().map(|role| role.oid)
    }

    /// Their names.
    pub fn names(&self) -> Vec<&'a str> {
        self.roles().map(|role| role.name.as_str()).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.bits.count_ones(..)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bits.is_clear()
    }
}

impl fmt::Debug for RoleSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
