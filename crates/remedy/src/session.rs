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
    Ok(connection)
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
