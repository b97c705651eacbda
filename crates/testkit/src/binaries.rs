//! Where the server programs of each major version are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::program;

/// Majors that pgattest supports, oldest first.
const SUPPORTED: std::ops::RangeInclusive<u32> = 13..=18;

/// Majors whose server programs are installed here, oldest first.
pub fn available_majors() -> Vec<u32> {
    SUPPORTED
        .filter(|major| Binaries::find(*major).is_ok())
        .collect()
}

/// The server programs of one major version.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// Major version, such as 15.
    pub major: u32,
    /// Directory of `postgres` and `initdb`.
    pub bin: PathBuf,
    /// Directory of loadable modules such as `pgaudit.so`.
    modules: PathBuf,
    /// Where they come from; part of the name of the template.
    pub(crate) origin: &'static str,
}

impl Binaries {
    /// Finds the programs of `major`: Debian's, which bring pgaudit, else those
    /// that `script/bootstrap` put into `PGATTEST_TOOLS`,
    /// `/var/cache/pgattest-tools` or `~/.cache/pgattest-tools`.
    ///
    /// Fails when they are nowhere, and says where it looked.
    pub fn find(major: u32) -> Result<Self> {
        let mut tried = Vec::new();
        for found in candidates(major) {
            if found.bin.join("postgres").is_file() && found.bin.join("initdb").is_file() {
                return Ok(found);
            }
            tried.push(found.bin.display().to_string());
        }
        bail!(
            "no server programs of PostgreSQL {major} in {}; run script/bootstrap",
            tried.join(", ")
        )
    }

    /// Whether the loadable module `name` is installed for this server.
    pub fn has_module(&self, name: &str) -> bool {
        self.modules.join(format!("{name}.so")).is_file()
    }

    /// What `postgres --version` says, such as `postgres (PostgreSQL) 18.4`.
    pub fn version(&self) -> Result<String> {
        let postgres = self.bin.join("postgres");
        let output = program(&postgres)
            .arg("--version")
            .output()
            .with_context(|| format!("cannot run {}", postgres.display()))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// Debian's client program `name` (`psql`, `pg_basebackup`) of the newest
/// version installed. The wrapper in `/usr/bin` is not used: it costs more time
/// than the program.
pub(crate) fn client_program(name: &str) -> Result<PathBuf> {
    SUPPORTED
        .rev()
        .map(|major| debian_bin(major).join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("no {name} below /usr/lib/postgresql; run script/bootstrap"))
}

fn candidates(major: u32) -> Vec<Binaries> {
    let debian = Binaries {
        major,
        bin: debian_bin(major),
        modules: PathBuf::from(format!("/usr/lib/postgresql/{major}/lib")),
        origin: "debian",
    };
    let mut all = vec![debian];
    for tools in tools_directories() {
        let root = tools.join("postgres").join(major.to_string());
        all.push(Binaries {
            major,
            bin: root.join("bin"),
            modules: root.join("lib/postgresql"),
            origin: "embedded",
        });
    }
    all
}

fn debian_bin(major: u32) -> PathBuf {
    PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"))
}

/// The places of script/env, in its order, then the one that root uses.
pub(crate) fn tools_directories() -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Some(chosen) = std::env::var_os("PGATTEST_TOOLS") {
        places.push(PathBuf::from(chosen));
    }
    places.push(PathBuf::from("/var/cache/pgattest-tools"));
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    places.extend(cache.map(|cache| cache.join("pgattest-tools")));
    places
}
