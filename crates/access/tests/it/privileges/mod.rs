//! Effective privileges against `has_*_privilege`: random roles, random grants on every class of object, every pair, on every
//! major that is installed. The facts are collected by the product's own queries, so those are under test too.

mod classes;
mod world;

use anyhow::{Context, Result, ensure};
use classes::Class;
use pgattest_access::{Object, Privileges, Right, RoleGraph, View};
use pgattest_collect::{Limits, collect};
use pgattest_model::Facts;
use pgattest_model::facts::{AclClass, DatabaseFacts, Oid};
use pgattest_testkit::Random;
use pgattest_testkit::{Cluster, available_majors};
use pgattest_wire::{ConnectOptions, FixedEnv};
use rstest::rstest;
use std::collections::{BTreeMap, BTreeSet};

#[rstest]
fn every_pair_is_as_the_server_says(#[values(13, 14, 15, 16, 17, 18)] major: u32) -> Result<()> {
    if !available_majors().contains(&major) {
        return Ok(());
    }
    let mut seen = Seen::new();
    let cluster = Cluster::builder(major).start_blocking()?;
    for seed in 0..2 {
        let mut random = Random::new(u64::from(major) * 1000 + seed);
        world::rebuild(&cluster, &mut random)?;
        compare(&cluster, &mut seen).with_context(|| format!("seed {seed}"))?;
    }
    for (class, [refused, granted]) in seen {
        ensure!(
            refused > 0 && granted > 0,
            "{class}: {refused} refused, {granted} granted: tests nothing"
        );
    }
    Ok(())
}

/// For each class, how many rights of roles that are no superusers were refused, and how many granted.
type Seen = BTreeMap<&'static str, [usize; 2]>;

/// What the product would see.
pub(crate) fn look(cluster: &Cluster) -> Result<Facts> {
    let options = ConnectOptions::resolve(
        Some(&cluster.dsn("postgres")),
        &FixedEnv::for_user("nobody"),
    )?;
    let runtime = tokio::runtime::Runtime::new()?;
    let collection = runtime.block_on(collect(&options, Limits::default(), |_| ()))?;
    Ok(pgattest_catalog::decode(&collection.observations))
}

/// The role graph as it is in the database `postgres`, and what is inside.
pub(crate) fn inside(facts: &Facts) -> Result<(RoleGraph, &DatabaseFacts)> {
    let inside = facts
        .inside
        .iter()
        .find(|inside| inside.name == "postgres")
        .context("no database postgres")?;
    let seen = |missing: pgattest_model::Missing| anyhow::anyhow!(missing.why);
    let graph = RoleGraph::new(
        facts.roles.here().map_err(seen)?.value,
        facts.memberships.here().map_err(seen)?.value,
        facts.version().map_err(seen)?,
    );
    let databases = facts.databases.here().map_err(seen)?;
    let owner = databases
        .iter()
        .find(|database| database.oid == inside.oid)
        .context("database postgres is not listed")?
        .owner;
    Ok((graph.within_database(owner), inside))
}

fn compare(cluster: &Cluster, count: &mut Seen) -> Result<()> {
    let facts = look(cluster)?;
    let (graph, inside) = inside(&facts)?;
    let seen = |missing: pgattest_model::Missing| anyhow::anyhow!(missing.why);
    let acls = inside.acls.here().map_err(seen)?.value;
    let shared = facts.shared_acls.here().map_err(seen)?.value;
    let privileges = Privileges::new(&graph, acls.iter().chain(shared));
    ensure!(
        privileges.unknown().is_empty(),
        "{:?}",
        privileges.unknown()
    );
    let becoming = becoming(cluster, &graph)?;
    for class in Class::of(cluster.major()) {
        let kind = if class.kind == AclClass::Column {
            AclClass::Relation
        } else {
            class.kind
        };
        let known: BTreeSet<Oid> = privileges
            .objects()
            .filter(|object| object.class == kind)
            .map(|object| object.oid)
            .collect();
        let answers = answers(cluster, &class, &known)?;
        ensure!(!answers.is_empty(), "{}: nothing to compare", class.name);
        compare_class(&privileges, &class, &answers, &becoming, count)
            .with_context(|| class.name.to_owned())?;
    }
    compare_lists(&privileges, &graph);
    Ok(())
}

/// For every role, whom it can become: the server's word.
fn becoming(cluster: &Cluster, graph: &RoleGraph) -> Result<BTreeMap<Oid, Vec<Oid>>> {
    let how = if cluster.major() >= 16 {
        "SET"
    } else {
        "MEMBER"
    };
    let rows = cluster.query_text_blocking(
        "postgres",
        &format!("SELECT a.oid, b.oid FROM pg_authid a, pg_authid b WHERE pg_has_role(a.oid, b.oid, '{how}')"),
    )?;
    let mut becoming: BTreeMap<Oid, Vec<Oid>> = BTreeMap::new();
    for row in rows {
        becoming
            .entry(number(row[0].as_deref()))
            .or_default()
            .push(number(row[1].as_deref()));
    }
    assert_eq!(becoming.len(), graph.roles().len());
    Ok(becoming)
}

/// One bit for each right, and one for each option to grant it: whatever the server says of one pair.
type Answers = BTreeMap<(Oid, Asked), Vec<bool>>;

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Asked {
    oid: Oid,
    column: i16,
    name: String,
}

fn answers(cluster: &Cluster, class: &Class, known: &BTreeSet<Oid>) -> Result<Answers> {
    let asked: Vec<String> = class
        .rights
        .iter()
        .flat_map(|right| {
            [
                right.name().to_owned(),
                format!("{right} WITH GRANT OPTION"),
            ]
        })
        .map(|right| {
            format!(
                "{}::int",
                class.function.replace("{}", &format!("'{right}'"))
            )
        })
        .collect();
    let known: Vec<String> = known.iter().map(ToString::to_string).collect();
    let sql = format!(
        "SELECT r.oid, {}, concat({}) FROM pg_authid r CROSS JOIN {} AND (o.oid >= 16384 OR o.oid IN ({}))",
        class.key,
        asked.join(", "),
        class.from,
        known.join(", ")
    );
    let mut answers = Answers::new();
    for row in cluster.query_text_blocking("postgres", &sql)? {
        let asked = Asked {
            oid: number(row[1].as_deref()),
            column: row[2].as_deref().unwrap().parse()?,
            name: row[3].clone().unwrap(),
        };
        let bits = row[4]
            .as_deref()
            .unwrap()
            .chars()
            .map(|bit| bit == '1')
            .collect();
        let before = answers.insert((number(row[0].as_deref()), asked.clone()), bits);
        // An array's answer is its element's.
        if let (Some(before), Some(now)) =
            (before, answers.get(&(number(row[0].as_deref()), asked)))
        {
            assert_eq!(
                &before,
                now,
                "{} on {}: {row:?}",
                class.name,
                cluster.major()
            );
        }
    }
    Ok(answers)
}

fn compare_class(
    privileges: &Privileges<'_>,
    class: &Class,
    answers: &Answers,
    becoming: &BTreeMap<Oid, Vec<Oid>>,
    count: &mut Seen,
) -> Result<()> {
    let granted = count.entry(class.name).or_default();
    for ((role, asked), theirs) in answers {
        let object = Object {
            class: class.kind,
            oid: asked.oid,
            column: asked.column,
            parameter: &asked.name,
        };
        let ours = |view, who| {
            let rights = if class.any_column {
                privileges.rights_on_any_column(view, who, asked.oid)
            } else {
                privileges.rights(view, who, object)
            };
            rights.with_context(|| format!("{object:?} is not known"))
        };
        let who = || {
            format!(
                "{:?} on {object:?}, each right and its option, of {:?}",
                privileges.graph().name(*role),
                class.rights
            )
        };
        let bits = |rights: pgattest_access::Rights| -> Vec<bool> {
            let both = |right: &Right| [rights.contains(*right), rights.may_grant(*right)];
            class.rights.iter().flat_map(both).collect()
        };
        assert_eq!(bits(ours(View::InForce, *role)?), *theirs, "{}", who());

        let mut set = vec![false; theirs.len()];
        for other in becoming.get(role).into_iter().flatten() {
            let others = answers
                .get(&(*other, asked.clone()))
                .context("one role is missing")?;
            set = set.iter().zip(others).map(|(a, b)| *a || *b).collect();
        }
        assert_eq!(
            bits(ours(View::AfterSetRole, *role)?),
            set,
            "after SET ROLE: {}",
            who()
        );
        let widest = bits(ours(View::AfterGrantingItself, *role)?);
        assert!(
            set.iter()
                .zip(&widest)
                .all(|(set, widest)| *widest || !*set),
            "after granting itself: {}",
            who()
        );
        // Reasons are slow in an unoptimised build; every seventh pair is still many thousand.
        if !class.any_column && (role + asked.oid) % 7 == 0 {
            compare_reasons(privileges, *role, object, class);
        }
        for bit in theirs
            .iter()
            .filter(|_| !privileges.graph().is_superuser(*role))
        {
            granted[usize::from(*bit)] += 1;
        }
    }
    Ok(())
}

/// A right has reasons exactly when it is held, and each reason begins and ends where it says.
fn compare_reasons(privileges: &Privileges<'_>, role: Oid, object: Object<'_>, class: &Class) {
    for view in View::ALL {
        for right in class.rights.iter().copied() {
            let held = privileges.holds(view, role, object, right);
            let reasons = privileges.because(view, role, object, right);
            assert_eq!(held, Some(!reasons.is_empty()), "{role} {object:?} {right}");
            assert!(reasons.iter().all(|reason| reason.route.view() <= view));
            let option = privileges.may_grant(view, role, object, right);
            let reasons = privileges.because_of_option(view, role, object, right);
            assert_eq!(
                option,
                Some(!reasons.is_empty()),
                "{role} {object:?} {right} option"
            );
        }
    }
}

/// The answers by object and by role are the answers by pair.
fn compare_lists(privileges: &Privileges<'_>, graph: &RoleGraph) {
    for view in View::ALL {
        for object in privileges.objects() {
            for right in Right::ALL {
                let (holders, grantors) = (
                    privileges.holders(view, object, right).unwrap(),
                    privileges.grantors(view, object, right).unwrap(),
                );
                for role in graph.roles() {
                    let who = format!("{view:?} {} {object:?} {right}", role.name);
                    let rights = privileges.rights(view, role.oid, object).unwrap();
                    assert!(
                        holders.contains(role.oid) == rights.contains(right),
                        "{who}"
                    );
                    assert!(
                        grantors.contains(role.oid) == rights.may_grant(right),
                        "{who}"
                    );
                }
            }
        }
        for role in graph.roles() {
            let listed: BTreeMap<_, _> = privileges.entitlements(view, role.oid).collect();
            for object in privileges.objects() {
                let rights = privileges.rights(view, role.oid, object).unwrap();
                assert_eq!(listed.get(&object).copied().unwrap_or_default(), rights);
            }
        }
    }
    let grouped: usize = privileges.groups().map(|group| group.objects().len()).sum();
    assert_eq!(grouped, privileges.objects().len());
    for group in privileges.groups() {
        let class = group.class().unwrap();
        for object in group.objects().filter(|_| class != AclClass::Column) {
            let whole = privileges
                .holders(View::InForce, object, Right::Usage)
                .unwrap();
            assert_eq!(
                group.holders(View::InForce, Right::Usage).names(),
                whole.names()
            );
        }
    }
}

fn number(value: Option<&str>) -> u32 {
    value.unwrap().parse().unwrap()
}
