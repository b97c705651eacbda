//! A physical standby of a cluster.

use std::ops::Deref;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::builder::launch;
use crate::cluster::{Cluster, Parts, SUPERUSER, SUPERUSER_PASSWORD};
use crate::copy::copy_directory;
use crate::login::keyword_value;
use crate::place::RunDirectory;
use crate::{conf, sql};

/// A hot standby that streams from its primary. Everything of a [`Cluster`]
/// that does not write works on it.
pub struct Standby(Cluster);

impl Deref for Standby {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.0
    }
}

impl Standby {
    /// Copies a running primary and starts the copy as its standby. The
    /// primary's `pg_hba.conf` must let `postgres` in for replication by a `local`
    /// line, and it must outlive the standby, which uses its TLS files.
    pub async fn of(primary: &Cluster) -> Result<Self> {
        let account = primary.account().clone();
        let directory = RunDirectory::create(&account)?;
        let data = directory.path().join("data");

        // The low-level backup of the manual: pg_basebackup is not among the
        // embedded programs and must not be older than the server. The session
        // that starts it must be the one that ends it.
        let client = primary.client("postgres").await?;
        let (start, stop) = if primary.major() >= 15 {
            (
                "SELECT pg_backup_start('standby', true)",
                "SELECT labelfile FROM pg_backup_stop(false)",
            )
        } else {
            (
                "SELECT pg_start_backup('standby', true, false)",
                "SELECT labelfile FROM pg_stop_backup(false, false)",
            )
        };
        sql::rows(&client, start).await?;
        let (from, to, owner) = (primary.data_dir(), data.clone(), account.clone());
        sql::unblock(move || copy_directory(&from, &to, &owner, &|path| skipped(path))).await?;
        let label = sql::rows(&client, stop)
            .await?
            .into_iter()
            .flatten()
            .next()
            .flatten()
            .context("the server gave no backup label")?;
        for (name, text) in [("backup_label", label.as_str()), ("standby.signal", "")] {
            let path = data.join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
            account.own(&path)?;
        }

        let socket = directory.path().display().to_string();
        let conninfo = format!(
            "host={} port={} user={SUPERUSER} password={SUPERUSER_PASSWORD}",
            keyword_value(&primary.socket_dir().display().to_string()),
            primary.port()
        );
        let settings = conf::line("unix_socket_directories", &socket)?
            + &conf::line("primary_conninfo", &conninfo)?
            + &conf::line("hot_standby", "on")?;
        let parts = Parts {
            binaries: primary.binaries().clone(),
            account,
            tls: None,
            directory,
        };
        sql::unblock(move || launch(parts, &settings).map(Self)).await
    }

    /// Waits until everything that `primary` has written by now is visible here.
    pub async fn catch_up(&self, primary: &Cluster) -> Result<()> {
        let target = primary
            .query_value("postgres", "SELECT pg_current_wal_flush_lsn()")
            .await?;
        let client = self.client("postgres").await?;
        let question =
            format!("SELECT coalesce(pg_last_wal_replay_lsn() >= '{target}', false)::text");
        let deadline = std::time::Instant::now() + crate::process::PATIENCE;
        loop {
            let rows = sql::rows(&client, &question).await?;
            if rows.iter().flatten().flatten().any(|value| value == "true") {
                return Ok(());
            }
            if std::time::Instant::now() >= deadline {
                bail!(
                    "the standby has not reached {target}; it said:\n{}",
                    self.log()
                );
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

/// What belongs to the running primary and not to its copy.
fn skipped(path: &Path) -> bool {
    ["postmaster.pid", "postmaster.opts"]
        .iter()
        .any(|name| path == Path::new(name))
        || ["pg_replslot", "pg_stat_tmp", "log"]
            .iter()
            .any(|folder| path.parent() == Some(Path::new(folder)))
}
