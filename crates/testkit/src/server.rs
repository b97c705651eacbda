//! One `postgres` process on a data directory.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::account::Account;
use crate::binaries::Binaries;
use crate::process::{PATIENCE, Process, poll};
use crate::sql::lossy_text;

/// Starts the server of `data` and waits until it accepts connections.
///
/// What it prints goes to the end of the file `log`, and into the error when it
/// does not start.
pub(crate) fn start(
    binaries: &Binaries,
    data: &Path,
    log: &Path,
    account: &Account,
) -> Result<Process> {
    let home = data.parent().unwrap_or(data);
    let before = lossy_text(log).len();
    let output = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot write {}", log.display()))?;

    let mut command = Process::command(&binaries.bin.join("postgres"), Signal::QUIT);
    command.arg("-D").arg(data);
    account.confine(&mut command, home);
    let clock = home.join(CLOCK);
    if clock.exists() {
        // Asked at every look at the clock: the test sets it while the server runs.
        command
            .env("LD_PRELOAD", FAKETIME)
            .env("FAKETIME_TIMESTAMP_FILE", &clock)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
    }
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone().context("cannot share the log file")?)
        .stderr(output);
    let mut process = Process::start(command, Signal::QUIT)?;

    let said = || lossy_text(log).split_off(before);
    let mut ended = None;
    let ready = poll(PATIENCE, || {
        ended = process.ended()?;
        Ok(ended.is_some() || is_ready(data, process.pid()))
    })?;
    if let Some(status) = ended {
        bail!(
            "PostgreSQL {} did not start as user {} ({status}); it said:\n{}{}",
            binaries.major,
            account.name,
            said(),
            collected(data)
        );
    }
    if !ready {
        bail!(
            "PostgreSQL {} is not ready after {} s; it said:\n{}{}",
            binaries.major,
            PATIENCE.as_secs(),
            said(),
            collected(data)
        );
    }
    Ok(process)
}

/// Beside the data directory, for a server whose clock the test sets: what is added to the time.
pub(crate) const CLOCK: &str = "clock";

/// Debian's libfaketime.
pub(crate) const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// Where the logging collector writes by default, below the data directory, and where a hardened cluster's does, beside it.
pub(crate) const LOG_DIRECTORY: &str = "log";

/// What the logging collector wrote, files in the order of their names.
pub(crate) fn collected(data: &Path) -> String {
    log_files(data, "log")
}

/// The same for the CSV log.
pub(crate) fn collected_csv(data: &Path) -> String {
    log_files(data, "csv")
}

/// Whether the server says so in `postmaster.pid`, as `pg_ctl` asks. It needs no
/// login, so it works whatever `pg_hba.conf` says.
fn is_ready(data: &Path, pid: u32) -> bool {
    let text = lossy_text(&data.join("postmaster.pid"));
    let lines: Vec<&str> = text.lines().collect();
    let ours = lines.first().is_some_and(|line| line.parse() == Ok(pid));
    ours && lines.get(7).is_some_and(|line| line.trim_end() == "ready")
}

fn log_files(data: &Path, ending: &str) -> String {
    let beside = data.parent().map(|parent| parent.join(LOG_DIRECTORY));
    let mut files: Vec<_> = std::iter::once(data.join(LOG_DIRECTORY))
        .chain(beside)
        .filter_map(|directory| std::fs::read_dir(directory).ok())
        .flat_map(Iterator::flatten)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    files.sort();
    files.iter().map(|path| lossy_text(path)).collect()
}
