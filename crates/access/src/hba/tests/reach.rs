//! Everybody at once.

use super::super::{Connection, Reach, Ruleset, Terms};
use super::{TERMS, attempt, databases, graph, ruleset};
use crate::RoleGraph;
use rstest::rstest;

const ROLES: [&str; 5] = [
    "*postgres",
    "app < -staff",
    "ada < -staff",
    "-staff",
    "~standby",
];

/// Each rule as one line: what arrives, or why nothing does.
fn reached(ruleset: &Ruleset, graph: &RoleGraph) -> Vec<String> {
    let databases = databases(&["postgres", "shop", "app", "template0"]);
    let reachability = ruleset.reachability(graph, &databases);
    let line = |(_, _, reach): (_, _, &Reach)| match reach {
        Reach::Nothing(why) => format!("{why:?}"),
        Reach::By(arrivals) => {
            let arrival = arrivals.iter().map(|arrival| {
                let found = ruleset.first_match(&arrival.witness, graph);
                assert!(!arrival.witness_is_certain || found.is_certain());
                let roles: Vec<_> = arrival
                    .roles
                    .iter()
                    .map(|&oid| graph.name(oid).unwrap())
                    .collect();
                let to: Vec<_> = arrival
                    .destinations
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                let about = if arrival.is_approximate { "~" } else { "" };
                let way = match arrival.connection {
                    Connection::Socket => "local".to_owned(),
                    Connection::Clear => format!("clear {}", arrival.addresses),
                    Connection::Tls => format!("tls {}", arrival.addresses),
                    Connection::Gss => format!("gss {}", arrival.addresses),
                };
                format!("{about}{way}: {} to {}", roles.join(" "), to.join(" "))
            });
            arrival.collect::<Vec<_>>().join("; ")
        }
    };
    reachability.rules().map(line).collect()
}

#[test]
fn the_default_file_of_debian() {
    let file = "local all postgres peer
        local all all peer
        host all all 127.0.0.1/32 scram-sha-256
        host all all ::1/128 scram-sha-256
        local replication all peer
        host replication all 127.0.0.1/32 scram-sha-256
        host replication all ::1/128 scram-sha-256";
    let off = Terms {
        tls: false,
        ..TERMS
    };
    let ruleset = Ruleset::new(&super::rows(file), off);
    assert_eq!(
        reached(&ruleset, &graph(&ROLES)),
        [
            "local: postgres to app postgres shop",
            "local: ada app standby to app postgres shop",
            "clear 127.0.0.1/32: ada app postgres standby to app postgres shop",
            "clear ::1/128: ada app postgres standby to app postgres shop",
            "local: postgres standby to replication",
            "clear 127.0.0.1/32: postgres standby to replication",
            "clear ::1/128: postgres standby to replication",
        ]
    );
}

#[test]
fn what_earlier_rules_leave_is_exact() {
    let ruleset = ruleset(
        "hostssl all all 10.0.0.0/9 scram-sha-256
         hostssl all all 10.0.0.0/8 scram-sha-256
         hostssl all app 10.64.0.0/10 trust",
    );
    let lines = reached(&ruleset, &graph(&ROLES));
    assert_eq!(
        lines[0],
        "tls 10.0.0.0/9: ada app postgres standby to app postgres shop"
    );
    assert_eq!(
        lines[1],
        "tls 10.128.0.0/9: ada app postgres standby to app postgres shop"
    );
    assert_eq!(lines[2], "Shadowed({0})");
}

#[test]
fn a_rule_is_shadowed_by_several_that_together_cover_it() {
    let ruleset = ruleset(
        "host all all 10.0.0.0/9 md5
         host all all 10.128.0.0/9 md5
         host all all 192.168.0.0/16 md5
         host all all 10.0.0.0/8 trust",
    );
    assert_eq!(reached(&ruleset, &graph(&ROLES))[3], "Shadowed({0, 1})");
}

#[test]
fn hostssl_alone_does_not_shadow_the_clear_half_of_host() {
    let ruleset = ruleset("hostssl all all all scram-sha-256\nhost all all 10.0.0.0/8 trust");
    let lines = reached(&ruleset, &graph(&ROLES));
    assert_eq!(
        lines[1],
        "clear 10.0.0.0/8: ada app postgres standby to app postgres shop"
    );
    let both =
        super::ruleset("host all all 10.0.0.0/8 scram-sha-256\nhostssl all all 10.1.0.0/16 trust");
    assert_eq!(reached(&both, &graph(&ROLES))[1], "Shadowed({0})");
}

#[test]
fn reject_takes_what_it_matches() {
    let ruleset = ruleset(
        "hostnossl all all 0.0.0.0/0 reject\nhostnossl all all ::/0 reject\nhost all all all scram-sha-256",
    );
    let databases = databases(&["shop"]);
    let graph = graph(&ROLES);
    let reachability = ruleset.reachability(&graph, &databases);
    assert_eq!(reachability.in_clear().count(), 0);
    assert!(
        reachability
            .of(0)
            .unwrap()
            .arrivals()
            .iter()
            .any(|arrival| arrival.connection == Connection::Clear)
    );
    assert!(
        reachability
            .of(2)
            .unwrap()
            .arrivals()
            .iter()
            .all(|arrival| arrival.connection == Connection::Tls)
    );
}

#[test]
fn loopback_and_remote_are_told_apart() {
    let ruleset = ruleset(
        "host all all 127.0.0.1/32 trust\nhost all ada 0.0.0.0/0 trust\nhost all all all scram-sha-256",
    );
    let graph = graph(&ROLES);
    let databases = databases(&["shop"]);
    let reachability = ruleset.reachability(&graph, &databases);
    let passwordless: Vec<String> = reachability
        .passwordless()
        .filter(|(_, arrival)| arrival.connection == Connection::Clear)
        .map(|(rule, arrival)| {
            format!(
                "{} {:?} {} e.g. {}",
                rule.source().line,
                arrival.origin,
                arrival.roles.len(),
                arrival.witness
            )
        })
        .collect();
    assert_eq!(
        passwordless,
        [
            "1 Loopback 4 e.g. ada to shop from 127.0.0.1 by TCP without encryption",
            "2 Loopback 1 e.g. ada to shop from 127.0.0.2 by TCP without encryption",
            "2 Remote 1 e.g. ada to shop from 203.0.113.10 by TCP without encryption",
        ]
    );
}

#[rstest]
#[case::ssl_off("hostssl all all all trust", "NotOffered")]
#[case::no_such_role("host all ghost all trust", "NoRole")]
#[case::group_cannot_log_in("host all staff all trust", "NoRole")]
#[case::group_without_members("host all +ghosts all trust", "NoRole")]
#[case::no_such_database("host ghost all all trust", "NoDestination")]
#[case::closed_database("host template0 all all trust", "NoDestination")]
#[case::sameuser_without_a_pair("host sameuser ada all trust", "NoPair")]
#[case::replication_without_the_attribute("host replication app all trust", "NoPair")]
fn why_a_rule_is_never_reached(#[case] file: &str, #[case] expected: &str) {
    let ruleset = Ruleset::new(
        &super::rows(file),
        Terms {
            tls: false,
            ..TERMS
        },
    );
    assert_eq!(reached(&ruleset, &graph(&ROLES)), [expected]);
}

#[test]
fn sameuser_and_samerole_reach_only_their_pairs() {
    let graph = graph(&["app", "shop < app", "ada"]);
    let ruleset = ruleset("local sameuser all trust\nlocal samerole all md5\nlocal all all peer");
    assert_eq!(
        reached(&ruleset, &graph),
        [
            "local: app shop to app shop",
            "local: shop to app",
            // `ada` for everything; `app` for all but itself; `shop` for `postgres` only.
            "local: ada app shop to app postgres shop",
        ]
    );
    let first = ruleset.first_match(&attempt("shop app local"), &graph);
    assert_eq!(first.rule, Some(1));
}

#[test]
fn what_hangs_on_the_network_shadows_nothing_and_is_marked() {
    let ruleset = ruleset(
        "host all all samehost reject\nhost all all 10.0.0.0/8 trust\nhost all all 10.0.0.0/8 md5",
    );
    let lines = reached(&ruleset, &graph(&ROLES));
    assert!(
        lines[0].starts_with("~clear 127.0.0.0/8, ::1/128"),
        "{}",
        lines[0]
    );
    assert!(lines[1].starts_with("~clear 10.0.0.0/8:"), "{}", lines[1]);
    // Whatever `samehost` is, the second rule takes the rest.
    assert_eq!(lines[2], "Shadowed({1})");
}

#[test]
fn a_witness_outside_the_doubt_is_found() {
    let ruleset = ruleset("host /(?i)^(A|B)$ all 10.0.0.0/8 reject\nhost all all all trust");
    let graph = graph(&["app"]);
    let databases = databases(&["a", "zoo"]);
    let reachability = ruleset.reachability(&graph, &databases);
    for (_, arrival) in reachability.passwordless() {
        assert!(arrival.witness_is_certain);
        assert!(ruleset.first_match(&arrival.witness, &graph).is_certain());
    }
    assert!(
        reachability
            .passwordless()
            .any(|(_, arrival)| arrival.is_approximate)
    );
}

#[test]
fn the_course_of_one_pair_accounts_for_every_address() {
    let ruleset = ruleset(
        "hostssl all all all scram-sha-256\nhost all app 10.0.0.0/8 md5\nhost shop all 10.0.0.0/7 trust",
    );
    let graph = graph(&ROLES);
    let to = attempt("app shop clear").destination;
    let course = ruleset.course("app", &to, Connection::Clear, &graph);
    let steps: Vec<_> = course
        .steps
        .iter()
        .map(|step| (step.rule, step.addresses.to_string()))
        .collect();
    assert_eq!(
        steps,
        [(1, "10.0.0.0/8".to_owned()), (2, "11.0.0.0/8".to_owned())]
    );
    assert!(
        course.rest.contains("9.9.9.9".parse().unwrap())
            && !course.rest.contains("11.0.0.1".parse().unwrap())
    );
}

#[test]
fn thousands_of_roles_and_hundreds_of_rules() {
    let names: Vec<String> = (0..5_000)
        .map(|at| format!("tenant{at} < -group{}", at % 50))
        .collect();
    let groups: Vec<String> = (0..50).map(|at| format!("-group{at}")).collect();
    let roles: Vec<&str> = groups.iter().chain(&names).map(String::as_str).collect();
    let rules: Vec<String> = (0..200)
        .map(|at| match at % 4 {
            0 => format!("host sameuser +group{} 10.{at}.0.0/16 trust", at % 50),
            1 => format!("hostssl all tenant{at} 10.0.0.0/8 md5"),
            2 => format!("host db{at} all 192.168.{at}.0/24 md5"),
            _ => format!("local all +group{} peer", at % 50),
        })
        .collect();
    let ruleset = ruleset(&rules.join("\n"));
    let graph = graph(&roles);
    let names: Vec<String> = (0..300)
        .map(|at| format!("db{at}"))
        .chain((0..300).map(|at| format!("tenant{at}")))
        .collect();
    let databases = databases(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let reachability = ruleset.reachability(&graph, &databases);
    let first = reachability.of(0).unwrap().arrivals();
    assert_eq!(first[0].roles.len(), 6);
    assert_eq!(first[0].destinations.len(), 6);
}
