//! The interval engine against the one that tries one attempt at a time, over every boundary address of every rule.

use super::super::{AddressSet, Attempt, Connection, Destination, Ruleset, Terms};
use super::{TERMS, databases, graph, rows};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::IpAddr;

const ROLES: [&str; 7] = [
    "*root", "a < -g", "b < -g h", "-g < -x", "h", "x", "~rep < a",
];
const DATABASES: [&str; 4] = ["a", "h", "shop", "x"];

fn rule() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec![
        "local",
        "host",
        "host",
        "hostssl",
        "hostnossl",
        "hostgssenc",
        "hostnogssenc",
    ]);
    let list = |words: &'static [&'static str]| {
        prop::collection::vec(prop::sample::select(words), 1..3).prop_map(|words| words.join(","))
    };
    let database = list(&[
        "all",
        "sameuser",
        "samerole",
        "replication",
        "a",
        "shop",
        "h",
        "/^s",
        "/^(a|x)$",
    ]);
    let user = list(&[
        "all", "+g", "+h", "+a", "a", "b", "rep", "root", "/^r", "/[ab]", "ghost",
    ]);
    let address = prop::sample::select(vec![
        "all",
        "0.0.0.0/0",
        "::/0",
        "0.0.0.0/1",
        "10.0.0.0/8",
        "10.0.0.0/9",
        "10.128.0.0/9",
        "10.1.2.3/32",
        "127.0.0.0/8",
        "127.0.0.1/32",
        "128.0.0.0/1",
        "255.255.255.255/32",
        "::1/128",
        "8000::/1",
        "fe80::/10",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
        "10.0.0.1/255.0.0.255",
        "samehost",
        "samenet",
        "host.example",
    ]);
    let method = prop::sample::select(vec!["trust", "reject", "md5"]);
    (kind, database, user, address, method).prop_map(|(kind, database, user, address, method)| {
        match kind {
            "local" => format!("local {database} {user} {method}"),
            _ => format!("{kind} {database} {user} {address} {method}"),
        }
    })
}

/// Every first and last address of every rule, its neighbours, and the ends of both families.
fn boundaries(ruleset: &Ruleset) -> BTreeSet<IpAddr> {
    let mut all = BTreeSet::new();
    let sets = ruleset
        .rules()
        .iter()
        .flat_map(|rule| [rule.peer.sure(), rule.peer.possible()]);
    for range in sets
        .chain([AddressSet::all(), AddressSet::loopback()])
        .flat_map(|set| set.ranges().collect::<Vec<_>>())
    {
        for address in [range.first(), range.last()] {
            all.insert(address);
            all.extend(neighbours(address));
        }
    }
    all
}

fn neighbours(address: IpAddr) -> [IpAddr; 2] {
    match address {
        IpAddr::V4(v4) => [
            v4.to_bits().saturating_sub(1),
            v4.to_bits().saturating_add(1),
        ]
        .map(|bits| bits.to_be_bytes().into()),
        IpAddr::V6(v6) => [
            v6.to_bits().saturating_sub(1),
            v6.to_bits().saturating_add(1),
        ]
        .map(|bits| bits.to_be_bytes().into()),
    }
}

fn attempts(ruleset: &Ruleset) -> Vec<Attempt> {
    let addresses = boundaries(ruleset);
    let destinations = DATABASES
        .iter()
        .map(|name| Destination::Database((*name).to_owned()))
        .chain([Destination::Replication]);
    let mut all = Vec::new();
    for destination in destinations {
        for role in ["root", "a", "b", "h", "x", "rep"] {
            if destination == Destination::Replication && !matches!(role, "root" | "rep") {
                continue;
            }
            let attempt = |connection, address| Attempt {
                connection,
                address,
                destination: destination.clone(),
                role: role.to_owned(),
            };
            all.push(attempt(Connection::Socket, None));
            for connection in [Connection::Clear, Connection::Tls, Connection::Gss] {
                all.extend(
                    addresses
                        .iter()
                        .map(|&address| attempt(connection, Some(address))),
                );
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reachability_is_first_match_for_everybody_at_once(
        lines in prop::collection::vec(rule(), 0..10),
        tls in any::<bool>(),
        gss in any::<bool>(),
    ) {
        let graph = graph(&ROLES);
        let ruleset = Ruleset::new(&rows(&lines.join("\n")), Terms { tls, gss, ..TERMS });
        let databases = databases(&DATABASES);
        let reachability = ruleset.reachability(&graph, &databases);

        // A mask with holes decides one address but no interval: with one in the file, reachability may list more than happens.
        let scattered = lines.iter().any(|line| line.contains("255.0.0.255"));
        let mut arrived = vec![false; ruleset.rules().len()];
        for attempt in attempts(&ruleset) {
            let found = ruleset.first_match(&attempt, &graph);
            let course = ruleset.course(&attempt.role, &attempt.destination, attempt.connection, &graph);
            let role = graph.named(&attempt.role).unwrap().oid;
            for at in found.candidates() {
                arrived[at] = true;
                let listed = reachability.of(at).unwrap().arrivals().iter().any(|arrival| {
                    arrival.connection == attempt.connection
                        && arrival.roles.contains(&role)
                        && arrival.destinations.contains(&attempt.destination)
                        && attempt.address.is_none_or(|address| arrival.addresses.contains(address))
                });
                prop_assert!(listed, "{attempt} may be decided by rule {at}, which does not list it");
            }
            for step in &course.steps {
                let here = attempt.address.is_none_or(|address| step.addresses.contains(address));
                let certain = attempt.address.map_or(step.is_certain, |address| step.certain.contains(address));
                prop_assert!(scattered || !here || found.candidates().any(|at| at == step.rule), "{attempt}: rule {} is not met", step.rule);
                prop_assert!(!certain || (found.is_certain() && found.rule == Some(step.rule)), "{attempt}: rule {} is not certain", step.rule);
            }
            if let Some(address) = attempt.address {
                prop_assert!(scattered || found.rule.is_none() == course.rest.contains(address), "{attempt}: the rest");
            }
        }

        for (at, _, reach) in reachability.rules() {
            // The boundary addresses meet every rule that can be met.
            prop_assert!(scattered || arrived[at] != reach.arrivals().is_empty(), "rule {at}: {reach:?}");
            for arrival in reach.arrivals() {
                let found = ruleset.first_match(&arrival.witness, &graph);
                prop_assert!(scattered || found.candidates().any(|candidate| candidate == at), "{}", arrival.witness);
                if arrival.witness_is_certain {
                    prop_assert!(found.is_certain() && found.rule == Some(at), "{}", arrival.witness);
                }
            }
        }
    }
}
