//! What every rule is reached by.

use super::attempt::{Attempt, Connection, Destination};
use super::matching::Matching;
use super::population::{Cell, Population};
use super::range::AddressSet;
use super::rule::Rule;
use super::walk::{Step, Walker};
use super::{Ruleset, Terms};
use crate::RoleGraph;
use fixedbitset::FixedBitSet;
use pgattest_model::facts::{Database, Oid};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What every rule of one file is reached by.
#[derive(Clone, Debug)]
pub struct Reachability<'a> {
    ruleset: &'a Ruleset,
    reaches: Vec<Reach>,
}

/// What one rule is reached by, or why by nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reach {
    /// At least one attempt can arrive, ordered by connection and origin.
    By(Vec<Arrival>),
    /// None can.
    Nothing(Unreachable),
}

/// Why a rule is never reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Unreachable {
    /// The server offers no connection of its kind: `hostssl` while `ssl` is off.
    NotOffered,
    /// No role that can log in is in its user list.
    NoRole,
    /// No database that allows connections is in its database list.
    NoDestination,
    /// It has roles and databases, but none of the roles goes with any of the databases (`sameuser`, `samerole`,
    /// replication without the attribute).
    NoPair,
    /// These rules, earlier in the file, decide everything that would match it.
    Shadowed(BTreeSet<usize>),
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Origin {
    /// The machine itself, by a Unix socket.
    Socket,
    /// The machine itself, by TCP (`127.0.0.0/8`, `::1`).
    Loopback,
    /// Any other address.
    Remote,
}

/// Attempts of one kind that arrive at one rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Arrival {
    /// How the bytes travel.
    pub connection: Connection,
    /// Where they come from.
    pub origin: Origin,
    /// Roles that arrive, by name. Not each for every destination: [`Ruleset::course`] tells one pair's way.
    pub roles: Vec<Oid>,
    /// What they ask for: databases by name, then replication.
    pub destinations: Vec<Destination>,
    /// Addresses that somebody arrives from; empty for a Unix socket.
    pub addresses: AddressSet,
    /// Whether some of what is listed may be decided by another rule, or not match: it hangs on a host name, `samehost`,
    /// `samenet`, a mask with holes, or a regular expression.
    pub is_approximate: bool,
    /// One attempt that arrives.
    pub witness: Attempt,
    /// Whether the witness certainly arrives here, whatever the rest hangs on.
    pub witness_is_certain: bool,
}

impl Reach {
    /// The arrivals; none when the rule is never reached.
    pub fn arrivals(&self) -> &[Arrival] {
        match self {
            Self::By(arrivals) => arrivals,
            Self::Nothing(_) => &[],
        }
    }
}

impl<'a> Reachability<'a> {
    /// Every rule with its position and what it is reached by, in the order of the file.
    pub fn rules(&self) -> impl Iterator<Item = (usize, &'a Rule, &Reach)> {
        self.ruleset
            .rules()
            .iter()
            .zip(&self.reaches)
            .enumerate()
            .map(|(at, (rule, reach))| (at, rule, reach))
    }

    /// What the rule at a position is reached by.
    pub fn of(&self, at: usize) -> Option<&Reach> {
        self.reaches.get(at)
    }

    /// Rules that nothing reaches, each with the reason. One that is [`Unreachable::Shadowed`] names the rules before it that
    /// decide everything that would match it; a rule that rejects and stands here never rejects anything.
    pub fn unreachable(&self) -> impl Iterator<Item = (usize, &'a Rule, &Unreachable)> {
        self.rules().filter_map(|(at, rule, reach)| match reach {
            Reach::Nothing(why) => Some((at, rule, why)),
            Reach::By(_) => None,
        })
    }

    /// Rules that reject, and have nothing to reject.
    pub fn idle_rejects(&self) -> impl Iterator<Item = (usize, &'a Rule, &Unreachable)> {
        self.unreachable().filter(|(_, rule, _)| rule.rejects())
    }

    /// Every arrival at every rule.
    pub fn arrivals(&self) -> impl Iterator<Item = (&'a Rule, &Arrival)> {
        self.rules().flat_map(|(_, rule, reach)| {
            reach.arrivals().iter().map(move |arrival| (rule, arrival))
        })
    }

    /// Logins without any proof of who it is: `trust`, reached.
    pub fn passwordless(&self) -> impl Iterator<Item = (&'a Rule, &Arrival)> {
        self.arrivals().filter(|(rule, _)| rule.asks_nothing())
    }

    /// TCP connections that are let in without encryption, by any method.
    pub fn in_clear(&self) -> impl Iterator<Item = (&'a Rule, &Arrival)> {
        self.arrivals()
            .filter(|(rule, arrival)| arrival.connection == Connection::Clear && !rule.rejects())
    }

    pub(super) fn compute(ruleset: &'a Ruleset, graph: &RoleGraph, databases: &[Database]) -> Self {
        let population = Population::new(ruleset, graph, databases);
        let walker = Walker::new(ruleset);
        let mut drafts: Vec<BTreeMap<(Connection, Origin), Draft>> =
            vec![BTreeMap::new(); ruleset.rules().len()];
        let mut shadows: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); ruleset.rules().len()];
        for connection in Connection::ALL {
            for (lists, cell) in &population.cells {
                let course = walker.walk(connection, lists.iter().copied());
                for step in &course.steps {
                    let Some(draft) = drafts.get_mut(step.rule) else {
                        continue;
                    };
                    for (origin, addresses, certain) in parts(connection, step) {
                        let draft = draft
                            .entry((connection, origin))
                            .or_insert_with(|| Draft::new(cell));
                        draft.add(cell, step, &addresses, &certain);
                    }
                }
                for (rule, by) in course.shadowed {
                    if let Some(shadow) = shadows.get_mut(rule) {
                        shadow.extend(by);
                    }
                }
            }
        }
        let reaches =
            drafts
                .into_iter()
                .zip(shadows)
                .zip(ruleset.rules())
                .map(|((drafts, shadow), rule)| {
                    let arrivals: Vec<_> = drafts
                        .into_iter()
                        .filter_map(|((connection, origin), draft)| {
                            draft.finish(connection, origin, &population)
                        })
                        .collect();
                    if arrivals.is_empty() {
                        Reach::Nothing(why(rule, shadow, ruleset.terms(), &population, graph))
                    } else {
                        Reach::By(arrivals)
                    }
                });
        Self {
            ruleset,
            reaches: reaches.collect(),
        }
    }
}

fn why(
    rule: &Rule,
    shadow: BTreeSet<usize>,
    terms: Terms,
    population: &Population<'_>,
    graph: &RoleGraph,
) -> Unreachable {
    let has_role = || {
        let mut matching = vec![Matching::No; population.logins.len()];
        rule.users
            .iter()
            .for_each(|user| user.raise(&population.logins, graph, &mut matching));
        matching.iter().any(|matching| *matching != Matching::No)
    };
    let has_destination = || {
        let may = |to| {
            rule.needs_kinship() || rule.database(to, super::names::Kinship::None) != Matching::No
        };
        population.destinations.iter().any(may)
    };
    if !Connection::ALL
        .iter()
        .any(|&connection| terms.offers(connection) && rule.takes(connection))
    {
        Unreachable::NotOffered
    } else if !shadow.is_empty() {
        Unreachable::Shadowed(shadow)
    } else if !has_role() {
        Unreachable::NoRole
    } else if !has_destination() {
        Unreachable::NoDestination
    } else {
        Unreachable::NoPair
    }
}

/// A step's addresses by where they are, each with its certain part.
fn parts(connection: Connection, step: &Step) -> Vec<(Origin, AddressSet, AddressSet)> {
    if connection == Connection::Socket {
        return vec![(Origin::Socket, AddressSet::none(), AddressSet::none())];
    }
    let loopback = AddressSet::loopback();
    let here = (
        Origin::Loopback,
        step.addresses.intersection(&loopback),
        step.certain.intersection(&loopback),
    );
    let away = (
        Origin::Remote,
        step.addresses.difference(&loopback),
        step.certain.difference(&loopback),
    );
    [here, away]
        .into_iter()
        .filter(|(_, addresses, _)| !addresses.is_empty())
        .collect()
}

/// An arrival while cells are still being added.
#[derive(Clone)]
struct Draft {
    roles: FixedBitSet,
    destinations: FixedBitSet,
    addresses: AddressSet,
    is_approximate: bool,
    witness: Option<Example>,
}

#[derive(Clone)]
struct Example {
    pair: (usize, usize),
    address: Option<IpAddr>,
    is_certain: bool,
}

impl Draft {
    fn new(cell: &Cell) -> Self {
        Self {
            roles: FixedBitSet::with_capacity(cell.roles.len()),
            destinations: FixedBitSet::with_capacity(cell.destinations.len()),
            addresses: AddressSet::none(),
            is_approximate: false,
            witness: None,
        }
    }

    fn add(&mut self, cell: &Cell, step: &Step, addresses: &AddressSet, certain: &AddressSet) {
        let by_socket = addresses.is_empty();
        let is_certain = if by_socket {
            step.is_certain
        } else {
            !certain.is_empty()
        };
        self.roles.union_with(&cell.roles);
        self.destinations.union_with(&cell.destinations);
        self.addresses = self.addresses.union(addresses);
        self.is_approximate |= if by_socket {
            !step.is_certain
        } else {
            certain != addresses
        };
        if self
            .witness
            .as_ref()
            .is_none_or(|witness| is_certain && !witness.is_certain)
        {
            let address = sample(if is_certain { certain } else { addresses });
            self.witness = Some(Example {
                pair: cell.example,
                address,
                is_certain,
            });
        }
    }

    fn finish(
        self,
        connection: Connection,
        origin: Origin,
        population: &Population<'_>,
    ) -> Option<Arrival> {
        let witness = self.witness?;
        Some(Arrival {
            connection,
            origin,
            roles: self
                .roles
                .ones()
                .filter_map(|at| population.logins.get(at))
                .map(|role| role.oid)
                .collect(),
            destinations: self
                .destinations
                .ones()
                .filter_map(|at| population.destinations.get(at))
                .cloned()
                .collect(),
            addresses: self.addresses,
            is_approximate: self.is_approximate,
            witness: Attempt {
                connection,
                address: witness.address,
                destination: population.destinations.get(witness.pair.1)?.clone(),
                role: population.logins.get(witness.pair.0)?.name.clone(),
            },
            witness_is_certain: witness.is_certain,
        })
    }
}

/// An address that a reader takes for one: of those reserved for documentation or private use where it can be, else not the
/// number of the network itself.
fn sample(addresses: &AddressSet) -> Option<IpAddr> {
    const LIKELY: [&str; 8] = [
        "203.0.113.10",
        "10.0.0.10",
        "192.168.0.10",
        "172.16.0.10",
        "2001:db8::10",
        "127.0.0.1",
        "127.0.0.2",
        "::1",
    ];
    let likely = LIKELY
        .iter()
        .filter_map(|address| address.parse().ok())
        .find(|&address| addresses.contains(address));
    likely.or_else(|| {
        let range = addresses.ranges().next()?;
        let second = match range.first() {
            IpAddr::V4(first) => IpAddr::from(first.to_bits().saturating_add(1).to_be_bytes()),
            IpAddr::V6(first) => IpAddr::from(first.to_bits().saturating_add(1).to_be_bytes()),
        };
        Some(if addresses.contains(second) {
            second
        } else {
            range.first()
        })
    })
}
