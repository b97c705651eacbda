//! The first-match engine against real servers: random files, random attempts, and what the server asks each for.

use crate::knock::answer;
use crate::roles::{collect, rows};
use anyhow::{Context, Result};
use pgattest_access::RoleGraph;
use pgattest_access::hba::{Attempt, Connection, Destination, Ruleset, Terms};
use pgattest_model::ServerVersion;
use pgattest_model::facts::HbaRule;
use pgattest_parse::hba::{NoFiles, parse};
use pgattest_testkit::Random;
use pgattest_testkit::{Cluster, Tls, available_majors};
use std::collections::BTreeMap;

/// The first line of every file, so that the test itself stays in.
const OUR_LINE: &str = "local postgres postgres trust";

const SETUP: &str = "
    CREATE ROLE staff; CREATE ROLE g IN ROLE staff; CREATE ROLE a LOGIN IN ROLE g; CREATE ROLE b LOGIN IN ROLE staff;
    CREATE ROLE shop LOGIN IN ROLE a; CREATE ROLE h LOGIN NOINHERIT IN ROLE g; CREATE ROLE root2 LOGIN SUPERUSER;
    CREATE ROLE standby LOGIN REPLICATION; CREATE DATABASE shop; CREATE DATABASE a; CREATE DATABASE staff;
    CREATE ROLE \"all\" LOGIN; CREATE ROLE \"+g\" LOGIN; CREATE DATABASE \"all\"; CREATE DATABASE \"replication\"; CREATE DATABASE ghost;";
const DATABASES: [&str; 7] = [
    "postgres",
    "shop",
    "a",
    "staff",
    "all",
    "replication",
    "ghost",
];
const ROLES: [&str; 10] = [
    "postgres", "root2", "a", "b", "shop", "h", "standby", "ghost", "all", "+g",
];
const SOURCES: [&str; 9] = [
    "127.0.0.1",
    "127.0.0.2",
    "127.1.2.3",
    "127.1.2.127",
    "127.1.2.128",
    "127.127.255.255",
    "127.128.0.1",
    "127.255.255.254",
    "::1",
];

#[test]
fn the_server_asks_for_what_the_first_match_says() -> Result<()> {
    let majors = available_majors();
    assert!(
        !majors.is_empty(),
        "no PostgreSQL is installed: run script/bootstrap"
    );
    let mut seen = BTreeMap::new();
    for major in majors {
        let files = if major == 15 { 40 } else { 6 };
        let cluster = Cluster::builder(major)
            .tls(Tls::new())
            .hba(&format!("{OUR_LINE}\n"))
            .start_blocking()?;
        cluster.execute_blocking("postgres", SETUP)?;
        let graph = collect(&cluster)?;
        for seed in 0..files {
            let mut random = Random::new(u64::from(major) * 1000 + seed);
            let file = file(&mut random, major);
            cluster.write_hba(&file)?;
            cluster.reload()?;
            // The server's view cannot tell a quoted keyword; the text can.
            let by_view = understand(&cluster, &graph)?;
            let by_text = Ruleset::new(
                &parse("pg_hba.conf", &file, graph.version(), &NoFiles).rows(),
                by_view.terms(),
            );
            assert!(
                by_view.invalid().is_empty() && by_text.invalid().is_empty(),
                "PostgreSQL {major} refuses:\n{file}"
            );
            for _ in 0..30 {
                let attempt = attempt(&mut random);
                let theirs = answer(&cluster, &attempt)?;
                let without_roles = by_text.first_match_without_roles(&attempt);
                let may: Vec<_> = without_roles
                    .candidates()
                    .map(|at| method(&by_text, Some(at)))
                    .collect();
                let refused = without_roles.rule.is_none() && theirs == "none";
                assert!(
                    may.contains(&theirs) || refused,
                    "PostgreSQL {major}, {attempt}: {theirs}, not {may:?} without roles, with\n{file}"
                );
                let ruleset = if file.contains('"') {
                    &by_text
                } else {
                    &by_view
                };
                let found = ruleset.first_match(&attempt, &graph);
                let ours: Vec<&str> = if found.is_certain() {
                    vec![method(ruleset, found.rule)]
                } else {
                    let maybe = found.maybe.iter().map(|&at| method(ruleset, Some(at)));
                    maybe.chain([method(ruleset, found.rule)]).collect()
                };
                assert!(
                    ours.contains(&theirs),
                    "PostgreSQL {major}, {attempt}: {theirs}, not {ours:?}, with\n{file}"
                );
                if found.is_certain() {
                    *seen.entry(theirs).or_insert(0) += 1;
                }
            }
        }
    }
    // Each of the five answers came often enough to mean something.
    assert!(
        seen.len() == 5 && seen.values().all(|&times| times > 50),
        "{seen:?}"
    );
    Ok(())
}

fn file(random: &mut Random, major: u32) -> String {
    let mut lines = vec![OUR_LINE.to_owned()];
    let quotes = random.percent(40);
    for _ in 0..3 + random.below(12) {
        let kind = random.pick(&[
            "local",
            "host",
            "host",
            "hostssl",
            "hostnossl",
            "hostnogssenc",
        ]);
        let mut databases = vec![
            "all",
            "all",
            "all",
            "all",
            "all",
            "sameuser",
            "samerole",
            "samegroup",
            "replication",
            "shop",
            "a",
            "staff",
            "postgres,shop",
            "all,replication",
        ];
        let mut users = vec![
            "all",
            "all",
            "all",
            "all",
            "a",
            "b",
            "shop,h",
            "root2",
            "standby",
            "+g",
            "+staff",
            "+a",
            "+nobody",
            "+g,standby",
        ];
        if major >= 16 {
            databases.extend(["/^s", "/.*", "/p$", "/^(a|shop)$", "/(?i)^SHOP$", "/^.{4}$"]);
            users.extend(["/^r", "/^[ab]$", "/.*o.*", "/^[[:alpha:]]+\\d?$", "/^\\+"]);
        }
        if quotes {
            databases.extend([
                "\"all\"",
                "\"sameuser\"",
                "\"replication\"",
                "\"a\",\"shop\"",
                "a\"ll\"",
            ]);
            users.extend(["\"all\"", "\"+g\"", "\"a\"", "+\"g\""]);
            if major >= 16 {
                users.push("\"/^.{1,2}$\"");
            }
        }
        let address = random.pick(&[
            "all",
            "all",
            "0.0.0.0/0",
            "::/0",
            "127.0.0.0/8",
            "127.0.0.0/9",
            "127.128.0.0/9",
            "127.0.0.1/32",
            "127.1.2.0/25",
            "127.1.2.3 255.255.255.0",
            "127.0.0.1 255.0.0.255",
            "::1/128",
            "10.0.0.0/8",
            "samehost",
            "samenet",
        ]);
        let address = if *kind == "local" { "" } else { address };
        let method = random.pick(&[
            "trust",
            "trust",
            "reject",
            "reject",
            "password",
            "scram-sha-256",
        ]);
        lines.push(format!(
            "{kind} {} {} {address} {method}",
            random.pick(&databases),
            random.pick(&users)
        ));
    }
    lines.join("\n") + "\n"
}

fn attempt(random: &mut Random) -> Attempt {
    let connection = *random.pick(&[
        Connection::Socket,
        Connection::Clear,
        Connection::Clear,
        Connection::Tls,
    ]);
    let destination = if random.percent(15) {
        Destination::Replication
    } else {
        Destination::Database((*random.pick(&DATABASES)).to_owned())
    };
    let address =
        (connection != Connection::Socket).then(|| random.pick(&SOURCES).parse().unwrap());
    Attempt {
        connection,
        address,
        destination,
        role: (*random.pick(&ROLES)).to_owned(),
    }
}

fn understand(cluster: &Cluster, graph: &RoleGraph) -> Result<Ruleset> {
    let number = if cluster.major() >= 16 {
        "coalesce(rule_number, 0)"
    } else {
        "row_number() OVER (ORDER BY line_number)"
    };
    let answer = rows(
        cluster,
        &format!(
            "SELECT {number}, line_number, coalesce(type, ''), array_to_string(database, ' '),
                    array_to_string(user_name, ' '), coalesce(address, ''), coalesce(netmask, ''),
                    coalesce(auth_method, ''), coalesce(error, '')
             FROM pg_hba_file_rules"
        ),
    )?;
    let list = |text: &str| text.split(' ').map(str::to_owned).collect();
    let rule = |row: &Vec<String>| -> Result<HbaRule> {
        Ok(HbaRule {
            number: row[0].parse().context("number")?,
            file: String::new(),
            line: row[1].parse().context("line")?,
            connection_type: row[2].clone(),
            databases: list(&row[3]),
            users: list(&row[4]),
            address: row[5].clone(),
            netmask: row[6].clone(),
            method: row[7].clone(),
            options: Vec::new(),
            error: row[8].clone(),
            quoted: None,
        })
    };
    let rules = answer.iter().map(rule).collect::<Result<Vec<_>>>()?;
    let version: ServerVersion = graph.version();
    Ok(Ruleset::new(
        &rules,
        Terms {
            version,
            tls: true,
            gss: true,
        },
    ))
}

fn method(ruleset: &Ruleset, rule: Option<usize>) -> &str {
    rule.and_then(|at| ruleset.rule(at))
        .map_or("none", |rule| rule.method())
}
