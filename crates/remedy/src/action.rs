//! One action, done.

use crate::error::ApplyError;
use pgattest_model::ident::{quote_ident, quote_literal};
use pgattest_model::plan::{Action, SettingValue};
use pgattest_wire::{ConnectOptions, Connection, connect};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio_postgres::types::ToSql;

/// The longest that a server is waited for to read its files again.
const RELOAD: Duration = Duration::from_secs(30);

/// What an action needs besides a connection.
pub trait Hands {
    /// Restarts the server and returns when it accepts connections again.
    fn restart(&mut self) -> Result<(), ApplyError>;
}

/// Does one action. A reload follows what a reload puts in force; returns when the server has read the files again.
pub async fn perform(
    options: &ConnectOptions,
    action: &Action,
    hands: &mut dyn Hands,
) -> Result<(), ApplyError> {
    match action {
        Action::Sql {
            database,
            statements,
        } => {
            let connection = connect_to(options, database.as_deref()).await?;
            let script = format!("BEGIN;\n{}\nCOMMIT;", statements.join("\n"));
            run(&connection, &script).await
        }
        Action::SqlAlone {
            database,
            before,
            statement,
        } => {
            let connection = connect_to(options, Some(database)).await?;
            if let Some(before) = before {
                run(&connection, before).await?;
            }
            run(&connection, statement).await
        }
        Action::Setting { name, value } => {
            let connection = connect_to(options, None).await?;
            run(&connection, &alter_system(name, value.as_ref())).await?;
            reload(&connection).await
        }
        Action::File {
            path,
            before_sha256,
            text,
            ..
        } => {
            let connection = connect_to(options, None).await?;
            let now = read(&connection, path).await?;
            if hex::encode(Sha256::digest(now.as_bytes())) != *before_sha256 {
                return Err(ApplyError::FileMoved { path: path.clone() });
            }
            write(&connection, path, text).await?;
            reload(&connection).await
        }
        Action::Certificate { .. } => Err(ApplyError::NotFromHere(
            "a certificate can be made only where the server's files are".to_owned(),
        )),
        Action::Restart => hands.restart(),
        Action::ByHand(what) => Err(ApplyError::NotFromHere(what.clone())),
    }
}

/// `ALTER SYSTEM SET name = ..;` or `RESET`.
pub(crate) fn alter_system(name: &str, value: Option<&SettingValue>) -> String {
    // A custom parameter's name has parts; each is a name.
    let name = name
        .split('.')
        .map(quote_ident)
        .collect::<Vec<_>>()
        .join(".");
    match value {
        None => format!("ALTER SYSTEM RESET {name};"),
        Some(SettingValue::One(value)) => {
            format!("ALTER SYSTEM SET {name} = {};", quote_literal(value))
        }
        Some(SettingValue::List(values)) if values.is_empty() => {
            format!("ALTER SYSTEM SET {name} = '';")
        }
        Some(SettingValue::List(values)) => {
            let values: Vec<String> = values.iter().map(|value| quote_literal(value)).collect();
            format!("ALTER SYSTEM SET {name} = {};", values.join(", "))
        }
    }
}

async fn connect_to(
    options: &ConnectOptions,
    database: Option<&str>,
) -> Result<Connection, ApplyError> {
    Ok(match database {
        Some(database) => connect(&options.with_database(database)).await?,
        None => connect(options).await?,
    })
}

async fn run(connection: &Connection, statement: &str) -> Result<(), ApplyError> {
    connection
        .client()
        .batch_execute(statement)
        .await
        .map_err(|source| ApplyError::Refused {
            statement: statement.to_owned(),
            source,
        })
}

/// Tells the server to read its files again, and waits until it has. The server reads `pg_hba.conf` before it takes the next
/// connection, so every connection begun after this returns is judged by the new rules.
async fn reload(connection: &Connection) -> Result<(), ApplyError> {
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

async fn value(
    connection: &Connection,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<String, ApplyError> {
    let refused = |source| ApplyError::Refused {
        statement: statement.to_owned(),
        source,
    };
    let row = connection
        .client()
        .query_one(statement, parameters)
        .await
        .map_err(refused)?;
    row.try_get(0).map_err(refused)
}

async fn read(connection: &Connection, path: &str) -> Result<String, ApplyError> {
    value(
        connection,
        "SELECT pg_catalog.pg_read_file($1::text)",
        &[&path],
    )
    .await
}

/// Writes a file through the server. `COPY` ends a file with the line's end, so the text must.
async fn write(connection: &Connection, path: &str, text: &str) -> Result<(), ApplyError> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let statement = format!(
        "COPY (SELECT {}::text) TO {} (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02', NULL E'\\x03');",
        quote_literal(line),
        quote_literal(path)
    );
    run(connection, &statement).await
}
