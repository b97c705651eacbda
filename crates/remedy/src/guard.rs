//! The way back when this process is killed: the server itself puts the old files back, unless it is told not to.
//!
//! One statement of a session of its own sleeps, writes and reloads. A backend that runs a statement does not look whether its
//! client still lives, so the statement ends also when nobody is left to see it.

use crate::error::ApplyError;
use crate::session::{column, run};
use pgattest_model::ident::quote_literal;
use pgattest_wire::{ConnectOptions, Connection, connect};
use std::fmt::Write as _;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long after the time to prove the server waits: writing, checking and reloading are in it.
const MARGIN: Duration = Duration::from_secs(15);

/// The most that is read of a file, in bytes; a `pg_hba.conf` that is longer is none.
const LARGEST: u32 = 16 << 20;

/// A guard that is set.
pub(crate) struct Guard {
    pid: i32,
    session: JoinHandle<Result<(), tokio_postgres::Error>>,
    /// When it acts.
    pub(crate) within: Duration,
}

/// A file that a guard puts back.
pub(crate) struct Guarded {
    pub(crate) path: String,
    pub(crate) old: Vec<u8>,
    pub(crate) new: Vec<u8>,
}

impl Guard {
    /// Sets a guard, and returns when the server has begun to wait.
    pub(crate) async fn set(
        options: &ConnectOptions,
        control: &Connection,
        plan_digest: &str,
        files: &[Guarded],
        prove_within: Duration,
    ) -> Result<Self, ApplyError> {
        let within = prove_within + MARGIN;
        let connection = connect(options).await?;
        let version = connection
            .parameter("server_version")
            .and_then(|text| text.split('.').next()?.parse::<u32>().ok())
            .unwrap_or_default();
        let mut settings = format!(
            "SET application_name = {}; SET statement_timeout = 0; SET lock_timeout = 0; SET default_transaction_read_only = off; \
             SET idle_in_transaction_session_timeout = 0; SET default_transaction_isolation = 'read committed';",
            quote_literal(&name(plan_digest))
        );
        if version >= 14 {
            // The one setting with which a backend would notice that its client is gone.
            settings.push_str(" SET client_connection_check_interval = 0;");
        }
        if version >= 17 {
            settings.push_str(" SET transaction_timeout = 0;");
        }
        run(&connection, &settings).await?;
        let pid: i32 =
            crate::session::one(&connection, "SELECT pg_catalog.pg_backend_pid()", &[]).await?;
        let statement = statement(files, within);
        let session =
            tokio::spawn(async move { connection.client().batch_execute(&statement).await });
        let mut guard = Self {
            pid,
            session,
            within,
        };
        match guard.begun(control).await {
            Ok(()) => Ok(guard),
            Err(error) => {
                guard.session.abort();
                Err(error)
            }
        }
    }

    /// Waits until the server sleeps: a statement that cannot work has failed by then.
    async fn begun(&mut self, control: &Connection) -> Result<(), ApplyError> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        loop {
            if self.session.is_finished() {
                let why = match (&mut self.session).await {
                    Ok(Err(source)) => crate::session::refused("DO .. (the guard)", source),
                    _ => ApplyError::NotFromHere("the guard ended at once".to_owned()),
                };
                return Err(ApplyError::NoGuard {
                    source: Box::new(why),
                });
            }
            let sleeping: Vec<i32> = column(
                control,
                "SELECT a.pid FROM pg_catalog.pg_stat_activity AS a WHERE a.pid = $1 AND a.wait_event = 'PgSleep'",
                &[&self.pid],
            )
            .await?;
            if !sleeping.is_empty() {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                return Err(ApplyError::NoGuard {
                    source: Box::new(ApplyError::NotFromHere(
                        "the guard was not seen to wait within 10 seconds".to_owned(),
                    )),
                });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Calls it off, and returns when its session has ended. Whether it acted before is seen from the files.
    pub(crate) async fn call_off(self, control: &Connection) -> Result<(), ApplyError> {
        let _: Vec<bool> = column(
            control,
            "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity AS a WHERE a.pid = $1",
            &[&self.pid],
        )
        .await?;
        let _ = self.session.await;
        gone(control, "a.pid = $1", &self.pid).await
    }
}

/// Calls off what an earlier process of this plan left, except `mine`.
pub(crate) async fn call_off_others(
    control: &Connection,
    plan_digest: &str,
    mine: Option<&Guard>,
) -> Result<(), ApplyError> {
    let name = name(plan_digest);
    let mine = mine.map_or(0, |guard| guard.pid);
    let pids: Vec<i32> = column(
        control,
        "SELECT a.pid FROM pg_catalog.pg_stat_activity AS a WHERE a.application_name = $1 AND a.pid <> $2",
        &[&name, &mine],
    )
    .await?;
    for pid in pids {
        let _: Vec<bool> = column(
            control,
            "SELECT pg_catalog.pg_terminate_backend($1)",
            &[&pid],
        )
        .await?;
        gone(control, "a.pid = $1", &pid).await?;
    }
    Ok(())
}

async fn gone(control: &Connection, which: &str, pid: &i32) -> Result<(), ApplyError> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    let query = format!("SELECT a.pid FROM pg_catalog.pg_stat_activity AS a WHERE {which}");
    loop {
        let there: Vec<i32> = column(control, &query, &[pid]).await?;
        if there.is_empty() {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            return Err(ApplyError::NotFromHere(format!(
                "the guard, process {pid}, does not end; it may put the old file back"
            )));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What `pg_stat_activity` shows of the guards of a plan.
fn name(plan_digest: &str) -> String {
    let short: String = plan_digest.chars().take(16).collect();
    format!("pgattest guard {short}")
}

/// Puts back what still is what we wrote, or the beginning of it; what somebody else wrote meanwhile stays.
fn statement(files: &[Guarded], within: Duration) -> String {
    let mut body = format!(
        "DECLARE\n  now_there bytea;\n  object oid;\nBEGIN\n  PERFORM pg_catalog.pg_sleep({});\n",
        within.as_secs_f64()
    );
    for file in files {
        let path = quote_literal(&file.path);
        let new = hex::encode(&file.new);
        let old = hex::encode(&file.old);
        let _ = write!(
            body,
            "  now_there := pg_catalog.pg_read_binary_file({path}, 0, {LARGEST}, true);
  IF now_there IS NULL OR now_there OPERATOR(pg_catalog.=) pg_catalog.substring(pg_catalog.decode('{new}', 'hex'), 1, pg_catalog.length(now_there)) THEN
    object := pg_catalog.lo_from_bytea(0, pg_catalog.decode('{old}', 'hex'));
    PERFORM pg_catalog.lo_export(object, {path});
    PERFORM pg_catalog.lo_unlink(object);
  END IF;
"
        );
    }
    body.push_str("  PERFORM pg_catalog.pg_reload_conf();\nEND");
    format!("DO LANGUAGE plpgsql {};", quote_literal(&body))
}
