//! Roles and destinations, grouped by the rules whose lists they match, so that thousands of roles cost as much as the few
//! kinds of roles that a file tells apart.

use super::attempt::Destination;
use super::matching::Matching;
use super::names::Kinship;
use super::{Rule, Ruleset};
use crate::RoleGraph;
use fixedbitset::FixedBitSet;
use pgattest_model::facts::{Database, Role};
use std::collections::{BTreeMap, BTreeSet};

/// Everybody who may come, and everywhere they may go.
pub(super) struct Population<'a> {
    /// Roles that can log in, by name.
    pub(super) logins: Vec<&'a Role>,
    /// Databases that allow connections, by name, then physical replication.
    pub(super) destinations: Vec<Destination>,
    /// For each distinct list of rules, the pairs that match them.
    pub(super) cells: BTreeMap<Lists, Cell>,
}

/// Rules whose user and database lists match, in order. Those that do not match at all are left out.
pub(super) type Lists = Vec<(usize, Matching)>;

/// Roles and destinations of the pairs that match the same rules.
pub(super) struct Cell {
    pub(super) roles: FixedBitSet,
    pub(super) destinations: FixedBitSet,
    /// One of the pairs: a set of roles and a set of destinations would allow pairs that are not in it.
    pub(super) example: (usize, usize),
}

/// Roles (or destinations) that no rule tells apart.
struct Class {
    matching: Vec<Matching>,
    /// Of roles: they may replicate. Of destinations: it is replication.
    replication: bool,
    members: Vec<usize>,
}

impl<'a> Population<'a> {
    pub(super) fn new(ruleset: &Ruleset, graph: &'a RoleGraph, databases: &[Database]) -> Self {
        let logins: Vec<_> = graph.logins().collect();
        let mut names: Vec<_> = databases
            .iter()
            .filter(|database| database.allows_connections)
            .collect();
        names.sort_by(|a, b| a.name.cmp(&b.name));
        let destinations = names
            .into_iter()
            .map(|database| Destination::Database(database.name.clone()));
        let destinations: Vec<_> = destinations.chain([Destination::Replication]).collect();

        let mut population = Self {
            logins,
            destinations,
            cells: BTreeMap::new(),
        };
        population.fill(ruleset.rules(), graph);
        population
    }

    fn fill(&mut self, rules: &[Rule], graph: &RoleGraph) {
        let roles = self.role_classes(rules, graph);
        let destinations = self.destination_classes(rules);
        let kin = if rules.iter().any(Rule::needs_kinship) {
            self.kin(graph)
        } else {
            BTreeMap::new()
        };
        let mut class_of_role = vec![0; self.logins.len()];
        for (class, of) in roles.iter().enumerate() {
            for &role in &of.members {
                if let Some(slot) = class_of_role.get_mut(role) {
                    *slot = class;
                }
            }
        }

        for to in &destinations {
            // Pairs whose names are related, by the class of the role.
            let mut related: BTreeMap<usize, Vec<(usize, usize, Kinship)>> = BTreeMap::new();
            for &destination in &to.members {
                for &(role, kinship) in kin.get(&destination).into_iter().flatten() {
                    let class = class_of_role.get(role).copied().unwrap_or_default();
                    related
                        .entry(class)
                        .or_default()
                        .push((role, destination, kinship));
                }
            }
            for (number, from) in roles.iter().enumerate() {
                if to.replication && !from.replication {
                    continue;
                }
                let related = related.remove(&number).unwrap_or_default();
                self.strangers(rules, from, to, &related);
                for (role, destination, kinship) in related {
                    let lists = self.lists(rules, from, to, kinship);
                    self.add(lists, &[role], &[destination]);
                }
            }
        }
    }

    /// Adds the pairs of two classes whose names have nothing to do with each other.
    fn strangers(
        &mut self,
        rules: &[Rule],
        from: &Class,
        to: &Class,
        related: &[(usize, usize, Kinship)],
    ) {
        let left = |members: &[usize], kin: BTreeMap<usize, usize>, others: usize| {
            let strange = |member: &&usize| kin.get(member).is_none_or(|&count| count < others);
            members.iter().filter(strange).copied().collect::<Vec<_>>()
        };
        let count = |ends: fn(&(usize, usize, Kinship)) -> usize| {
            let mut counts = BTreeMap::new();
            for pair in related {
                *counts.entry(ends(pair)).or_insert(0) += 1;
            }
            counts
        };
        let roles = left(&from.members, count(|pair| pair.0), to.members.len());
        let destinations = left(&to.members, count(|pair| pair.1), from.members.len());
        if roles.is_empty() || destinations.is_empty() {
            return;
        }
        let taken: BTreeSet<_> = related.iter().map(|pair| (pair.0, pair.1)).collect();
        let pairs = roles.iter().flat_map(|&role| {
            destinations
                .iter()
                .map(move |&destination| (role, destination))
        });
        let Some(example) = pairs.into_iter().find(|pair| !taken.contains(pair)) else {
            return;
        };
        let lists = self.lists(rules, from, to, Kinship::None);
        self.add_cell(lists, &roles, &destinations, example);
    }

    fn lists(&self, rules: &[Rule], from: &Class, to: &Class, kinship: Kinship) -> Lists {
        let destination = to.members.first().and_then(|&at| self.destinations.get(at));
        let both = rules
            .iter()
            .zip(&from.matching)
            .zip(&to.matching)
            .enumerate();
        let lists = both
            .filter(|(_, ((_, user), _))| **user != Matching::No)
            .map(|(at, ((rule, &user), &plain))| {
                // The class knows what the rule says of its databases by name; names in common can only add to that.
                let database = match (kinship, destination) {
                    (Kinship::None, _) | (_, None) => plain,
                    (_, Some(destination)) => plain.max(rule.database(destination, kinship)),
                };
                (at, user.min(database))
            });
        lists
            .filter(|(_, matching)| *matching != Matching::No)
            .collect()
    }

    fn add(&mut self, lists: Lists, roles: &[usize], destinations: &[usize]) {
        if let (Some(&role), Some(&destination)) = (roles.first(), destinations.first()) {
            self.add_cell(lists, roles, destinations, (role, destination));
        }
    }

    fn add_cell(
        &mut self,
        lists: Lists,
        roles: &[usize],
        destinations: &[usize],
        example: (usize, usize),
    ) {
        let cell = self.cells.entry(lists).or_insert_with(|| Cell {
            roles: FixedBitSet::with_capacity(self.logins.len()),
            destinations: FixedBitSet::with_capacity(self.destinations.len()),
            example,
        });
        cell.roles.extend(roles.iter().copied());
        cell.destinations.extend(destinations.iter().copied());
        cell.example = cell.example.min(example);
    }

    /// Roles by the rules whose user lists they match, and by whether they may replicate.
    fn role_classes(&self, rules: &[Rule], graph: &RoleGraph) -> Vec<Class> {
        let mut columns = vec![vec![Matching::No; self.logins.len()]; rules.len()];
        for (rule, column) in rules.iter().zip(&mut columns) {
            for user in &rule.users {
                user.raise(&self.logins, graph, column);
            }
        }
        let keys = self.logins.iter().enumerate().map(|(at, role)| {
            let row: Vec<_> = columns
                .iter()
                .filter_map(|column| column.get(at).copied())
                .collect();
            (row, role.replication || role.superuser)
        });
        classes(keys)
    }

    /// Destinations by the rules whose database lists they match by name.
    fn destination_classes(&self, rules: &[Rule]) -> Vec<Class> {
        let keys = self.destinations.iter().map(|destination| {
            let row: Vec<_> = rules
                .iter()
                .map(|rule| rule.database(destination, Kinship::None))
                .collect();
            (row, *destination == Destination::Replication)
        });
        classes(keys)
    }

    /// For each database called as some role is: the logins that are that role or its members.
    fn kin(&self, graph: &RoleGraph) -> BTreeMap<usize, Vec<(usize, Kinship)>> {
        let mut kin = BTreeMap::new();
        for (at, destination) in self.destinations.iter().enumerate() {
            let Destination::Database(name) = destination else {
                continue;
            };
            let Some(group) = graph.named(name) else {
                continue;
            };
            let members = graph.all_members(group.oid);
            let related = self
                .logins
                .iter()
                .enumerate()
                .filter(|(_, role)| members.contains(role.oid));
            let related = related.map(|(role, login)| {
                (
                    role,
                    if login.oid == group.oid {
                        Kinship::Same
                    } else {
                        Kinship::Member
                    },
                )
            });
            kin.insert(at, related.collect());
        }
        kin
    }
}

fn classes(keys: impl Iterator<Item = (Vec<Matching>, bool)>) -> Vec<Class> {
    let mut classes: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (member, key) in keys.enumerate() {
        classes.entry(key).or_default().push(member);
    }
    classes
        .into_iter()
        .map(|((matching, replication), members)| Class {
            matching,
            replication,
            members,
        })
        .collect()
}
