//! A server that logs everything, a load, and the collector as a process.

use crate::support::{Desk, start};
use pgattest_testkit::{Cluster, ClusterBuilder, SUPERUSER_PASSWORD};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Logs every statement, as the server and as pgaudit does.
pub(super) fn server(rotation: &str) -> Cluster {
    Cluster::hardened(15)
        .setting("pgaudit.log", "read, write, ddl, role")
        .setting("log_statement", "all")
        .setting("log_rotation_size", rotation)
        .start_blocking()
        .unwrap()
}

/// Logs every statement once, without pgaudit: after the three records of its connection a session has one for each.
pub(super) fn server_that_logs(rotation: &str) -> Cluster {
    logs_all(rotation).start_blocking().unwrap()
}

/// The same, to be started.
pub(super) fn logs_all(rotation: &str) -> ClusterBuilder {
    Cluster::hardened(15)
        .setting("pgaudit.log", "none")
        .setting("log_statement", "all")
        .setting("log_timezone", "UTC")
        .setting("log_rotation_size", rotation)
}

#[track_caller]
pub(super) fn statement(cluster: &Cluster, sql: &str) {
    cluster.execute_blocking("postgres", sql).unwrap();
}

/// pgbench in the database `postgres`.
pub(super) fn pgbench(cluster: &Cluster, arguments: &[&str]) -> Child {
    start(&cluster.binaries().bin.join("pgbench"))
        .args(arguments)
        .args(["-h", &cluster.socket_dir().display().to_string()])
        .args([
            "-p",
            &cluster.port().to_string(),
            "-U",
            "postgres",
            "postgres",
        ])
        .env("PGPASSWORD", SUPERUSER_PASSWORD)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

pub(super) fn log_dir(cluster: &Cluster) -> PathBuf {
    cluster.scratch_dir().join("log")
}

/// The collector's configuration: a journal and, beside the capture, an archive. Both are on the desk.
pub(super) fn configure(desk: &Desk, cluster: &Cluster) {
    let logs = log_dir(cluster).display().to_string();
    desk.write(
        "trail.toml",
        format!(
            "instance = \"main\"\njournal = \"journal\"\nkeys = \"home/keys\"\n\
             [capture]\nlogs = [\"{logs}\"]\n\
             [archive]\ndir = \"archive\"\nevery_minutes = 1\n"
        ),
    );
}

/// A collector as a process, killed at the latest when the test ends.
pub(super) struct Collector {
    process: Child,
    said: PathBuf,
}

impl Collector {
    /// Begins to collect as `trail.toml` says.
    pub(super) fn start(desk: &Desk) -> Self {
        Self::of(
            desk,
            desk.command(&["trail", "run", "--config", "trail.toml"]),
        )
    }

    /// Begins to collect by this command.
    pub(super) fn of(desk: &Desk, mut command: Command) -> Self {
        let said = desk.path("collector.log");
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&said).unwrap())
            .spawn()
            .unwrap();
        Self { process, said }
    }

    /// Whether it has said these words.
    pub(super) fn has_said(&self, words: &str) -> bool {
        let said = fs::read(&self.said).unwrap();
        String::from_utf8_lossy(&said).contains(words)
    }

    /// Sends it a signal.
    #[track_caller]
    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// SIGKILL. That it had ended by itself is an error.
    #[track_caller]
    pub(super) fn kill(&mut self) {
        let ended = self.process.try_wait().unwrap();
        assert!(ended.is_none(), "the collector ended by itself: {ended:?}");
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a collector to the end of what was logged, and of what is to be archived.
#[track_caller]
pub(super) fn catch_up(desk: &Desk) {
    desk.run(&["trail", "run", "--config", "trail.toml", "--once"])
        .assert_code(0);
}

pub(super) fn csv_files(cluster: &Cluster) -> BTreeSet<PathBuf> {
    fs::read_dir(log_dir(cluster))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "csv"))
        .collect()
}

/// Has the server begin another log file, and waits for it. Gives the files there are then.
#[track_caller]
pub(super) fn rotate(cluster: &Cluster) -> BTreeSet<PathBuf> {
    let before = csv_files(cluster);
    // Its name has the second in it: in the same second it would be the same file.
    wait_until("another log file", || {
        let _ = cluster.query_text_blocking("postgres", "select pg_rotate_logfile()");
        pause(Duration::from_millis(200));
        !csv_files(cluster).is_subset(&before)
    });
    csv_files(cluster)
}

/// Waits for a state, with a deadline that only a fault reaches.
#[track_caller]
pub(super) fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !reached() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        pause(Duration::from_millis(20));
    }
}

/// Lets a moment pass: between two looks, or one that nobody chose.
#[allow(
    clippy::disallowed_methods,
    reason = "what is waited for is the moment itself, or has no event to wait for"
)]
pub(super) fn pause(moment: Duration) {
    std::thread::sleep(moment);
}
