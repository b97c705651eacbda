//! Where clusters, their templates and their ports are kept on this machine.
//!
//! Everything is below a directory of the user. A running test holds a file lock
//! on what it uses, so that what a killed test left behind is told from what is
//! in use, and removed by the next one.

use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};

use crate::account::Account;

/// Longest directory in which the socket `.s.PGSQL.65535` still fits into the
/// 107 bytes that the kernel allows.
const LONGEST_BASE: usize = 60;

/// Ports below Linux's ephemeral range, so that no outgoing connection takes
/// one between our choice and the server's start.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// Room that the memory file system must have to be worth using: a cluster
/// takes some 30 MB and tests fill it.
const ENOUGH_MEMORY: u64 = 1 << 30;

/// Directory of the templates, which outlive the test process.
pub(crate) fn templates() -> Result<PathBuf> {
    below(&std::env::temp_dir(), "templates")
}

/// Directory of the files whose locks stand for ports.
fn ports() -> Result<PathBuf> {
    below(&std::env::temp_dir(), "ports")
}

/// Directory of the running clusters: in memory where there is enough, since
/// making a cluster's thousand small files takes longer than starting it.
fn run() -> Result<PathBuf> {
    let memory = Path::new("/dev/shm");
    let free = rustix::fs::statvfs(memory).map_or(0, |stat| stat.f_bavail * stat.f_frsize);
    if free >= ENOUGH_MEMORY
        && let Ok(run) = below(memory, "run")
    {
        return Ok(run);
    }
    below(&std::env::temp_dir(), "run")
}

/// `<parent>/pgattest-testkit-<uid>/<name>`, made on first use.
fn below(parent: &Path, name: &str) -> Result<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    let own = format!("pgattest-testkit-{uid}");
    let mut base = parent.join(&own);
    if base.as_os_str().len() > LONGEST_BASE {
        base = Path::new("/tmp").join(&own);
    }
    make_directory(&base)?;
    // The parent is everybody's: what somebody else prepared is not ours to trust.
    let owner = std::fs::symlink_metadata(&base)
        .with_context(|| format!("cannot look at {}", base.display()))?;
    if owner.uid() != uid || !owner.is_dir() {
        bail!(
            "{} belongs to another user: remove it or set TMPDIR",
            base.display()
        );
    }
    let directory = base.join(name);
    make_directory(&directory)?;
    Ok(directory)
}

/// A directory of one cluster or pooler, removed when dropped.
#[derive(Debug)]
pub(crate) struct RunDirectory {
    path: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

impl RunDirectory {
    pub(crate) fn create(account: &Account) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        static SWEEP: Once = Once::new();

        let run = run()?;
        let door = lock(&run.join(".door"))?;
        SWEEP.call_once(|| sweep(&run));
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = run.join(format!("{}-{number}", std::process::id()));
            let lock_path = path.with_extension("lock");
            if path.exists() || lock_path.exists() {
                continue;
            }
            let held = lock(&lock_path)?;
            make_directory(&path)?;
            account.own(&path)?;
            drop(door);
            return Ok(Self {
                path,
                lock_path,
                _lock: held,
            });
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next test process.
        let _ = std::fs::remove_dir_all(&self.path);
        let _ = std::fs::remove_file(&self.lock_path);
    }
}

/// Removes the directories of test processes that are gone.
fn sweep(run: &Path) {
    let Ok(entries) = std::fs::read_dir(run) else {
        return;
    };
    for entry in entries.flatten() {
        let lock_path = entry.path();
        if lock_path.extension().is_none_or(|ending| ending != "lock") {
            continue;
        }
        let Ok(file) = File::open(&lock_path) else {
            continue;
        };
        if file.try_lock().is_ok() {
            let _ = std::fs::remove_dir_all(lock_path.with_extension(""));
            let _ = std::fs::remove_file(&lock_path);
        }
    }
}

/// A loopback port that no other test process will choose while this lives.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    _lock: File,
}

impl Port {
    pub(crate) fn pick() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);

        let ports = ports()?;
        let span = u32::from(PORTS.end - PORTS.start);
        // Processes begin at different places so that they seldom meet.
        let begin = std::process::id().wrapping_mul(97);
        for _ in 0..span {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let offset = u16::try_from(begin.wrapping_add(step) % span)?;
            let number = PORTS.start + offset;
            let file = open_lock(&ports.join(number.to_string()))?;
            match file.try_lock() {
                Ok(()) if is_free(number) => {
                    return Ok(Self {
                        number,
                        _lock: file,
                    });
                }
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(error).context("cannot lock a port");
                }
            }
        }
        bail!(
            "no free loopback port between {} and {}",
            PORTS.start,
            PORTS.end
        )
    }
}

/// Whether this machine has an IPv6 loopback to listen on.
pub(crate) fn has_ipv6_loopback() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        && (!has_ipv6_loopback() || TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok())
}

/// Waits for the exclusive lock of the file `path`, held until it is dropped.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let file = open_lock(path)?;
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

fn open_lock(path: &Path) -> Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))
}

/// Makes a directory that the server's account can enter; it may exist already.
pub(crate) fn make_directory(path: &Path) -> Result<()> {
    match std::fs::DirBuilder::new().mode(0o755).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot create {}", path.display())),
    }
}
