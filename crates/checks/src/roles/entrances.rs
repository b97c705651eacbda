//! The lines of `pg_hba.conf` that let one role in.

use crate::context::Context;
use crate::hba::{Engine, place};
use crate::transport::Listening;
use pgattest_access::hba::{Arrival, Origin, Reach, Rule};
use pgattest_model::facts::{IdentMap, Oid, Role};
use pgattest_model::{Missing, ObservationId};
use std::collections::BTreeMap;

/// The reach of every rule, by role.
pub(super) struct Entrances<'a> {
    engine: &'a Engine,
    by_role: BTreeMap<Oid, Vec<Entrance<'a>>>,
    maps: Option<&'a [IdentMap]>,
    maps_from: Option<ObservationId>,
}

/// One line that a role comes in by.
#[derive(Clone, Copy)]
pub(super) struct Entrance<'a> {
    pub(super) rule: &'a Rule,
    /// Whether it does from another machine.
    pub(super) remote: bool,
}

impl Entrance<'_> {
    /// `pg_hba.conf:3 (cert)`.
    pub(super) fn words(&self) -> String {
        format!("{} ({})", place(self.rule.source()), self.rule.method())
    }
}

impl<'a> Entrances<'a> {
    /// From everything that decides who gets in.
    pub(super) fn new(context: &'a Context<'_>) -> Result<Self, Missing> {
        let engine = context.hba()?;
        let mut by_role: BTreeMap<Oid, Vec<Entrance<'a>>> = BTreeMap::new();
        for (rule, reach) in engine.rules().filter(|(rule, _)| !rule.rejects()) {
            for (role, remote) in roles(rule, reach, engine.listening) {
                by_role
                    .entry(role)
                    .or_default()
                    .push(Entrance { rule, remote });
            }
        }
        let maps = context.facts.ident_maps.here().ok();
        Ok(Self {
            engine,
            by_role,
            maps: maps.map(|maps| maps.value.as_slice()),
            maps_from: maps.map(|maps| maps.from.clone()),
        })
    }

    /// The lines that the role comes in by, in the order of the file. A line whose user map has no entry for the role lets it
    /// in by nothing.
    pub(super) fn of(&self, role: &Role) -> impl Iterator<Item = Entrance<'a>> {
        self.by_role
            .get(&role.oid)
            .into_iter()
            .flatten()
            .filter(|entrance| self.is_mapped(entrance.rule, role))
            .copied()
    }

    /// What it was read from.
    pub(super) fn observations(&self) -> Vec<ObservationId> {
        self.engine
            .seen_in
            .iter()
            .chain(&self.maps_from)
            .cloned()
            .collect()
    }

    /// What keeps the file from being the whole truth.
    pub(super) fn not_seen(&self) -> &[Missing] {
        self.engine.not_seen()
    }

    fn is_mapped(&self, rule: &Rule, role: &Role) -> bool {
        match (rule.source().option("map"), self.maps) {
            (Some(map), Some(lines)) => lines
                .iter()
                .any(|line| line.map == map && may_name(&line.role, &role.name)),
            _ => true,
        }
    }
}

/// Whether a role of a user map may be this one: its name, or anything that stands for more than one.
fn may_name(written: &str, role: &str) -> bool {
    written == role
        || written == "all"
        || written.contains("\\1")
        || written.starts_with(['/', '+'])
}

/// The roles that get in by a rule today, and whether they do from another machine.
fn roles(rule: &Rule, reach: &Reach, listening: Listening) -> BTreeMap<Oid, bool> {
    let mut roles = BTreeMap::new();
    for arrival in reach.arrivals() {
        let origin = origin(rule, arrival);
        let open = match listening {
            Listening::Network => true,
            Listening::Loopback => origin != Origin::Remote,
            Listening::Nowhere => origin == Origin::Socket,
        };
        if open {
            for role in &arrival.roles {
                *roles.entry(*role).or_default() |= origin == Origin::Remote;
            }
        }
    }
    roles
}

/// Where an arrival comes from; the server's own addresses are the machine itself.
fn origin(rule: &Rule, arrival: &Arrival) -> Origin {
    let address = rule.source().address.as_str();
    let own = address == "samehost" || address.eq_ignore_ascii_case("localhost");
    match arrival.origin {
        Origin::Remote if own => Origin::Loopback,
        origin => origin,
    }
}

#[cfg(test)]
mod tests {
    use super::may_name;

    #[test]
    fn a_map_names_roles_in_more_ways_than_one() {
        for (written, expected) in [
            ("alice", true),
            ("bob", false),
            ("\\1", true),
            ("\\1_admin", true),
            ("/^a", true),
            ("+staff", true),
            ("all", true),
            ("Alice", false),
        ] {
            assert_eq!(may_name(written, "alice"), expected, "{written}");
        }
    }
}
