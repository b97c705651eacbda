//! A function call by the protocol's fast path: no statement that anybody could log.

use super::{Session, Who, said, who};
use pgattest_trail::canary::Class;
use pgattest_wire::{ConnectOptions, Connection, connect};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::SimpleQueryMessage;

/// How long the call may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl Session {
    pub(super) async fn fast_path(&mut self, options: &ConnectOptions) {
        let class = Class::FastPath;
        let name = self.mark_of(class);
        match call(options, &name).await {
            Ok((at, who)) => self.did_as(class, at, &who),
            Err(why) => self.not(class, why),
        }
    }
}

/// In a session and a transaction of its own, which end with the connection: a function in the session's own schema, because pgaudit
/// looks away from those of `pg_catalog`. When it was called, and by whom.
async fn call(options: &ConnectOptions, name: &str) -> Result<(Instant, Who), String> {
    let connection = connect(options).await.map_err(|error| error.to_string())?;
    let prepared = prepare(&connection, name).await;
    let (who, function) = match prepared {
        Ok(ready) => ready,
        Err(why) => {
            let _ = connection.close().await;
            return Err(why);
        }
    };
    let mut session = connection
        .into_fast_path()
        .await
        .ok_or("the connection broke before the call")?;
    let at = Instant::now();
    let answer = session.call(function, &["canary"], PATIENCE).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let _ = session.close().await;
    match answer {
        Some(answer) if answer == b"canary" => Ok((at, who)),
        _ => Err("the function did not answer as it should".to_owned()),
    }
}

async fn prepare(connection: &Connection, name: &str) -> Result<(Who, u32), String> {
    let client = connection.client();
    let failed = |error: tokio_postgres::Error| said(&error);
    let make = format!(
        "BEGIN; SET LOCAL statement_timeout = '30s'; SET LOCAL lock_timeout = '5s'; \
         CREATE FUNCTION pg_temp.{name}(text) RETURNS text LANGUAGE sql AS 'SELECT $1'"
    );
    client.batch_execute(&make).await.map_err(failed)?;
    // Within the transaction: a pooler may give another session to the next one.
    let who = who(client).await.map_err(failed)?;
    let find = format!("SELECT 'pg_temp.{name}'::pg_catalog.regproc::pg_catalog.oid");
    let rows = client.simple_query(&find).await.map_err(failed)?;
    let function = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.try_get(0).ok()??.parse().ok(),
        _ => None,
    });
    Ok((who, function.ok_or("the function was not found again")?))
}
