//! Small files, and what the checks find in them. The specs do the same against servers; here are the cases that a server which
//! listens on the loopback only cannot show.

use super::engine::Engine;
use super::{open_addresses, password_in_clear, reachable_in_clear, reachable_trust};
use crate::transport::Listening;
use pgattest_access::RoleGraph;
use pgattest_access::hba::Terms;
use pgattest_model::facts::{Database, HbaOption, HbaRule, Role};
use pgattest_model::policy::Transport;
use pgattest_model::{Finding, ServerVersion};

const VERSION: ServerVersion = ServerVersion(180_004);

/// The rows that `pg_hba_file_rules` gives for a file: one rule a line, lists with commas, no quotes.
fn rows(file: &str) -> Vec<HbaRule> {
    file.lines()
        .map(str::trim)
        .zip(1..)
        .filter(|(line, _)| !line.is_empty())
        .map(|(line, number)| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let mut word = || words.next().unwrap();
            let (kind, databases, users) = (word(), word(), word());
            let address = if kind == "local" {
                String::new()
            } else {
                word()
            };
            let (address, netmask) = match address.parse::<ipnet::IpNet>() {
                Ok(network) => (network.addr().to_string(), network.netmask().to_string()),
                Err(_) => (address, String::new()),
            };
            let list = |text: &str| text.split(',').map(str::to_owned).collect();
            HbaRule {
                number,
                file: String::new(),
                line: number,
                connection_type: kind,
                databases: list(&databases),
                users: list(&users),
                address,
                netmask,
                method: word(),
                options: words
                    .map(|option| {
                        let (name, value) = option.split_once('=').unwrap();
                        HbaOption {
                            name: name.to_owned(),
                            value: value.to_owned(),
                            withheld: false,
                        }
                    })
                    .collect(),
                error: String::new(),
                quoted: None,
            }
        })
        .collect()
}

fn graph() -> RoleGraph {
    let role = |(name, oid): (&str, u32)| Role {
        oid,
        name: name.to_owned(),
        superuser: oid == Role::BOOTSTRAP,
        inherit: true,
        create_role: false,
        create_db: false,
        can_login: true,
        replication: false,
        bypass_rls: false,
        connection_limit: -1,
        valid_until: String::new(),
        expired: false,
    };
    let roles = [("postgres", 10), ("app", 20_001), ("a\nb", 20_002)].map(role);
    RoleGraph::new(&roles, &[], VERSION)
}

fn engine(file: &str, tls: bool, listening: Listening) -> Engine {
    let databases = ["postgres", "shop"].map(|name| Database {
        oid: 5,
        name: name.to_owned(),
        owner: 10,
        allows_connections: true,
        is_template: false,
        may_connect: true,
        connection_limit: -1,
        encoding: "UTF8".to_owned(),
    });
    let terms = Terms {
        version: VERSION,
        tls,
        gss: true,
    };
    Engine::new(&rows(file), terms, &graph(), &databases, listening)
}

fn on_the_network(file: &str) -> Engine {
    engine(file, true, Listening::Network)
}

fn said(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|finding| format!("{} {}", finding.severity, finding.detail))
        .collect()
}

fn trusting(engine: &Engine) -> Vec<String> {
    said(&reachable_trust::findings(engine, &graph()))
}

fn clear(engine: &Engine) -> Vec<String> {
    said(&reachable_in_clear::findings(engine, &graph()))
}

fn passwords(engine: &Engine) -> Vec<String> {
    said(&password_in_clear::findings(engine, &graph()))
}

fn open(engine: &Engine, trusted: &[&str]) -> Vec<String> {
    let policy = Transport {
        minimum_tls: None,
        trusted_networks: trusted.iter().map(|&network| network.to_owned()).collect(),
        ..Transport::default()
    };
    said(&open_addresses::findings(engine, &policy))
}

#[test]
fn trust_is_as_bad_as_its_way_is_long() {
    let engine = on_the_network(
        "local all postgres trust
         local all app trust
         host shop app 127.0.0.1/32 trust
         host shop app samehost trust
         host shop app localhost trust
         host all all 10.0.0.0/8 trust
         host shop app db.example.com trust
         hostssl all all all trust clientcert=verify-full",
    );
    assert_eq!(
        trusting(&engine),
        [
            "high pg_hba.conf:1 lets role postgres (superuser) into 2 databases without a password over the Unix socket, for \
             example postgres to postgres by Unix socket",
            "medium pg_hba.conf:2 lets role app into 2 databases without a password over the Unix socket, for example app to \
             shop by Unix socket",
            "medium pg_hba.conf:3 lets role app into shop without a password from 127.0.0.1/32, for example app to shop from \
             127.0.0.1 by TCP without encryption",
            "medium pg_hba.conf:4 may let role app into shop without a password from the server's own addresses",
            "medium pg_hba.conf:5 may let role app into shop without a password from hosts named localhost",
            "critical pg_hba.conf:6 lets roles \"a\\u{a}b\", app and postgres (superuser) into 2 databases without a password \
             from 10.0.0.0/8, for example postgres to postgres from 10.0.0.10 by TCP without encryption",
            "critical pg_hba.conf:7 may let role app into shop without a password from hosts named db.example.com",
        ]
    );
}

#[test]
fn a_certificate_or_ticket_of_anybody_is_half_a_proof() {
    let engine = on_the_network(
        "hostgssenc all app 10.0.0.0/8 trust
         hostssl all app all trust clientcert=verify-ca
         host all app all reject",
    );
    let found = trusting(&engine);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].starts_with("medium pg_hba.conf:1")
            && found[0].contains("a Kerberos ticket that need not name the role"),
        "{}",
        found[0]
    );
    assert!(
        found[1].starts_with("medium pg_hba.conf:2")
            && found[1].contains("a certificate that need not name the role"),
        "{}",
        found[1]
    );
}

#[test]
fn what_listen_addresses_holds_back_is_one_step_less_and_says_so() {
    let file = "host shop app all trust";
    let severities = [
        (Listening::Network, "critical", ""),
        (
            Listening::Loopback,
            "high",
            "; only listen_addresses, which has no address but the loopback now, stands before it",
        ),
        (
            Listening::Nowhere,
            "high",
            "; only listen_addresses, which is empty now, stands before it",
        ),
    ];
    for (listening, severity, caveat) in severities {
        let example = "for example app to shop from 203.0.113.10 by TCP without encryption";
        assert_eq!(
            trusting(&engine(file, false, listening)),
            [format!(
                "{severity} pg_hba.conf:1 lets role app into shop without a password from any address, {example}{caveat}"
            )]
        );
    }
    let local = "host shop app 127.0.0.1/32 trust";
    assert!(trusting(&engine(local, false, Listening::Loopback))[0].starts_with("medium"));
    assert!(trusting(&engine(local, false, Listening::Nowhere))[0].starts_with("low"));
}

#[test]
fn every_way_in_clear_from_another_machine_is_found_once_a_rule() {
    let engine = on_the_network(
        "hostssl all app 10.0.0.0/8 scram-sha-256
         hostnossl all app 10.1.0.0/16 reject
         host all app 10.0.0.0/8 scram-sha-256
         host all all 127.0.0.1/32 scram-sha-256
         host all all samehost scram-sha-256
         local all all peer
         hostgssenc all all all gss
         hostssl all all all scram-sha-256",
    );
    assert_eq!(
        clear(&engine),
        [
            "high pg_hba.conf:3 lets role app into 2 databases without encryption from 10.0.0.0/16 and 10.2.0.0-10.255.255.255, \
             for example app to postgres from 10.0.0.10 by TCP without encryption, although pg_hba.conf:1 asks the same \
             clients for TLS"
        ]
    );
}

#[test]
fn refusing_clear_text_first_leaves_nothing() {
    let refusing = on_the_network(
        "hostnossl all all all reject
         host all all all scram-sha-256",
    );
    // `hostnossl` takes GSSAPI encryption too; what it refuses more is no fault.
    assert_eq!(clear(&refusing), [""; 0]);
    let too_late = on_the_network(
        "host all all all scram-sha-256
         hostnossl all all all reject",
    );
    assert_eq!(clear(&too_late).len(), 1);
    let one_family = on_the_network(
        "hostnossl all all 0.0.0.0/0 reject
         host all app all scram-sha-256",
    );
    assert_eq!(
        clear(&one_family),
        [
            "high pg_hba.conf:2 lets role app into 2 databases without encryption from any IPv6 address of another machine, for \
             example app to postgres from 2001:db8::10 by TCP without encryption"
        ]
    );
}

#[test]
fn without_tls_hostssl_takes_nobody() {
    let off = engine(
        "hostssl all all all scram-sha-256
         host all app 10.0.0.0/8 scram-sha-256",
        false,
        Listening::Network,
    );
    let graph = graph();
    let found = reachable_in_clear::findings(&off, &graph);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].subject.name, "pg_hba.conf:2");
    assert!(found[0].remediation.contains("turn ssl on"));
    assert!(!found[0].detail.contains("although"));
}

#[test]
fn a_password_in_clear_is_worst_on_the_network() {
    let engine = on_the_network(
        "local all all password
         host all all 127.0.0.1/32 ldap
         hostssl shop app 10.0.0.0/16 password
         hostssl shop app 10.1.0.0/16 pam
         host shop app 10.2.0.0/16 ldap
         host shop app 10.3.0.0/16 oauth
         host shop app 10.4.0.0/16 scram-sha-256
         hostgssenc shop app 10.5.0.0/16 radius
         host shop app 10.0.0.0/8 password",
    );
    let found = passwords(&engine);
    let starts: Vec<_> = found
        .iter()
        .map(|text| text.split(" lets ").next().unwrap())
        .collect();
    assert_eq!(
        starts,
        [
            "low pg_hba.conf:1",
            "medium pg_hba.conf:3",
            "critical pg_hba.conf:5",
            "critical pg_hba.conf:6",
            "critical pg_hba.conf:9",
        ]
    );
    assert!(found[3].contains("with a token sent in clear (method oauth)"));
    assert!(found[4].contains("with a password sent in clear (method password)"));
}

#[test]
fn addresses_nobody_declared_are_found_by_their_width() {
    let engine = on_the_network(
        "hostssl postgres all 198.52.0.0/16 scram-sha-256
         hostssl postgres all 198.50.0.0/15 scram-sha-256
         hostssl postgres all 10.0.0.0/8 scram-sha-256
         hostssl postgres all fd00::/32 scram-sha-256
         hostssl postgres all fe80::/10 scram-sha-256
         hostssl postgres all samenet scram-sha-256
         hostssl postgres all .example.com scram-sha-256
         hostssl postgres all 0.0.0.0/0 reject
         hostssl postgres all 0.0.0.0/0 scram-sha-256
         hostssl shop app 0.0.0.0/0 cert
         hostssl shop postgres ::/0 scram-sha-256",
    );
    assert_eq!(
        open(&engine, &[]),
        [
            "high pg_hba.conf:2 admits 198.50.0.0/15",
            "medium pg_hba.conf:3 admits 10.0.0.0/8",
            "medium pg_hba.conf:4 admits fd00::/32",
            "medium pg_hba.conf:6 admits samenet, every network that the server has an address in",
            "low pg_hba.conf:10 admits any IPv4 address",
            "high pg_hba.conf:11 admits any IPv6 address",
        ]
    );
    let trusted = [
        "10.0.0.0/7",
        "fd00::/16",
        "::/0",
        "198.50.0.0/16",
        "198.51.0.0/17",
    ];
    assert_eq!(
        open(&engine, &trusted),
        [
            "medium pg_hba.conf:6 admits samenet, every network that the server has an address in",
            "low pg_hba.conf:10 admits any IPv4 address",
        ]
    );
}

#[test]
fn what_counts_is_what_earlier_rules_leave() {
    let engine = on_the_network(
        "hostssl all all 10.0.0.0/9 reject
         hostssl all all 10.128.0.0/10 reject
         hostssl all all 10.192.0.0/11 reject
         hostssl all all 10.224.0.0/12 reject
         hostssl all all 10.240.0.0/13 reject
         hostssl all all 10.248.0.0/14 reject
         hostssl all all 10.252.0.0/15 reject
         hostssl all all 10.0.0.0/8 scram-sha-256",
    );
    assert_eq!(
        open(&engine, &[]),
        ["medium pg_hba.conf:8 admits 10.254.0.0/15"]
    );
    let less = on_the_network(
        "hostssl all all 10.0.0.0/9 reject
         hostssl all all 10.128.0.0/9 reject
         hostssl all all 10.0.0.0/7 scram-sha-256
         hostssl all all 10.0.0.0/8 scram-sha-256",
    );
    assert_eq!(open(&less, &[]), ["high pg_hba.conf:3 admits 11.0.0.0/8"]);
}

#[test]
fn an_ipv6_twin_may_admit_no_more_than_the_rule_for_ipv4() {
    let engine = on_the_network(
        "hostssl shop app 10.0.0.5/32 scram-sha-256
         hostssl shop app 2001:db8:1::/48 scram-sha-256
         hostssl postgres app 10.0.0.5/32 scram-sha-256
         hostssl postgres app 2001:db8:1:1::/64 scram-sha-256
         hostssl postgres postgres 10.1.0.0/16 scram-sha-256
         hostssl postgres postgres 2001:db8:1::/48 scram-sha-256
         hostssl shop postgres 10.1.0.0/16 scram-sha-256
         hostssl shop postgres ::/0 scram-sha-256",
    );
    assert_eq!(
        open(&engine, &[]),
        [
            "medium pg_hba.conf:2 admits 2001:db8:1::/48, while pg_hba.conf:1, the same rule for IPv4, admits 10.0.0.5/32",
            "high pg_hba.conf:8 admits any IPv6 address, while pg_hba.conf:7, the same rule for IPv4, admits 10.1.0.0/16",
        ]
    );
}
