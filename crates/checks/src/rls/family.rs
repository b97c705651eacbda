//! Partitions and inheritance children, and what they descend from.

use pgattest_model::facts::{Inheritance, Oid};
use std::collections::{BTreeSet, HashMap};

/// Who descends from whom in one database, at any depth.
pub struct Family {
    parents: HashMap<Oid, Vec<Oid>>,
}

impl Family {
    /// From the parents and children of one database.
    pub fn new(rows: &[Inheritance]) -> Self {
        let mut parents: HashMap<Oid, Vec<Oid>> = HashMap::new();
        for row in rows {
            parents.entry(row.child).or_default().push(row.parent);
        }
        Self { parents }
    }

    /// Whether the table descends from one of these.
    pub fn descends_from(&self, table: Oid, wanted: &BTreeSet<Oid>) -> bool {
        let mut seen = BTreeSet::new();
        let mut next = vec![table];
        while let Some(at) = next.pop() {
            for parent in self.parents.get(&at).into_iter().flatten() {
                if wanted.contains(parent) {
                    return true;
                }
                if seen.insert(*parent) {
                    next.push(*parent);
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::Family;
    use pgattest_model::facts::Inheritance;

    #[test]
    fn descent_is_followed_through_every_level_and_round_a_circle() {
        let family = Family::new(
            &[(3, 2), (2, 1), (7, 8), (8, 7)].map(|(child, parent)| Inheritance { child, parent }),
        );
        assert!(family.descends_from(3, &[1].into()));
        assert!(!family.descends_from(1, &[1, 3].into()));
        assert!(!family.descends_from(7, &[1].into()));
    }
}
