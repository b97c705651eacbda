//! PgBouncer in the way.

use pgattest_testkit::{Cluster, PgBouncer, PoolMode};
use pgattest_wire::{ConnectError, Intermediary};

use crate::support::{failure, try_connect, value};

#[tokio::test]
async fn a_pooler_lets_us_through_and_is_noticed() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    for mode in [PoolMode::Session, PoolMode::Transaction] {
        let pooler = PgBouncer::start(&cluster, mode).await.unwrap();
        let dsn = pooler.dsn("postgres");
        let connection = try_connect(&dsn).await.unwrap();
        assert_eq!(
            value(&connection, "SELECT current_user::text").await,
            "postgres"
        );
        let seen = connection.intermediary().await.unwrap();
        assert!(matches!(seen, Intermediary::Pooler { .. }), "{seen:?}");
        connection.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_a_pooler_refuses_is_told() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let pooler = PgBouncer::start(&cluster, PoolMode::Session).await.unwrap();
    let dsn = format!(
        "host=127.0.0.1 port={} user=postgres dbname=postgres",
        pooler.port()
    );

    let error = failure(&format!("{dsn} options='-c work_mem=1MB'")).await;
    assert!(
        matches!(error, ConnectError::ParameterRefused { .. }),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("ignore_startup_parameters"));

    let error = failure(&format!("{dsn} dbname=missing")).await;
    assert!(
        matches!(error, ConnectError::DatabaseMissing { .. }),
        "{error:?}"
    );
}
