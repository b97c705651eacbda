//! Small files and what the server would do with them.

mod brute_force;
mod first_match;
mod reach;

use super::{Attempt, Connection, Destination, Ruleset, Terms};
use crate::RoleGraph;
use pgattest_model::ServerVersion;
use pgattest_model::facts::{Database, HbaOption, HbaRule, Membership, Oid, Role};
use std::collections::BTreeMap;

/// A cluster of 16 with TLS and without Kerberos.
const TERMS: Terms = Terms {
    version: ServerVersion(160_014),
    tls: true,
    gss: false,
};

/// The rows that `pg_hba_file_rules` gives for a file, for tests: one rule a line, lists with commas, no quotes.
fn rows(file: &str) -> Vec<HbaRule> {
    let lines = file.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .zip(1..)
        .map(|(line, number)| row(line, number))
        .collect()
}

fn row(line: &str, number: u32) -> HbaRule {
    let mut words = line.split_whitespace();
    let mut word = || words.next().unwrap().to_owned();
    let (kind, databases, users) = (word(), word(), word());
    let address = if kind == "local" {
        String::new()
    } else {
        word()
    };
    let mut method = word();
    let (address, netmask) = match address.split_once('/') {
        // A mask with dots or colons is already one.
        Some((address, mask)) if mask.contains(['.', ':']) => (address.to_owned(), mask.to_owned()),
        Some((_, _)) => {
            let network: ipnet::IpNet = address.parse().unwrap();
            (network.addr().to_string(), network.netmask().to_string())
        }
        None => (address, String::new()),
    };
    let mut error = String::new();
    if method == "BROKEN" {
        method.clear();
        error = "invalid authentication method".to_owned();
    }
    let option = |word: &str| {
        let (name, value) = word.split_once('=').unwrap();
        HbaOption {
            name: name.to_owned(),
            value: value.to_owned(),
            withheld: false,
        }
    };
    HbaRule {
        number: if error.is_empty() { number } else { 0 },
        file: String::new(),
        line: number,
        connection_type: kind,
        databases: databases.split(',').map(str::to_owned).collect(),
        users: users.split(',').map(str::to_owned).collect(),
        address,
        netmask,
        method,
        options: words.map(option).collect(),
        error,
        quoted: None,
    }
}

pub(super) fn ruleset(file: &str) -> Ruleset {
    Ruleset::new(&rows(file), TERMS)
}

/// Roles by name; `*` before the name for a superuser, `~` for one that may replicate, `-` for one that cannot log in. After `<`, its groups.
fn graph(roles: &[&str]) -> RoleGraph {
    let parts: Vec<_> = roles
        .iter()
        .map(|role| role.split_once('<').unwrap_or((role, "")))
        .collect();
    let plain = |name: &str| name.trim().trim_start_matches(['*', '~', '-']).to_owned();
    let oids: BTreeMap<String, Oid> = parts
        .iter()
        .map(|(role, _)| plain(role))
        .zip(20_000..)
        .collect();
    let oid = |name: &str| oids[&plain(name)];
    let role = |(role, _): &(&str, &str)| Role {
        oid: oid(role),
        name: plain(role),
        superuser: role.starts_with('*'),
        inherit: true,
        create_role: false,
        create_db: false,
        can_login: !role.starts_with('-'),
        replication: role.starts_with('~'),
        bypass_rls: false,
        connection_limit: -1,
        valid_until: String::new(),
        expired: false,
    };
    let memberships = parts.iter().flat_map(|(member, groups)| {
        // No option is set: `+group` means every membership.
        groups.split_whitespace().map(|group| Membership {
            role: oid(group),
            member: oid(member),
            grantor: 10,
            admin_option: false,
            inherit_option: false,
            set_option: false,
        })
    });
    let memberships: Vec<_> = memberships.collect();
    RoleGraph::new(
        &parts.iter().map(role).collect::<Vec<_>>(),
        &memberships,
        TERMS.version,
    )
}

fn databases(names: &[&str]) -> Vec<Database> {
    let database = |(name, oid): (&&str, u32)| Database {
        oid,
        name: (*name).to_owned(),
        owner: 10,
        allows_connections: *name != "template0",
        is_template: false,
        may_connect: true,
        connection_limit: -1,
        encoding: "UTF8".to_owned(),
    };
    names.iter().zip(5..).map(database).collect()
}

/// `app shop clear 10.0.0.1`: role, destination, connection, address.
fn attempt(text: &str) -> Attempt {
    let words: Vec<&str> = text.split_whitespace().collect();
    let connection = match words[2] {
        "local" => Connection::Socket,
        "clear" => Connection::Clear,
        "tls" => Connection::Tls,
        "gss" => Connection::Gss,
        other => panic!("no such connection: {other}"),
    };
    let destination = match words[1] {
        "(replication)" => Destination::Replication,
        name => Destination::Database(name.to_owned()),
    };
    let address = words.get(3).map(|address| address.parse().unwrap());
    Attempt {
        connection,
        address,
        destination,
        role: words[0].to_owned(),
    }
}
