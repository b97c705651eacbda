//! One apply at a time in a cluster.

use crate::error::ApplyError;
use crate::session::{column, one, open};
use pgattest_wire::{ConnectOptions, Connection, Intermediary};
use std::time::Duration;

/// `pgat` and `appl` as numbers: what the advisory lock is called.
const CLASS: i32 = 0x7067_6174;
const OBJECT: i32 = 0x6170_706c;

/// How long the session of a process that was killed is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connects and takes the lock. It belongs to a database; a holder in another one is found, too.
pub(crate) async fn take(options: &ConnectOptions) -> Result<Connection, ApplyError> {
    let connection = open(options, None).await?;
    if let Ok(Intermediary::Pooler { .. }) = connection.intermediary().await {
        return Err(ApplyError::Pooler);
    }
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let taken: bool = one(
            &connection,
            "SELECT pg_catalog.pg_try_advisory_lock($1, $2)",
            &[&CLASS, &OBJECT],
        )
        .await?;
        let others = others(&connection).await?;
        if taken && others.is_empty() {
            return Ok(connection);
        }
        if taken {
            let _: bool = one(
                &connection,
                "SELECT pg_catalog.pg_advisory_unlock($1, $2)",
                &[&CLASS, &OBJECT],
            )
            .await?;
        }
        if tokio::time::Instant::now() > deadline {
            let who = match others.first() {
                Some(who) => who.clone(),
                None => "one that has just ended".to_owned(),
            };
            return Err(ApplyError::Busy { who });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn others(connection: &Connection) -> Result<Vec<String>, ApplyError> {
    column(
        connection,
        "SELECT 'process ' || l.pid || coalesce(', role ' || a.usename::text, '')
             || coalesce(', from ' || pg_catalog.host(a.client_addr), '')
             || coalesce(', since ' || pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), '')
         FROM pg_catalog.pg_locks AS l
         LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
         WHERE l.locktype = 'advisory' AND l.classid::bigint = $1::int::bigint AND l.objid::bigint = $2::int::bigint
             AND l.objsubid = 2 AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()
         ORDER BY l.pid",
        &[&CLASS, &OBJECT],
    )
    .await
}
