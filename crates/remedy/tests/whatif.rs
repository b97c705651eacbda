//! What a superuser hid: taking the attribute away brings it to light, and the plan has foreseen it.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see that helpers are tests"
)]

use pgattest_collect::{Limits, collect};
use pgattest_model::plan::{Action, Change, Plan, PlanTarget, Risk, Undo, taking_back};
use pgattest_model::{Assessment, Status};
use pgattest_planner::{Options, Origin, facts_digest};
use pgattest_remedy::{ApplyError, Hands, perform};
use pgattest_testkit::Cluster;
use pgattest_wire::{ConnectOptions, ProcessEnv};
use std::collections::{BTreeMap, BTreeSet};

/// A superuser that a program works as: it owns what it uses, a database among it, reads files of the server, and lends its rights.
const STATE: &str = r#"
revoke create on schema public from public;
create role "bo""ss
$$\N" superuser login password 'a long enough secret 5' in role pg_read_server_files;
create role reader login password 'another long secret 6';
create database "sh'op $$" owner "bo""ss
$$\N";
\connect "sh'op $$"
revoke create on schema public from public;
create schema "Or""der" authorization "bo""ss
$$\N";
create schema stock authorization "bo""ss
$$\N";
set role "bo""ss
$$\N";
create table "Or""der".lines (id serial primary key, note text);
create table stock."naïve
items" (id int);
create function stock.counted() returns bigint language sql security definer
    set search_path = pg_catalog, pg_temp
    as 'select count(*) from stock."naïve
items"';
grant usage on schema stock to reader;
grant execute on function stock.counted() to reader;
reset role;
"#;

const POLICY: &str = "[access]\nsuperusers = [\"postgres\"]\nbreak_glass = [\"postgres\"]\n";

const BOSS: &str = "\"bo\"\"ss\n$$\\N\"";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_superuser_hid_is_planned_for_on_13() {
    story(13).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_superuser_hid_is_planned_for_on_15() {
    story(15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_superuser_hid_is_planned_for_on_18() {
    story(18).await;
}

async fn story(major: u32) {
    let cluster = Cluster::builder(major).start().await.unwrap();
    cluster.execute("postgres", STATE).await.unwrap();
    let before = look(&cluster).await;
    let about_roles = |id: &str| {
        ["ROL-", "GRN-", "FUN-", "RLS-"]
            .iter()
            .any(|area| id.starts_with(area))
    };
    let areas: BTreeSet<String> = before
        .checks
        .iter()
        .map(|result| result.meta.id.to_owned())
        .filter(|id| about_roles(id))
        .collect();
    assert_eq!(status(&before, "ROL-01"), Status::Fail);
    for hidden in ["ROL-03", "ROL-14", "ROL-15"] {
        assert_eq!(status(&before, hidden), Status::Pass, "{hidden}");
    }

    let plan = plan(&cluster, &before, Some(areas.clone())).await;
    let (demotion, owning) = (change(&plan, "ROL-01"), change(&plan, "ROL-15"));
    assert_eq!(demotion.risk, Risk::Approval);
    assert!(
        demotion
            .notes
            .iter()
            .any(|note| note.starts_with("ROL-15 then reports") && note.contains(&owning.id)),
        "{:#?}",
        demotion.notes
    );
    assert!(
        owning.notes.iter().any(|note| note.contains(&demotion.id)),
        "{:#?}",
        owning.notes
    );
    let done: Vec<&Change> = plan
        .changes
        .iter()
        .filter(|change| change.risk != Risk::ByHand)
        .collect();
    for change in &done {
        act(&cluster, &change.title, &change.action).await;
    }
    let after = look(&cluster).await;
    for result in &after.checks {
        let id = result.meta.id;
        assert!(
            status(&before, id) != Status::Pass || result.status() != Status::Fail,
            "{id} passed, and now: {:#?}",
            result.verdict
        );
    }
    for closed in ["ROL-01", "ROL-03", "ROL-14", "ROL-15"] {
        assert_eq!(status(&after, closed), Status::Pass, "{closed}");
    }
    let still: BTreeSet<_> = after
        .checks
        .iter()
        .flat_map(|result| &result.fingerprints)
        .collect();
    for closes in done.iter().flat_map(|change| &change.closes) {
        assert!(!still.contains(&closes.fingerprint), "{closes:?}");
    }

    for change in taking_back(&done) {
        let Undo::By(action) = &change.undo else {
            panic!("{}: no undo", change.title)
        };
        act(&cluster, &change.title, action).await;
    }
    assert_eq!(verdicts(&look(&cluster).await), verdicts(&before));
}

/// Asked to look at superusers alone, the plan cannot close what it would uncover: then the superuser is left to a person.
#[tokio::test(flavor = "multi_thread")]
async fn what_would_make_another_check_fail_is_left_to_a_person() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster.execute("postgres", STATE).await.unwrap();
    let before = look(&cluster).await;
    let only = |checks: &[&str]| Some(checks.iter().map(|check| (*check).to_owned()).collect());
    let alone = plan(&cluster, &before, only(&["ROL-01"])).await;
    assert!(alone.is_empty(), "{alone:#?}");
    let left = change(&alone, "ROL-01");
    let Action::ByHand(what) = &left.action else {
        panic!("{left:#?}")
    };
    assert!(
        what.starts_with(&format!("ALTER ROLE {BOSS} NOSUPERUSER;")),
        "{what}"
    );
    assert!(what.contains("this plan leaves that check alone"), "{what}");

    // A check that fails already is no reason: it is told, and no more.
    cluster
        .execute(
            "postgres",
            "create table t (); create role own login; alter table t owner to own;
             alter database \"sh'op $$\" owner to own;
             revoke pg_read_server_files from \"bo\"\"ss\n$$\\N\";",
        )
        .await
        .unwrap();
    let before = look(&cluster).await;
    let told = plan(&cluster, &before, only(&["ROL-01"])).await;
    let demotion = change(&told, "ROL-01");
    assert_eq!(demotion.risk, Risk::Approval, "{demotion:#?}");
    assert!(
        demotion
            .notes
            .iter()
            .any(|note| note.starts_with("ROL-15 then has something to say")),
        "{:#?}",
        demotion.notes
    );
}

/// The change that closes a finding of this check.
#[track_caller]
fn change<'p>(plan: &'p Plan, check: &str) -> &'p Change {
    let closes = |change: &&Change| change.closes.iter().any(|closes| closes.check == check);
    let found = plan.changes.iter().find(closes);
    found.unwrap_or_else(|| panic!("nothing closes {check} in {plan:#?}"))
}

fn status(assessment: &Assessment, id: &str) -> Status {
    let mut checks = assessment.checks.iter();
    checks.find(|result| result.meta.id == id).unwrap().status()
}

fn verdicts(assessment: &Assessment) -> BTreeMap<&'static str, (Status, Vec<String>)> {
    let checks = assessment.checks.iter();
    checks
        .map(|result| {
            let findings = result.verdict.findings().iter();
            let findings = findings.map(|finding| finding.detail.clone()).collect();
            (result.meta.id, (result.status(), findings))
        })
        .collect()
}

async fn look(cluster: &Cluster) -> Assessment {
    let collection = collect(&options(cluster), Limits::default(), |_| {})
        .await
        .unwrap();
    let facts = pgattest_catalog::decode(&collection.observations);
    pgattest_checks::assess(&facts, &pgattest_parse::policy::parse(POLICY).unwrap())
}

async fn plan(cluster: &Cluster, assessment: &Assessment, only: Option<BTreeSet<String>>) -> Plan {
    let collection = collect(&options(cluster), Limits::default(), |_| {})
        .await
        .unwrap();
    let facts = pgattest_catalog::decode(&collection.observations);
    let policy = pgattest_parse::policy::parse(POLICY).unwrap();
    let origin = Origin {
        target: PlanTarget {
            name: String::new(),
            system_identifier: String::new(),
            version: String::new(),
            flavour: "self-hosted".to_owned(),
        },
        facts_as_of: String::new(),
        facts: facts_digest(&collection.observations),
        policy_sha256: None,
        tool_version: String::new(),
    };
    let choices = Options {
        only,
        ..Options::default()
    };
    pgattest_planner::plan(&facts, &policy, assessment, &choices, origin)
}

async fn act(cluster: &Cluster, title: &str, action: &Action) {
    perform(&options(cluster), action, &mut Idle)
        .await
        .unwrap_or_else(|error| panic!("{title}: {error:?}\n{action:#?}"));
}

fn options(cluster: &Cluster) -> ConnectOptions {
    ConnectOptions::resolve(Some(&cluster.dsn_socket("postgres")), &ProcessEnv).unwrap()
}

struct Idle;

impl Hands for Idle {
    fn restart(&mut self) -> Result<(), ApplyError> {
        Err(ApplyError::NotFromHere("nothing is restarted".to_owned()))
    }
}
