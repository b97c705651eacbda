//! Running SQL for a test.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, anyhow, bail};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::binaries::client_program;
use crate::login::{Endpoint, Login};
use crate::process::program;

/// Runs a script with psql, statement by statement as a person would: each is a
/// transaction of its own unless the script says otherwise, so `CREATE
/// DATABASE` and `ALTER SYSTEM` work, and `\connect` does. Stops at the first
/// error and shows psql's message: line, position and the statement.
pub(crate) fn script(endpoint: &Endpoint, login: &Login, sql: &str) -> Result<String> {
    let mut command = program(&client_program("psql")?);
    command
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
        .args(["--echo-errors", "--set=ON_ERROR_STOP=1", "--file=-"])
        .env_clear()
        .env("PGCLIENTENCODING", "UTF8")
        .env("PGOPTIONS", "-c client_min_messages=warning")
        .envs(endpoint.environment(login)?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot run psql")?;
    let mut stdin = child.stdin.take().context("psql has no stdin")?;
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // psql that stops early closes the pipe; its exit status tells why.
            let _ = stdin.write_all(sql.as_bytes());
        });
        child.wait_with_output()
    })
    .context("cannot wait for psql")?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    bail!(
        "SQL failed as {} in database {:?}:\n{}",
        login.user,
        login.database,
        String::from_utf8_lossy(&output.stderr)
    )
}

/// All rows of all statements, each value as the server prints it.
pub(crate) async fn rows(client: &Client, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
    let messages = client
        .simple_query(sql)
        .await
        .map_err(|error| explain(&error, sql))?;
    let mut rows = Vec::new();
    for message in messages {
        if let SimpleQueryMessage::Row(row) = message {
            let mut values = Vec::with_capacity(row.len());
            for column in 0..row.len() {
                values.push(row.try_get(column)?.map(str::to_owned));
            }
            rows.push(values);
        }
    }
    Ok(rows)
}

/// Waits for a future where there may or may not be a runtime.
pub(crate) fn block_on<T: Send>(future: impl Future<Output = Result<T>> + Send) -> Result<T> {
    // A thread of its own: blocking inside somebody's runtime would panic.
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .context("cannot make a runtime")?
                    .block_on(future)
            })
            .join()
            .map_err(|_| anyhow!("the thread that talked to the server panicked"))?
    })
}

/// Runs something that blocks away from the runtime's threads.
pub(crate) async fn unblock<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .context("a testkit thread panicked")?
}

/// The text of a file of the server, or nothing when there is none.
pub(crate) fn lossy_text(path: &Path) -> String {
    std::fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

fn explain(error: &tokio_postgres::Error, sql: &str) -> anyhow::Error {
    let Some(server) = error.as_db_error() else {
        return anyhow!("{error} while running: {sql}");
    };
    let detail = server
        .detail()
        .map(|detail| format!(" ({detail})"))
        .unwrap_or_default();
    anyhow!(
        "{} {}: {}{detail} while running: {sql}",
        server.severity(),
        server.code().code(),
        server.message()
    )
}
