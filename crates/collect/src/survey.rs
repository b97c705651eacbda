//! A short look: which version, which databases.

use crate::canceller::Canceller;
use crate::collect::CollectError;
use crate::limits::Limits;
use crate::sitting::{Sitting, place};
use pgattest_catalog::{GROUPS, Routes, Scope, decode};
use pgattest_model::ServerVersion;
use pgattest_model::facts::Database;
use pgattest_wire::{ConnectOptions, connect};

/// What a cluster consists of, as far as `pgattest grants` must know it.
#[derive(Debug)]
pub struct Survey {
    /// The server's version; it may be one that is not supported.
    pub version: ServerVersion,
    /// The database of the connection.
    pub database: String,
    /// Every database, those that accept no connections too, in the order of their object identifiers. Empty when the server's
    /// version is not supported.
    pub databases: Vec<Database>,
}

/// Looks at the version and the list of databases, in one read-only transaction, and leaves.
///
/// # Errors
///
/// No connection, or what answered is not a PostgreSQL server.
pub async fn survey(options: &ConnectOptions, limits: &Limits) -> Result<Survey, CollectError> {
    let canceller = Canceller::default();
    let connection = connect(options).await?;
    let asked_at = place(connection.peer());
    let sitting = match Sitting::begin(connection, options, limits, &canceller).await {
        Ok(sitting) => sitting,
        Err(why) => return Err(CollectError::NotAServer { asked_at, why }),
    };
    let who = sitting.who().clone();
    let mut observations = Vec::new();
    for group in GROUPS.iter().filter(|group| {
        group.scope == Scope::Cluster
            && matches!(group.name, "server" | "own-session" | "databases")
            && group.is_asked_on(who.version)
    }) {
        let answer = sitting.ask(group, &Routes::default(), 0).await;
        observations.push(answer.observation);
    }
    sitting.end().await;
    let databases = match decode(&observations).databases.here() {
        Ok(seen) => seen.value.clone(),
        Err(_) if !who.version.is_supported() => Vec::new(),
        Err(missing) => {
            return Err(CollectError::NotAServer {
                asked_at,
                why: missing.why,
            });
        }
    };
    Ok(Survey {
        version: who.version,
        database: who.database,
        databases,
    })
}
