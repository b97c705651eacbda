//! What goes wrong half way.

use crate::common::{look_through, options};
use pgattest_collect::{CollectError, Collection, Event, Limits, collect, collect_until};
use pgattest_model::{Facts, Outcome};
use pgattest_testkit::{Cluster, SUPERUSER};
use std::time::Duration;
use tokio::task::JoinHandle;

const OURS: &str = "application_name = 'pgattest' AND pid <> pg_backend_pid()";

/// A cluster whose database `shop` keeps a collector waiting at the policies, for as long as the client lives.
async fn blocked() -> (Cluster, tokio_postgres::Client) {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster
        .execute("postgres", "CREATE DATABASE shop; CREATE DATABASE later")
        .await
        .unwrap();
    let blocker = cluster.client("shop").await.unwrap();
    blocker
        .batch_execute("BEGIN; LOCK TABLE pg_catalog.pg_policy IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    (cluster, blocker)
}

fn start(
    cluster: &Cluster,
    lock_timeout: Duration,
) -> JoinHandle<Result<Collection, CollectError>> {
    let options = options(&cluster.dsn("postgres"));
    let limits = Limits {
        lock_timeout,
        ..Limits::default()
    };
    tokio::spawn(async move { collect(&options, limits, |_| ()).await })
}

/// Waits until a collector waits for the lock.
async fn until_it_waits(cluster: &Cluster) {
    until(
        cluster,
        &format!(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND {OURS}"
        ),
    )
    .await;
}

async fn until_nobody_is_left(cluster: &Cluster) {
    until(
        cluster,
        &format!("SELECT count(*) = 0 FROM pg_stat_activity WHERE {OURS}"),
    )
    .await;
}

async fn until(cluster: &Cluster, condition: &str) {
    let watcher = cluster.client_as(SUPERUSER, "postgres").await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            if watcher
                .query_one(condition, &[])
                .await
                .unwrap()
                .get::<_, bool>(0)
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

fn decoded(collection: &Collection) -> Facts {
    pgattest_catalog::decode(&collection.observations)
}

fn outcome<'a>(collection: &'a Collection, facts: &Facts, group: &str) -> &'a Outcome {
    let oid = facts
        .inside
        .iter()
        .find(|inside| inside.name == "shop")
        .unwrap()
        .oid;
    let id = format!("db-{oid}/{group}");
    &collection
        .observations
        .iter()
        .find(|observation| observation.id.as_str() == id)
        .unwrap()
        .outcome
}

#[tokio::test]
async fn a_lock_that_is_not_given_costs_one_observation() {
    let (cluster, _blocker) = blocked().await;
    let collection = start(&cluster, Duration::from_millis(50))
        .await
        .unwrap()
        .unwrap();
    let facts = decoded(&collection);
    assert!(
        matches!(outcome(&collection, &facts, "policies"), Outcome::Failed { sqlstate, .. } if sqlstate == "55P03")
    );
    let shop = facts
        .inside
        .iter()
        .find(|inside| inside.name == "shop")
        .unwrap();
    assert!(shop.relations.is_here() && shop.functions.is_here() && shop.publications.is_here());
}

#[tokio::test]
async fn a_query_that_is_cancelled_costs_one_observation() {
    let (cluster, blocker) = blocked().await;
    let run = start(&cluster, Duration::ZERO);
    until_it_waits(&cluster).await;
    cluster.query_text("postgres", &format!("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND {OURS}")).await.unwrap();
    let collection = run.await.unwrap().unwrap();
    drop(blocker);
    let facts = decoded(&collection);
    let Outcome::Failed {
        sqlstate,
        message,
        opens,
    } = outcome(&collection, &facts, "policies")
    else {
        panic!("the query was cancelled");
    };
    assert_eq!(
        (sqlstate.as_str(), message.as_str(), opens),
        ("57014", "canceling statement due to user request", &None)
    );
    assert!(matches!(
        outcome(&collection, &facts, "publications"),
        Outcome::Rows { .. }
    ));
}

#[tokio::test]
async fn a_database_that_vanishes_half_way_costs_its_rest() {
    let (cluster, blocker) = blocked().await;
    let run = start(&cluster, Duration::ZERO);
    until_it_waits(&cluster).await;
    drop(blocker);
    cluster
        .execute("postgres", "DROP DATABASE shop WITH (FORCE)")
        .await
        .unwrap();
    let collection = run.await.unwrap().unwrap();
    let facts = decoded(&collection);
    let of = |name: &str| {
        facts
            .inside
            .iter()
            .find(|inside| inside.name == name)
            .unwrap()
    };
    assert!(of("later").publications.is_here() && of("postgres").publications.is_here());
    // The lock may have been given before the end came: what was read until then counts.
    assert!(of("shop").relations.is_here());
    if let Err(missing) = of("shop").publication_relations.here() {
        assert!(
            missing
                .why
                .contains("the connection was lost while reading"),
            "{missing:?}"
        );
    }
}

#[tokio::test]
async fn a_session_that_is_terminated_costs_its_rest() {
    let (cluster, blocker) = blocked().await;
    let run = start(&cluster, Duration::ZERO);
    until_it_waits(&cluster).await;
    cluster.query_text("postgres", &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND {OURS}")).await.unwrap();
    let collection = run.await.unwrap().unwrap();
    drop(blocker);
    let facts = decoded(&collection);
    let shop = facts
        .inside
        .iter()
        .find(|inside| inside.name == "shop")
        .unwrap();
    let policies = shop.policies.here().unwrap_err();
    assert!(
        policies
            .why
            .contains("terminating connection due to administrator command (SQLSTATE 57P01)"),
        "{policies:?}"
    );
    let rest = shop.publications.here().unwrap_err();
    assert!(
        rest.why.contains(&format!(
            "the connection was lost while reading `db-{}/policies`",
            shop.oid
        )),
        "{rest:?}"
    );
    assert!(shop.relations.is_here());
}

#[tokio::test]
async fn a_database_that_is_gone_before_it_is_entered_says_so() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster
        .execute("postgres", "CREATE DATABASE gone")
        .await
        .unwrap();
    let drop_it = |event: Event<'_>| {
        if matches!(event, Event::Planned { .. }) {
            cluster
                .execute_blocking("postgres", "DROP DATABASE gone")
                .unwrap();
        }
    };
    let collection = collect(
        &options(&cluster.dsn("postgres")),
        Limits::default(),
        drop_it,
    )
    .await
    .unwrap();
    let facts = decoded(&collection);
    let gone = facts
        .inside
        .iter()
        .find(|inside| inside.name == "gone")
        .unwrap();
    let why = gone.relations.here().unwrap_err().why;
    assert!(
        why.starts_with("database `gone` was not looked into: ") && why.contains("does not exist"),
        "{why}"
    );
    assert!(
        facts
            .inside
            .iter()
            .filter(|inside| inside.name != "gone")
            .all(|inside| inside.relations.is_here())
    );
}

#[tokio::test]
async fn a_server_that_dies_is_an_error_that_says_where() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let kill = |event: Event<'_>| {
        if matches!(event, Event::Observed(observation) if observation.id.group() == "roles") {
            cluster.stop_immediately().unwrap();
        }
    };
    let error = collect(&options(&cluster.dsn("postgres")), Limits::default(), kill)
        .await
        .unwrap_err();
    let CollectError::Lost { at, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(at.as_str(), "cluster/verifiers");
    assert!(error.to_string().starts_with(&format!(
        "the connection to 127.0.0.1:{} was lost while reading `cluster/verifiers`: ",
        cluster.port()
    )));
}

#[tokio::test]
async fn nobody_there_is_a_connection_error() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster.stop().unwrap();
    let error = collect(
        &options(&cluster.dsn("postgres")),
        Limits::default(),
        |_| (),
    )
    .await
    .unwrap_err();
    assert!(matches!(error, CollectError::Connect(_)), "{error}");
}

#[tokio::test]
async fn dropping_the_collection_leaves_nothing_running() {
    let (cluster, _blocker) = blocked().await;
    let run = start(&cluster, Duration::ZERO);
    until_it_waits(&cluster).await;
    run.abort();
    until_nobody_is_left(&cluster).await;
}

#[tokio::test]
async fn stopping_the_collection_leaves_nothing_running() {
    let (cluster, _blocker) = blocked().await;
    let options = options(&cluster.dsn("postgres"));
    let limits = Limits {
        lock_timeout: Duration::ZERO,
        ..Limits::default()
    };
    let stopped = collect_until(&options, limits, until_it_waits(&cluster), |_| ()).await;
    assert!(matches!(stopped, Err(CollectError::Stopped)));
    until_nobody_is_left(&cluster).await;
}

#[tokio::test]
async fn one_at_a_time_is_enough() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster
        .execute("postgres", "CREATE DATABASE a; CREATE DATABASE b")
        .await
        .unwrap();
    for concurrency in [0, 1, 2] {
        let look = look_through(
            &cluster.dsn("a"),
            Limits {
                concurrency,
                ..Limits::default()
            },
        )
        .await;
        assert_eq!(look.failures(), []);
        assert_eq!(
            look.facts
                .inside
                .iter()
                .map(|inside| inside.name.as_str())
                .collect::<Vec<_>>(),
            ["template1", "postgres", "a", "b"]
        );
    }
}
