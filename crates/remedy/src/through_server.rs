//! Files of the server, read and written by the server.

use crate::error::ApplyError;
use crate::session::{one, run};
use pgattest_wire::Connection;

/// What a file holds.
pub(crate) async fn read(connection: &Connection, path: &str) -> Result<Vec<u8>, ApplyError> {
    one(
        connection,
        "SELECT pg_catalog.pg_read_binary_file($1::text)",
        &[&path],
    )
    .await
}

/// Writes a file, over what is there: not atomic, and every byte as given. `COPY TO` would not do: its formats quote or escape
/// line ends and backslashes. The large object that the bytes travel in exists in this transaction only, which is rolled back;
/// the file is no part of it and stays.
pub(crate) async fn write(
    connection: &Connection,
    path: &str,
    bytes: &[u8],
) -> Result<(), ApplyError> {
    run(connection, "BEGIN;").await?;
    let export = async {
        let object: u32 = one(
            connection,
            "SELECT pg_catalog.lo_from_bytea(0, $1::bytea)",
            &[&bytes],
        )
        .await?;
        let _: i32 = one(
            connection,
            "SELECT pg_catalog.lo_export($1::oid, $2::text)",
            &[&object, &path],
        )
        .await?;
        Ok(())
    };
    let outcome = export.await;
    let ended = run(connection, "ROLLBACK;").await;
    outcome.and(ended)
}
