//! Ways through one rule, in words: who gets in, where, from which addresses.

use super::engine::place;
use crate::transport::Listening;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use pgattest_access::RoleGraph;
use pgattest_access::hba::{AddressSet, Arrival, Connection, Destination, Origin, Reach, Rule};
use pgattest_model::Severity;
use pgattest_model::facts::{Oid, Role};
use pgattest_model::ident::{quote_ident, visible};
use std::collections::BTreeSet;

/// Names listed one by one; more are counted.
const NAMED: usize = 3;

/// Some of the arrivals at one rule; at least one.
pub(super) struct Way<'a> {
    pub(super) rule: &'a Rule,
    /// The ones from farthest away first, then those without encryption.
    arrivals: Vec<&'a Arrival>,
}

impl<'a> Way<'a> {
    /// The arrivals at a rule that the filter takes. `None` when there is none.
    pub(super) fn through(
        rule: &'a Rule,
        reach: &'a Reach,
        takes: impl Fn(Connection, Origin) -> bool,
    ) -> Option<Self> {
        let mut arrivals: Vec<_> = reach
            .arrivals()
            .iter()
            .filter(|arrival| takes(arrival.connection, origin(rule, arrival)))
            .collect();
        arrivals.sort_by_key(|arrival| {
            (
                std::cmp::Reverse(origin(rule, arrival)),
                arrival.connection == Connection::Socket,
                arrival.connection,
            )
        });
        (!arrivals.is_empty()).then_some(Self { rule, arrivals })
    }

    /// The farthest that anybody comes from.
    pub(super) fn farthest(&self) -> Origin {
        self.arrivals
            .first()
            .map_or(Origin::Socket, |arrival| origin(self.rule, arrival))
    }

    /// Whether nobody comes but over GSSAPI encryption.
    pub(super) fn only_with_tickets(&self) -> bool {
        self.arrivals
            .iter()
            .all(|arrival| arrival.connection == Connection::Gss)
    }

    /// Everybody who comes.
    pub(super) fn oids(&self) -> BTreeSet<Oid> {
        self.arrivals
            .iter()
            .flat_map(|arrival| arrival.roles.iter().copied())
            .collect()
    }

    /// Everybody who comes, by name.
    pub(super) fn roles<'g>(&self, graph: &'g RoleGraph) -> Vec<&'g Role> {
        let oids = self.oids();
        let mut roles: Vec<_> = oids.into_iter().filter_map(|oid| graph.role(oid)).collect();
        roles.sort_by(|a, b| a.name.cmp(&b.name));
        roles
    }

    /// Whether a superuser gets in, or anybody who may copy the whole cluster.
    pub(super) fn gives_everything(&self, graph: &RoleGraph) -> bool {
        self.arrivals
            .iter()
            .any(|arrival| arrival.destinations.contains(&Destination::Replication))
            || self.roles(graph).iter().any(|role| role.superuser)
    }

    /// Addresses that somebody comes from.
    pub(super) fn addresses(&self) -> AddressSet {
        self.arrivals
            .iter()
            .fold(AddressSet::none(), |all, arrival| {
                all.union(&arrival.addresses)
            })
    }

    /// Whether it is certain that anybody comes at all: it may hang on a resolver or on the machine's interfaces.
    pub(super) fn is_certain(&self) -> bool {
        self.arrivals
            .iter()
            .any(|arrival| arrival.witness_is_certain)
    }

    /// One sentence: `pg_hba.conf:5 lets roles ada and app into shop HOW from 10.0.0.0/8, for example ..`.
    pub(super) fn sentence(&self, how: &str, graph: &RoleGraph) -> String {
        let verb = if self.is_certain() { "lets" } else { "may let" };
        let example = self
            .arrivals
            .iter()
            .find(|arrival| arrival.witness_is_certain)
            .map(|arrival| format!(", for example {}", arrival.witness))
            .unwrap_or_default();
        format!(
            "{} {verb} {} into {} {how} {}{example}",
            place(self.rule.source()),
            who(&self.roles(graph)),
            self.into(),
            self.by(),
        )
    }

    /// The severity while the server listens where it does: one step lower when nobody can come that way today.
    pub(super) fn severity(&self, severity: Severity, listening: Listening) -> Severity {
        match (self.held_back(listening).is_empty(), severity) {
            (true, severity) => severity,
            (false, Severity::Critical) => Severity::High,
            (false, Severity::High) => Severity::Medium,
            (false, Severity::Medium | Severity::Low) => Severity::Low,
        }
    }

    /// What stands before it today, to be put behind the sentence; empty when nothing does.
    pub(super) fn held_back(&self, listening: Listening) -> &'static str {
        match (self.farthest(), listening) {
            (Origin::Remote, Listening::Loopback) => {
                "; only listen_addresses, which has no address but the loopback now, stands before it"
            }
            (Origin::Remote | Origin::Loopback, Listening::Nowhere) => {
                "; only listen_addresses, which is empty now, stands before it"
            }
            _ => "",
        }
    }

    /// What they ask for.
    pub(super) fn destinations(&self) -> BTreeSet<&'a Destination> {
        self.arrivals
            .iter()
            .flat_map(|arrival| &arrival.destinations)
            .collect()
    }

    fn into(&self) -> String {
        let all = self.destinations();
        let replication = all.contains(&Destination::Replication);
        let databases: Vec<_> = all
            .into_iter()
            .filter(|to| **to != Destination::Replication)
            .collect();
        let databases = match databases.as_slice() {
            [] => return "replication".to_owned(),
            [only] => only.to_string(),
            many => format!("{} databases", many.len()),
        };
        if replication {
            format!("{databases} and replication")
        } else {
            databases
        }
    }

    fn by(&self) -> String {
        if self.rule.source().connection_type == "local" {
            return "over the Unix socket".to_owned();
        }
        format!("from {}", self.from())
    }

    /// Where they come from: `10.0.0.0/8`, `hosts named ..`. For a Unix socket it means nothing.
    pub(super) fn from(&self) -> String {
        let source = self.rule.source();
        match source.address.as_str() {
            "samehost" => "the server's own addresses".to_owned(),
            "samenet" => "the networks that the server is in".to_owned(),
            name if self.rule.extent().is_approximate && source.netmask.is_empty() => {
                format!("hosts named {}", visible(name))
            }
            _ => in_words(&self.addresses()),
        }
    }
}

/// Where an arrival comes from. The server's own addresses are the machine itself, whatever they are.
fn origin(rule: &Rule, arrival: &Arrival) -> Origin {
    let address = rule.source().address.as_str();
    if arrival.origin == Origin::Remote
        && (address == "samehost" || address.eq_ignore_ascii_case("localhost"))
    {
        return Origin::Loopback;
    }
    arrival.origin
}

fn who(roles: &[&Role]) -> String {
    let name = |role: &&Role| {
        let name = visible(&quote_ident(&role.name));
        if role.superuser {
            format!("{name} (superuser)")
        } else {
            name
        }
    };
    match roles {
        [] => "no role".to_owned(),
        [only] => format!("role {}", name(only)),
        [first @ .., last] if roles.len() <= NAMED => {
            let first: Vec<_> = first.iter().map(name).collect();
            format!("roles {} and {}", first.join(", "), name(last))
        }
        many => {
            let count = format!("{} roles", many.len());
            match many.iter().find(|role| role.superuser) {
                Some(role) => format!(
                    "{count} (superuser {} among them)",
                    visible(&quote_ident(&role.name))
                ),
                None => count,
            }
        }
    }
}

/// Addresses in words. What is only broken up by the loopback, which is told apart from other machines, is put together again.
pub(super) fn in_words(addresses: &AddressSet) -> String {
    let whole = [
        (IpNet::V4(Ipv4Net::default()), "IPv4"),
        (IpNet::V6(Ipv6Net::default()), "IPv6"),
    ];
    let (mut all, mut ranges) = (Vec::new(), Vec::new());
    for (family, name) in whole {
        let family = AddressSet::network(family);
        let part = addresses.intersection(&family);
        if part == family {
            all.push(format!("any {name} address"));
        } else if family
            .difference(&AddressSet::loopback())
            .difference(&part)
            .is_empty()
        {
            all.push(format!("any {name} address of another machine"));
        } else {
            ranges.extend(part.ranges().map(|range| range.to_string()));
        }
    }
    if ranges.is_empty()
        && let [v4, v6] = all.as_slice()
        && v4.replace("IPv4 ", "") == v6.replace("IPv6 ", "")
    {
        return v4.replace("IPv4 ", "");
    }
    let more = ranges.len().saturating_sub(NAMED);
    ranges.truncate(NAMED);
    all.extend(ranges);
    if more > 0 {
        all.push(format!("{more} more ranges"));
    }
    match all.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => all.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::in_words;
    use pgattest_access::hba::AddressSet;

    fn set(networks: &[&str]) -> AddressSet {
        networks.iter().fold(AddressSet::none(), |set, network| {
            set.union(&AddressSet::network(network.parse().unwrap()))
        })
    }

    #[test]
    fn addresses_read_as_people_say_them() {
        let remote = |set: AddressSet| set.difference(&AddressSet::loopback());
        for (addresses, expected) in [
            (AddressSet::all(), "any address"),
            (remote(AddressSet::all()), "any address of another machine"),
            (set(&["0.0.0.0/0"]), "any IPv4 address"),
            (
                remote(set(&["::/0"])),
                "any IPv6 address of another machine",
            ),
            (
                remote(set(&["0.0.0.0/0", "2001:db8::/32"])),
                "any IPv4 address of another machine and 2001:db8::/32",
            ),
            (set(&["10.0.0.0/8"]), "10.0.0.0/8"),
            (AddressSet::loopback(), "127.0.0.0/8 and ::1/128"),
            (
                set(&[
                    "10.1.0.0/16",
                    "10.3.0.0/16",
                    "10.5.0.0/16",
                    "10.7.0.0/16",
                    "10.9.0.0/16",
                ]),
                "10.1.0.0/16, 10.3.0.0/16, 10.5.0.0/16 and 2 more ranges",
            ),
            (AddressSet::none(), ""),
        ] {
            assert_eq!(in_words(&addresses), expected);
        }
    }
}
