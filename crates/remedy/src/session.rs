//! Sessions with the server, and the few things that every part asks of one.

use crate::error::ApplyError;
use pgattest_wire::{ConnectOptions, Connection, connect};
use std::time::Duration;
use tokio_postgres::types::ToSql;

/// The longest that a server is waited for to read its files again.
const RELOAD: Duration = Duration::from_secs(30);

/// What `pg_stat_activity` shows of these sessions.
pub(crate) const NAME: &str = "pgattest apply";

/// Nothing but the lock timeout, which each step sets, may end a statement half-way; and what a role or a database presets must
/// not decide whether a statement works.
const PREPARE: &str = "\
SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET default_transaction_read_only = off;
SET default_transaction_isolation = 'read committed';
SET client_min_messages = warning;
SET row_security = on;";

/// A session in a database, or in the one that is connected to.
pub(crate) async fn open(
    options: &ConnectOptions,
    database: Option<&str>,
) -> Result<Connection, ApplyError> {
    let connection = match database {
        Some(database) => connect(&options.with_database(database)).await?,
        None => connect(options).await?,
    };
    run(&connection, &format!("SET application_name = '{NAME}';")).await?;
    run(&connection, PREPARE).await?;
    give_way(&connection).await?;
    Ok(connection)
}

/// Has this session notice a deadlock first: of two that wait for each other the server stops the one whose `deadlock_timeout`
/// ends, and that must be ours, which tries again, and never an application's. A role that may not set it goes without, and has
/// [`patience`].
async fn give_way(connection: &Connection) -> Result<(), ApplyError> {
    match run(connection, "SET deadlock_timeout = '10ms';").await {
        Err(error) if error.sqlstate() != Some("42501") => Err(error),
        _ => Ok(()),
    }
}

/// How long one of our transactions may wait for a lock, in milliseconds: what was asked for, and less than half of what the
/// sessions of any role wait before they look for a deadlock. One that came to wait for us after we had looked would otherwise
/// be the one that finds it.
pub(crate) async fn patience(connection: &Connection, asked: Duration) -> Result<u64, ApplyError> {
    const QUERY: &str = "\
SELECT pg_catalog.floor(least(
    (SELECT s.reset_val::numeric FROM pg_catalog.pg_settings AS s WHERE s.name = 'deadlock_timeout'),
    (SELECT min(m[1]::numeric * CASE pg_catalog.lower(m[2]) WHEN 'us' THEN 0.001 WHEN 's' THEN 1000 WHEN 'min' THEN 60000
         WHEN 'h' THEN 3600000 WHEN 'd' THEN 86400000 ELSE 1 END)
     FROM pg_catalog.pg_db_role_setting AS d CROSS JOIN LATERAL pg_catalog.unnest(d.setconfig) AS c
     CROSS JOIN LATERAL pg_catalog.regexp_match(c, '^deadlock_timeout=\\s*([0-9]+[.]?[0-9]*)\\s*([a-z]*)\\s*$', 'i') AS m)
) / 2)::bigint";
    let half: i64 = one(connection, QUERY, &[]).await?;
    let asked = u64::try_from(asked.as_millis()).unwrap_or(u64::MAX);
    // 0 would be for ever.
    Ok(asked.min(half.unsigned_abs()).max(1))
}

/// Runs statements that give nothing.
pub(crate) async fn run(connection: &Connection, statement: &str) -> Result<(), ApplyError> {
    connection
        .client()
        .batch_execute(statement)
        .await
        .map_err(|source| refused(statement, source))
}

/// The first column of the only row, as text.
pub(crate) async fn value(
    connection: &Connection,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<String, ApplyError> {
    one(connection, statement, parameters).await
}

/// The first column of the only row.
pub(crate) async fn one<T>(
    connection: &Connection,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<T, ApplyError>
where
    T: for<'a> tokio_postgres::types::FromSql<'a>,
{
    let row = connection
        .client()
        .query_one(statement, parameters)
        .await
        .map_err(|source| refused(statement, source))?;
    row.try_get(0).map_err(|source| refused(statement, source))
}

/// The first column of every row.
pub(crate) async fn column<T>(
    connection: &Connection,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<T>, ApplyError>
where
    T: for<'a> tokio_postgres::types::FromSql<'a>,
{
    connection
        .client()
        .query(statement, parameters)
        .await
        .map_err(|source| refused(statement, source))?
        .iter()
        .map(|row| row.try_get(0).map_err(|source| refused(statement, source)))
        .collect()
}

/// Tells the server to read its files again, and waits until it has. The server reads `pg_hba.conf` before it takes the next
/// connection, so every connection begun after this returns is judged by the new rules.
pub(crate) async fn reload(connection: &Connection) -> Result<(), ApplyError> {
    let before = loaded_at(connection).await?;
    run(connection, "SELECT pg_catalog.pg_reload_conf();").await?;
    let deadline = tokio::time::Instant::now() + RELOAD;
    while loaded_at(connection).await? == before {
        if tokio::time::Instant::now() > deadline {
            return Err(ApplyError::NotReloaded);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

async fn loaded_at(connection: &Connection) -> Result<String, ApplyError> {
    value(
        connection,
        "SELECT pg_catalog.pg_conf_load_time()::text",
        &[],
    )
    .await
}

/// When the server was started, to the microsecond.
pub(crate) async fn started_at(connection: &Connection) -> Result<String, ApplyError> {
    value(
        connection,
        "SELECT pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time())::text",
        &[],
    )
    .await
}

pub(crate) fn refused(statement: &str, source: tokio_postgres::Error) -> ApplyError {
    ApplyError::Refused {
        statement: statement.to_owned(),
        source,
    }
}
