//! The operating system account that servers run as.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// Accounts of Debian that a server may run as when the tests run as root,
/// in order of preference.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// Who a server runs as: PostgreSQL and PgBouncer refuse to be root.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Whether this process must become that account to start a server.
    pub(crate) foreign: bool,
}

impl Account {
    /// The account of this process, or an unprivileged one when this is root.
    pub(crate) fn current() -> Result<Self> {
        let passwd = std::fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let uid = rustix::process::geteuid().as_raw();
        if uid != 0 {
            return Ok(Self {
                name: by_uid(&passwd, uid).unwrap_or_else(|| uid.to_string()),
                uid,
                gid: rustix::process::getegid().as_raw(),
                foreign: false,
            });
        }
        UNPRIVILEGED
            .iter()
            .find_map(|name| by_name(&passwd, name))
            .context("PostgreSQL refuses to run as root and /etc/passwd has neither `postgres` nor `nobody`: run the tests as an unprivileged user")
    }

    /// Makes `command` run as this account with nothing of our environment:
    /// a stray `PGHOST` or `PGDATA` must not reach a server.
    pub(crate) fn confine(&self, command: &mut Command, home: &Path) {
        command
            .env_clear()
            .env("HOME", home)
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            .current_dir(home);
        if self.foreign {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Gives a file or directory to this account.
    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        if self.foreign {
            std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
                .with_context(|| format!("cannot give {} to {}", path.display(), self.name))?;
        }
        Ok(())
    }
}

fn by_name(passwd: &str, name: &str) -> Option<Account> {
    entries(passwd)
        .find(|(entry, _, _)| *entry == name)
        .map(|(name, uid, gid)| Account {
            name: name.to_owned(),
            uid,
            gid,
            foreign: true,
        })
}

fn by_uid(passwd: &str, uid: u32) -> Option<String> {
    entries(passwd)
        .find(|(_, entry, _)| *entry == uid)
        .map(|(name, _, _)| name.to_owned())
}

fn entries(passwd: &str) -> impl Iterator<Item = (&str, u32, u32)> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some((name, uid, gid))
    })
}
