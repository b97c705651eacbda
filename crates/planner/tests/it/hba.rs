//! Who is refused: what the simulation says, and what the server does with the same file.

use anyhow::{Context as _, Result, ensure};
use pgattest_access::RoleGraph;
use pgattest_access::hba::{Ruleset, Terms};
use pgattest_collect::{Limits, collect};
use pgattest_model::plan::{Action, FactsDigest, ImpactKind, Plan, PlanTarget};
use pgattest_model::{Facts, Policy, ServerVersion};
use pgattest_parse::hba::{NoFiles, parse};
use pgattest_planner::simulate::{Fate, Simulation, attempt, words};
use pgattest_planner::{Login, Options, Origin, plan};
use pgattest_testkit as testkit;
use pgattest_testkit::{Cluster, Random, SUPERUSER, SUPERUSER_PASSWORD, Tls, available_majors};
use pgattest_wire::{ConnectOptions, ProcessEnv};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The first line of every file, so that the test itself stays in.
const OUR_LINE: &str = "local all postgres scram-sha-256";

const SETUP: &str = r#"
    SET password_encryption = 'scram-sha-256';
    CREATE ROLE new LOGIN PASSWORD 'spec-only';
    CREATE ROLE "o""d'd é" LOGIN PASSWORD 'spec-only';
    CREATE ROLE late LOGIN PASSWORD 'spec-only' VALID UNTIL '2001-01-01';
    CREATE ROLE boss SUPERUSER LOGIN PASSWORD 'spec-only';
    SET password_encryption = 'md5';
    CREATE ROLE old LOGIN PASSWORD 'spec-only';
    CREATE ROLE bare LOGIN;
    CREATE ROLE staff; GRANT staff TO old, new;
    CREATE DATABASE shop;
"#;
const ROLES: [&str; 6] = ["new", "o\"d'd é", "late", "boss", "old", "bare"];
const DATABASES: [&str; 2] = ["postgres", "shop"];

#[test]
fn the_simulation_says_what_the_server_does() -> Result<()> {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    on_each(|cluster, runtime| {
        let facts = runtime.block_on(facts(cluster))?;
        let (graph, passwords) = (graph(&facts)?, passwords(&facts)?);
        for seed in 0..4 {
            let mut random = Random::new(u64::from(cluster.major()) * 1000 + seed);
            let file = file(&mut random);
            cluster.write_hba(&file)?;
            cluster.reload()?;
            let rules = rules(&file, graph.version());
            let simulation = Simulation::new(&rules, &graph, Some(&passwords));
            for login in logins() {
                let gets_in = runtime.block_on(gets_in(cluster, &login));
                let fate = simulation.fate(&attempt(&login));
                let expected = match &fate {
                    Fate::Admitted => true,
                    Fate::Refused(_) => false,
                    Fate::Unknown(_) => continue,
                };
                ensure!(
                    gets_in == expected,
                    "PostgreSQL {}, {}{}: {fate:?}, but the server says {gets_in}, with\n{file}",
                    cluster.major(),
                    words(&login),
                    if login.tls { " by TLS" } else { "" }
                );
                *seen.entry(if gets_in { "in" } else { "out" }).or_default() += 1;
            }
        }
        Ok(())
    })?;
    ensure!(seen.values().all(|&times| times > 100), "{seen:?}");
    Ok(())
}

#[test]
fn a_plan_names_exactly_those_whom_the_new_file_refuses() -> Result<()> {
    let (mut files, mut refused) = (0, 0);
    on_each(|cluster, runtime| {
        for seed in 0..3 {
            let mut random = Random::new(u64::from(cluster.major()) * 77_000 + seed);
            let file = file(&mut random);
            cluster.write_hba(&file)?;
            cluster.reload()?;
            let before: Vec<Login> = logins()
                .into_iter()
                .filter(|login| runtime.block_on(gets_in(cluster, login)))
                .collect();
            let plan = runtime.block_on(planned(cluster, &file, &before))?;
            let Some((text, change)) =
                plan.changes.iter().find_map(|change| match &change.action {
                    Action::File { text, .. } => Some((text, change)),
                    _ => None,
                })
            else {
                continue;
            };
            files += 1;
            cluster.write_hba(text)?;
            cluster.reload()?;
            let told = |kind: ImpactKind| -> BTreeSet<&str> {
                let told = change.impact.iter().filter(|impact| impact.kind == kind);
                told.map(|impact| impact.subject.as_str()).collect()
            };
            let (lost, unknown) = (told(ImpactKind::LoginRefused), told(ImpactKind::Unknown));
            // Clear text and TLS from one address are called the same.
            let mut names: BTreeMap<String, Vec<bool>> = BTreeMap::new();
            for login in &before {
                let still = runtime.block_on(gets_in(cluster, login));
                names.entry(words(login)).or_default().push(still);
            }
            for (name, still) in names {
                let show = || {
                    format!(
                        "PostgreSQL {}, {name}, {still:?}, {:#?}\n{file}\nbecomes\n{text}",
                        cluster.major(),
                        change.impact
                    )
                };
                if still.contains(&false) {
                    ensure!(lost.contains(name.as_str()), "not told: {}", show());
                    refused += 1;
                } else if !unknown.contains(name.as_str()) {
                    ensure!(!lost.contains(name.as_str()), "told in vain: {}", show());
                }
            }
            // The way in of whoever made the plan.
            ensure!(
                runtime.block_on(cluster.client("postgres")).is_ok(),
                "locked out by\n{text}"
            );
        }
        Ok(())
    })?;
    ensure!(files > 6 && refused > 6, "{files} files, {refused} refused");
    Ok(())
}

fn on_each(test: impl OfCluster) -> Result<()> {
    let mut test = test;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let majors: Vec<u32> = available_majors()
        .into_iter()
        .filter(|major| [13, 15, 18].contains(major))
        .collect();
    ensure!(
        !majors.is_empty(),
        "no PostgreSQL is installed: run script/bootstrap"
    );
    for major in majors {
        let cluster = Cluster::builder(major)
            .tls(Tls::new())
            .hba(&format!("{OUR_LINE}\n"))
            .start_blocking()?;
        cluster.execute_blocking("postgres", SETUP)?;
        test(&cluster, &runtime)?;
    }
    Ok(())
}

/// A test of one cluster.
trait OfCluster: FnMut(&Cluster, &tokio::runtime::Runtime) -> Result<()> {}
impl<T: FnMut(&Cluster, &tokio::runtime::Runtime) -> Result<()>> OfCluster for T {}

/// Every role by every road to every database.
fn logins() -> Vec<Login> {
    let mut logins = Vec::new();
    for role in ROLES {
        for database in DATABASES {
            for (address, tls) in [
                (None, false),
                (Some("127.0.0.1"), false),
                (Some("127.0.0.1"), true),
            ] {
                logins.push(Login {
                    role: role.to_owned(),
                    database: database.to_owned(),
                    address: address.map(|address| address.parse().unwrap()),
                    tls,
                    replication: false,
                    last_seen: "2026-11-23".to_owned(),
                    count: 1,
                });
            }
        }
    }
    logins
}

/// With the right password, where there is one.
async fn gets_in(cluster: &Cluster, login: &Login) -> bool {
    let mut tried = testkit::Login::new(&login.role).database(&login.database);
    if login.role != "bare" {
        tried = tried.password("spec-only");
    }
    tried = match (login.address, login.tls) {
        (None, _) => tried,
        (Some(_), false) => tried.tcp(),
        (Some(_), true) => tried.tls(),
    };
    cluster.connect(&tried).await.is_ok()
}

fn file(random: &mut Random) -> String {
    let mut lines = vec![OUR_LINE.to_owned()];
    for _ in 0..2 + random.below(8) {
        let kind = *random.pick(&[
            "local",
            "local",
            "host",
            "host",
            "host",
            "hostssl",
            "hostnossl",
            "hostnogssenc",
        ]);
        let database = random.pick(&["all", "all", "all", "shop", "postgres,shop", "sameuser"]);
        let user = random.pick(&[
            "all",
            "all",
            "+staff",
            "old,bare",
            "new",
            "\"o\"\"d'd é\"",
            "late,boss",
            "boss",
        ]);
        let address = random.pick(&[
            "all",
            "0.0.0.0/0",
            "127.0.0.0/8",
            "127.0.0.1  255.255.255.255",
            "10.0.0.0/8",
            "samehost",
            "samenet",
        ]);
        let address = if kind == "local" { "" } else { address };
        let method = random.pick(&[
            "trust",
            "trust",
            "password",
            "md5",
            "md5",
            "scram-sha-256",
            "reject",
        ]);
        let comment = random.pick(&["", "", "  # why", "\n# a comment\n"]);
        lines.push(format!(
            "{kind}  {database}  {user}  {address}  {method}{comment}"
        ));
    }
    lines.join("\n") + "\n"
}

fn rules(file: &str, version: ServerVersion) -> Ruleset {
    let rows = parse("pg_hba.conf", file, version, &NoFiles).rows();
    Ruleset::new(
        &rows,
        Terms {
            version,
            tls: true,
            gss: true,
        },
    )
}

async fn facts(cluster: &Cluster) -> Result<Facts> {
    let collection = collect(&options(cluster)?, Limits::default(), |_| {}).await?;
    Ok(pgattest_catalog::decode(&collection.observations))
}

fn graph(facts: &Facts) -> Result<RoleGraph> {
    let missing = |missing: pgattest_model::Missing| anyhow::anyhow!("{}", missing.why);
    Ok(RoleGraph::new(
        facts.roles.here().map_err(missing)?.value,
        facts.memberships.here().map_err(missing)?.value,
        facts.version().map_err(missing)?,
    ))
}

fn passwords(facts: &Facts) -> Result<HashMap<u32, pgattest_model::facts::VerifierKind>> {
    let verifiers = facts.verifiers.here().ok().context("verifiers")?;
    Ok(verifiers
        .iter()
        .map(|verifier| (verifier.role, verifier.kind))
        .collect())
}

async fn planned(cluster: &Cluster, file: &str, seen: &[Login]) -> Result<Plan> {
    let facts = facts(cluster).await?;
    let policy = Policy::default();
    let assessment = pgattest_checks::assess(&facts, &policy);
    let path = cluster.data_dir().join("pg_hba.conf").display().to_string();
    let options = Options {
        only: None,
        except: BTreeSet::new(),
        logins: seen.to_vec(),
        own_login: Some(Login {
            role: SUPERUSER.to_owned(),
            database: "postgres".to_owned(),
            address: None,
            tls: false,
            replication: false,
            last_seen: String::new(),
            count: 1,
        }),
        hba_files: vec![(path, file.to_owned())],
    };
    let origin = Origin {
        target: PlanTarget {
            name: String::new(),
            system_identifier: String::new(),
            version: String::new(),
            flavour: "self-hosted".to_owned(),
        },
        facts_as_of: String::new(),
        facts: FactsDigest::default(),
        policy_sha256: None,
        tool_version: String::new(),
    };
    Ok(plan(&facts, &policy, &assessment, &options, origin))
}

fn options(cluster: &Cluster) -> Result<ConnectOptions> {
    let dsn = format!(
        "host={} port={} user={SUPERUSER} password={SUPERUSER_PASSWORD} dbname=postgres",
        cluster.socket_dir().display(),
        cluster.port(),
    );
    Ok(ConnectOptions::resolve(Some(&dsn), &ProcessEnv)?)
}
