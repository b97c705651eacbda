//! `ALTER SYSTEM`, and whether it had any effect.

use crate::error::ApplyError;
use crate::session::{refused, run};
use pgattest_model::plan::SettingValue;
pub(crate) use pgattest_model::plan::alter_system;
use pgattest_wire::Connection;

/// What `postgresql.auto.conf` says of a parameter. What may be a secret stays in the server.
pub(crate) async fn in_auto_conf(
    connection: &Connection,
    name: &str,
) -> Result<Option<String>, ApplyError> {
    const QUERY: &str = "\
SELECT CASE WHEN f.name ~ '(command|conninfo|password|passphrase)' THEN '(withheld)' ELSE f.setting END
FROM pg_catalog.pg_file_settings AS f
WHERE pg_catalog.lower(f.name) = pg_catalog.lower($1::text) AND f.sourcefile LIKE '%/postgresql.auto.conf'
ORDER BY f.seqno DESC LIMIT 1";
    let row = connection
        .client()
        .query_opt(QUERY, &[&name])
        .await
        .map_err(|source| refused(QUERY, source))?;
    match row {
        None => Ok(None),
        Some(row) => row.try_get(0).map_err(|source| refused(QUERY, source)),
    }
}

/// Whether a parameter is what was set, after a reload.
pub(crate) enum InForce {
    Yes,
    /// As soon as the server is restarted.
    AfterRestart,
    /// It is not, for this reason.
    No(String),
}

/// Asks the server whether a parameter has the value that `postgresql.auto.conf` was given, or none from there.
pub(crate) async fn in_force(
    connection: &Connection,
    name: &str,
    set: bool,
) -> Result<InForce, ApplyError> {
    const QUERY: &str = "\
SELECT s.pending_restart, coalesce(s.source, ''), coalesce(s.sourcefile, ''), s.context = 'postmaster'
FROM pg_catalog.pg_settings AS s WHERE pg_catalog.lower(s.name) = pg_catalog.lower($1::text)";
    let written = in_auto_conf(connection, name).await?;
    if written.is_some() != set {
        return Ok(InForce::No(
            "`postgresql.auto.conf` was written again by somebody else, as Patroni and some operators of containers do"
                .to_owned(),
        ));
    }
    let row = connection
        .client()
        .query_opt(QUERY, &[&name])
        .await
        .map_err(|source| refused(QUERY, source))?;
    let Some(row) = row else {
        return Ok(if set {
            InForce::No("the server knows no such parameter".to_owned())
        } else {
            InForce::Yes
        });
    };
    let get = |source| refused(QUERY, source);
    let pending: bool = row.try_get(0).map_err(get)?;
    let source: String = row.try_get(1).map_err(get)?;
    let file: String = row.try_get(2).map_err(get)?;
    let at_start: bool = row.try_get(3).map_err(get)?;
    Ok(match source.as_str() {
        // Whatever else is pending, the command line wins.
        "command line" | "environment variable" | "override" if set => InForce::No(format!(
            "the server was started with it as an argument ({source}), which wins over every file; Patroni and containers do that"
        )),
        _ if pending => InForce::AfterRestart,
        // The running server has the value already, and does not look where it comes from before it is restarted.
        _ if at_start => InForce::Yes,
        // Who may not see the file's name sees an empty one.
        "configuration file"
            if set && !file.is_empty() && !file.ends_with("/postgresql.auto.conf") =>
        {
            InForce::No(format!("{file} decides it"))
        }
        "default" if set => {
            InForce::No("the server did not take the value; its log says why".to_owned())
        }
        // What a role or a database presets hides the value from this session only.
        _ => InForce::Yes,
    })
}

/// Sets a parameter.
pub(crate) async fn set(
    connection: &Connection,
    name: &str,
    value: Option<&SettingValue>,
) -> Result<(), ApplyError> {
    run(connection, &alter_system(name, value)).await
}
