//! Which tables views and materialized views read, through any depth.

use pgattest_model::facts::{Oid, ViewDependency};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What every view of one database reads.
pub(super) struct BelowViews {
    reads: HashMap<Oid, BTreeSet<Oid>>,
}

impl BelowViews {
    pub(super) fn new(rows: &[ViewDependency]) -> Self {
        let mut reads: HashMap<Oid, BTreeSet<Oid>> = HashMap::new();
        for row in rows {
            reads.entry(row.view).or_default().insert(row.reads);
        }
        Self { reads }
    }

    /// What the view reads itself.
    pub(super) fn directly(&self, view: Oid) -> impl Iterator<Item = Oid> {
        self.reads.get(&view).into_iter().flatten().copied()
    }

    /// The shortest way from a view to one of the wanted relations: the relations on it, without the view itself.
    pub(super) fn path(&self, view: Oid, wanted: impl Fn(Oid) -> bool) -> Option<Vec<Oid>> {
        let mut came_from: BTreeMap<Oid, Oid> = BTreeMap::new();
        let mut level = vec![view];
        while !level.is_empty() {
            let mut next = Vec::new();
            for at in level {
                for read in self.directly(at) {
                    if read == view || came_from.contains_key(&read) {
                        continue;
                    }
                    came_from.insert(read, at);
                    if wanted(read) {
                        return Some(back(&came_from, view, read));
                    }
                    next.push(read);
                }
            }
            level = next;
        }
        None
    }
}

fn back(came_from: &BTreeMap<Oid, Oid>, view: Oid, end: Oid) -> Vec<Oid> {
    let mut path = vec![end];
    let mut at = end;
    while let Some(before) = came_from.get(&at).filter(|before| **before != view) {
        path.push(*before);
        at = *before;
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::BelowViews;
    use pgattest_model::facts::ViewDependency;

    #[test]
    fn the_way_down_is_found_through_every_level_and_round_a_circle() {
        let below = BelowViews::new(
            &[(1, 2), (2, 3), (3, 1), (3, 9), (1, 4)]
                .map(|(view, reads)| ViewDependency { view, reads }),
        );
        assert_eq!(below.path(1, |oid| oid == 9), Some(vec![2, 3, 9]));
        assert_eq!(below.path(1, |oid| oid == 4), Some(vec![4]));
        assert_eq!(below.path(1, |oid| oid == 7), None);
        assert_eq!(below.path(8, |_| true), None);
    }
}
