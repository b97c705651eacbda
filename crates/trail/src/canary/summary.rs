//! What the canaries of a journal say all together.

use crate::leaf::Leaf;
use std::collections::BTreeMap;

/// A canary that was looked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    /// When, in milliseconds since 1970, by the clock of who looked.
    pub at: i64,
    /// Its mark.
    pub mark: String,
}

/// For each class and place, when its canary was last found and when it was last missed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    places: BTreeMap<(String, String), Last>,
}

/// The last of both kinds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Last {
    found: Option<Seen>,
    missed: Option<Seen>,
}

impl Summary {
    /// Takes in a leaf; those that are no canaries do nothing. The same leaf twice is once.
    pub fn add(&mut self, leaf: &Leaf) {
        let Leaf::Canary {
            at,
            mark,
            class,
            place,
            found,
            ..
        } = leaf
        else {
            return;
        };
        let last = self
            .places
            .entry((class.clone(), place.clone()))
            .or_default();
        let side = if *found {
            &mut last.found
        } else {
            &mut last.missed
        };
        if side.as_ref().is_none_or(|seen| seen.at < *at) {
            *side = Some(Seen {
                at: *at,
                mark: mark.clone(),
            });
        }
    }

    /// Classes and places that a canary was ever looked for in, in order.
    pub fn looked_for(&self) -> impl Iterator<Item = (&str, &str)> {
        self.places
            .keys()
            .map(|(class, place)| (class.as_str(), place.as_str()))
    }

    /// When this class was last found in this place.
    pub fn last_found(&self, class: &str, place: &str) -> Option<&Seen> {
        self.last(class, place)?.found.as_ref()
    }

    /// When it was last missed there.
    pub fn last_missed(&self, class: &str, place: &str) -> Option<&Seen> {
        self.last(class, place)?.missed.as_ref()
    }

    /// Whether the last time that it was looked for there it was found. `None`: nobody looked.
    pub fn is_found(&self, class: &str, place: &str) -> Option<bool> {
        let last = self.last(class, place)?;
        Some(match (&last.found, &last.missed) {
            (Some(found), Some(missed)) => found.at > missed.at,
            (found, _) => found.is_some(),
        })
    }

    fn last(&self, class: &str, place: &str) -> Option<&Last> {
        self.places.get(&(class.to_owned(), place.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;
    use crate::leaf::Leaf;

    fn canary(at: i64, class: &str, found: bool) -> Leaf {
        Leaf::Canary {
            at,
            mark: format!("m{at}"),
            class: class.to_owned(),
            place: "journal".to_owned(),
            found,
            system_identifier: None,
        }
    }

    #[test]
    fn the_last_look_decides() {
        let mut summary = Summary::default();
        for leaf in [
            canary(3, "ddl", true),
            canary(1, "ddl", true),
            canary(2, "ddl", false),
            canary(1, "role", true),
            canary(1, "role", false),
            Leaf::Heartbeat { at: 9 },
        ] {
            summary.add(&leaf);
        }
        assert_eq!(summary.is_found("ddl", "journal"), Some(true));
        assert_eq!(summary.last_found("ddl", "journal").unwrap().mark, "m3");
        assert_eq!(summary.last_missed("ddl", "journal").unwrap().at, 2);
        assert_eq!(
            summary.is_found("role", "journal"),
            Some(false),
            "at the same instant the worse one counts"
        );
        assert_eq!(summary.is_found("read", "journal"), None);
        assert_eq!(summary.looked_for().count(), 2);
    }
}
