//! One walk down the rules with every address at once.

use super::matching::Matching;
use super::peer::Peer;
use super::range::AddressSet;
use super::{Connection, Ruleset};
use std::collections::{BTreeMap, BTreeSet};

/// Which rule decides which part of the connections of one kind, for one role and destination.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Course {
    /// The rules that are reached, in order.
    pub steps: Vec<Step>,
    /// Addresses that no rule certainly takes: what no step takes is refused. Without meaning for a Unix socket.
    pub rest: AddressSet,
    /// Rules that match but have nothing left to decide, each with the earlier rules that took it.
    pub shadowed: BTreeMap<usize, BTreeSet<usize>>,
}

/// One rule that is reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// Position of the rule.
    pub rule: usize,
    /// Addresses from which it may be what decides; empty for a Unix socket.
    pub addresses: AddressSet,
    /// Those of them from which it certainly is.
    pub certain: AddressSet,
    /// Whether there is any connection that it certainly decides.
    pub is_certain: bool,
}

/// Walks down one ruleset; holds each rule's addresses so that many walks are cheap.
pub(super) struct Walker<'a> {
    ruleset: &'a Ruleset,
    sure: Vec<AddressSet>,
    possible: Vec<AddressSet>,
}

impl<'a> Walker<'a> {
    pub(super) fn new(ruleset: &'a Ruleset) -> Self {
        Self {
            ruleset,
            sure: ruleset.rules.iter().map(|rule| rule.peer.sure()).collect(),
            possible: ruleset
                .rules
                .iter()
                .map(|rule| rule.peer.possible())
                .collect(),
        }
    }

    /// Walks with the rules whose user and database lists match so, in order.
    pub(super) fn walk(
        &self,
        connection: Connection,
        lists: impl IntoIterator<Item = (usize, Matching)>,
    ) -> Course {
        if !self.ruleset.terms.offers(connection) {
            return Course {
                rest: AddressSet::all(),
                ..Course::default()
            };
        }
        let taken = lists.into_iter().filter_map(|(at, matching)| {
            let rule = self
                .ruleset
                .rules
                .get(at)
                .filter(|rule| rule.takes(connection))?;
            let known = if rule.knows_connection() {
                Matching::Yes
            } else {
                Matching::Maybe
            };
            let matching = matching.min(known);
            (matching != Matching::No).then_some((at, matching))
        });
        if connection == Connection::Socket {
            self.by_socket(taken)
        } else {
            self.by_address(taken)
        }
    }

    fn by_socket(&self, matching: impl Iterator<Item = (usize, Matching)>) -> Course {
        let mut course = Course::default();
        let (mut taken_by, mut doubtful) = (None, false);
        for (rule, matching) in matching {
            if let Some(taker) = taken_by {
                course.shadowed.insert(rule, BTreeSet::from([taker]));
                continue;
            }
            let on_socket = self
                .ruleset
                .rules
                .get(rule)
                .is_some_and(|rule| rule.peer == Peer::Socket);
            let sure = matching == Matching::Yes && on_socket;
            course.steps.push(Step {
                rule,
                addresses: AddressSet::none(),
                certain: AddressSet::none(),
                is_certain: sure && !doubtful,
            });
            taken_by = sure.then_some(rule);
            doubtful |= !sure;
        }
        course
    }

    fn by_address(&self, matching: impl Iterator<Item = (usize, Matching)>) -> Course {
        let mut course = Course {
            rest: AddressSet::all(),
            ..Course::default()
        };
        let mut doubtful = AddressSet::none();
        let mut takers = Vec::new();
        let nowhere = AddressSet::none();
        for (rule, matching) in matching {
            let possible = self.possible.get(rule).unwrap_or(&nowhere);
            let sure = if matching == Matching::Yes {
                self.sure.get(rule).unwrap_or(&nowhere)
            } else {
                &nowhere
            };
            let addresses = course.rest.intersection(possible);
            if addresses.is_empty() {
                let took =
                    |(_, taken): &&(usize, AddressSet)| !taken.intersection(possible).is_empty();
                course.shadowed.insert(
                    rule,
                    takers.iter().filter(took).map(|taker| taker.0).collect(),
                );
                continue;
            }
            let certain = addresses.intersection(sure).difference(&doubtful);
            doubtful = doubtful.union(&addresses.difference(sure));
            if !sure.is_empty() {
                course.rest = course.rest.difference(sure);
                takers.push((rule, addresses.intersection(sure)));
            }
            course.steps.push(Step {
                rule,
                addresses,
                is_certain: !certain.is_empty(),
                certain,
            });
        }
        course
    }
}
