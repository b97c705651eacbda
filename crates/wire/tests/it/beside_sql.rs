//! What a session does beside SQL: calls by the protocol's fast path, and replication commands.

use std::time::Duration;

use pgattest_testkit::{Cluster, PgBouncer, PoolMode, SUPERUSER, SUPERUSER_PASSWORD};
use pgattest_wire::{ConnectError, FastPathError, connect};
use tokio_postgres::SimpleQueryMessage;

use crate::support::{check_error, resolve, value};

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn functions_are_called_without_a_statement_in_the_session_that_logged_in() {
    let cluster = Cluster::hardened(15).start().await.unwrap();
    let encrypted = cluster.dsn_tls(SUPERUSER, SUPERUSER_PASSWORD, "postgres");
    for dsn in [encrypted, cluster.dsn_socket("postgres")] {
        let connection = connect(&resolve(&dsn)).await.unwrap();
        let begin = "BEGIN; CREATE FUNCTION pg_temp.twice(text) RETURNS text LANGUAGE sql AS 'SELECT $1 || nullif($1, '''')'";
        connection.client().batch_execute(begin).await.unwrap();
        let oid = |name: &str| format!("SELECT '{name}'::regproc::oid::int8::text");
        let twice = value(&connection, &oid("pg_temp.twice")).await;
        let pid = value(&connection, &oid("pg_backend_pid")).await;
        let announced = connection.announced_pid().unwrap();

        let mut session = connection.into_fast_path().await.unwrap();
        let twice = twice.parse().unwrap();
        let answer = session.call(twice, &["it's"], PATIENCE).await.unwrap();
        assert_eq!(answer.as_deref(), Some(&b"it'sit's"[..]));
        assert_eq!(session.call(twice, &[""], PATIENCE).await.unwrap(), None);
        let answer = session.call(pid.parse().unwrap(), &[], PATIENCE).await;
        assert_eq!(
            answer.unwrap().unwrap(),
            announced.to_string().into_bytes(),
            "the session that logged in, its transaction still open"
        );
        let refused = session.call(1, &[], PATIENCE).await.unwrap_err();
        assert!(
            matches!(&refused, FastPathError::Refused(error) if error.sqlstate == "42883"),
            "{refused}"
        );
        session.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_replication_connection_takes_commands_beside_sql_when_role_and_server_let_it() {
    let cluster = Cluster::hardened(15).start().await.unwrap();
    cluster
        .execute("postgres", "CREATE ROLE plain LOGIN PASSWORD 'x'")
        .await
        .unwrap();
    let options = resolve(&cluster.dsn_tls(SUPERUSER, SUPERUSER_PASSWORD, "postgres"));
    let connection = connect(&options.for_replication()).await.unwrap();
    let rows = connection.client().simple_query("IDENTIFY_SYSTEM").await;
    let identified = rows.unwrap().into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get("systemid").map(str::to_owned),
        _ => None,
    });
    let asked = "SELECT system_identifier::text FROM pg_control_system()";
    let expected = cluster.query_value("postgres", asked).await.unwrap();
    assert_eq!(identified, Some(expected));
    connection.close().await.unwrap();

    let options = resolve(&cluster.dsn_tls("plain", "x", "postgres"));
    connect(&options).await.unwrap().close().await.unwrap();
    let error = connect(&options.for_replication()).await.unwrap_err();
    check_error(&error);
    assert!(
        matches!(error, ConnectError::ReplicationNotAllowed { .. }),
        "{error:?}"
    );

    let trusting = Cluster::builder(15).start().await.unwrap();
    let pooler = PgBouncer::start(&trusting, PoolMode::Session)
        .await
        .unwrap();
    let through = resolve(&pooler.dsn("postgres")).for_replication();
    let error = connect(&through).await.unwrap_err();
    check_error(&error);
    assert!(
        matches!(error, ConnectError::ParameterRefused { .. }),
        "{error:?}"
    );
}
