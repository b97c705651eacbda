//! Standbys and poolers.

use crate::common::{look, look_through};
use pgattest_collect::{CollectError, Limits, collect};
use pgattest_testkit::{Cluster, PgBouncer, PoolMode, Standby, available_majors};

#[tokio::test]
async fn a_standby_is_read_like_its_primary() {
    for major in available_majors() {
        let primary = Cluster::builder(major).start().await.unwrap();
        primary
            .execute("postgres", "CREATE TABLE t (a int); CREATE ROLE app LOGIN")
            .await
            .unwrap();
        let Ok(standby) = Standby::of(&primary).await else {
            // Only Debian's server brings the program that copies a primary.
            assert_ne!(major, 15);
            continue;
        };
        standby.catch_up(&primary).await.unwrap();
        let look = look_through(&standby.dsn("postgres"), Limits::default()).await;
        assert_eq!(look.failures(), [], "{major}");
        let server = look.facts.server.here().unwrap();
        assert!(server.in_recovery);
        assert_eq!(
            server.system_identifier,
            primary
                .query_value(
                    "postgres",
                    "SELECT system_identifier FROM pg_control_system()"
                )
                .await
                .unwrap()
        );
        assert!(
            look.inside("postgres")
                .relations
                .here()
                .unwrap()
                .iter()
                .any(|row| row.name == "t")
        );
    }
}

#[tokio::test]
async fn a_pooler_may_stand_in_the_way() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster
        .execute("postgres", "CREATE DATABASE shop; CREATE TABLE t (a int)")
        .await
        .unwrap();
    let direct = look(&cluster).await;
    for mode in [PoolMode::Session, PoolMode::Transaction] {
        let pooler = PgBouncer::start(&cluster, mode).await.unwrap();
        let look = look_through(&pooler.dsn("postgres"), Limits::default()).await;
        assert_eq!(look.failures(), []);
        assert_eq!(look.facts.inside.len(), 3);
        assert_eq!(
            look.inside("shop").schemas.here().unwrap().len(),
            direct.inside("shop").schemas.here().unwrap().len()
        );
        assert_eq!(
            look.collection.observations[0].asked_at,
            format!("127.0.0.1:{}", pooler.port())
        );
    }
}

#[tokio::test]
async fn a_poolers_admin_console_is_no_server() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let pooler = PgBouncer::start(&cluster, PoolMode::Session).await.unwrap();
    let options = crate::common::options(&pooler.dsn_as("postgres", "pgbouncer"));
    let error = collect(&options, Limits::default(), |_| ())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            CollectError::NotAServer { .. } | CollectError::Connect(_)
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_unix_socket_is_named() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let look = look_through(&cluster.dsn_socket("postgres"), Limits::default()).await;
    assert_eq!(look.failures(), []);
    let expected = format!("{}:{}", cluster.socket_dir().display(), cluster.port());
    assert_eq!(look.collection.observations[0].asked_at, expected);
    let sessions = look.facts.sessions.here().unwrap();
    assert!(
        sessions
            .iter()
            .any(|session| session.own && session.unix_socket && session.client_address.is_empty())
    );
}
