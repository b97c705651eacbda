//! Legal holds: as long as one is in force, nothing is pruned.

use pgattest_trail::Leaf;
use std::collections::BTreeMap;

/// A hold in force.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hold {
    /// Its name.
    pub name: String,
    /// Why, and by whose word.
    pub reason: String,
    /// Since when, in milliseconds since 1970.
    pub since: i64,
}

/// The holds in force after these leaves, by name. The order of leaves decides.
#[derive(Clone, Debug, Default)]
pub struct Holds(BTreeMap<String, Hold>);

impl Holds {
    /// Takes a leaf into account; those about other things are passed over.
    pub fn read(&mut self, leaf: &Leaf) {
        let Leaf::Hold {
            at,
            name,
            active,
            reason,
        } = leaf
        else {
            return;
        };
        if *active {
            let hold = Hold {
                name: name.clone(),
                reason: reason.clone(),
                since: *at,
            };
            self.0.insert(name.clone(), hold);
        } else {
            self.0.remove(name);
        }
    }

    /// Those in force.
    pub fn active(&self) -> impl Iterator<Item = &Hold> {
        self.0.values()
    }

    /// Whether this one is in force.
    pub fn get(&self, name: &str) -> Option<&Hold> {
        self.0.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::Holds;
    use pgattest_trail::Leaf;

    fn hold(at: i64, name: &str, active: bool) -> Leaf {
        Leaf::Hold {
            at,
            name: name.to_owned(),
            active,
            reason: "by the word of counsel".to_owned(),
        }
    }

    #[test]
    fn a_hold_is_in_force_until_it_is_lifted_by_its_name() {
        let mut holds = Holds::default();
        holds.read(&hold(1, "a", true));
        holds.read(&hold(2, "b", true));
        holds.read(&Leaf::Heartbeat { at: 3 });
        holds.read(&hold(4, "a", false));
        let names: Vec<_> = holds.active().map(|hold| hold.name.as_str()).collect();
        assert_eq!(names, ["b"]);
        holds.read(&hold(5, "a", true));
        assert_eq!(holds.get("a").unwrap().since, 5);
    }
}
