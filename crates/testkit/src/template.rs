//! Data directories made by `initdb`, once for each server and encoding.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::account::Account;
use crate::binaries::Binaries;
use crate::cluster::{SUPERUSER, SUPERUSER_PASSWORD};
use crate::place;
use crate::process::program;

/// Raise this when the arguments of `initdb` below change: an old template of
/// the same server must not be used then.
const REVISION: u32 = 1;

/// How the databases of a cluster encode text.
#[derive(Clone, Debug)]
pub(crate) struct Encoding {
    pub(crate) encoding: String,
    pub(crate) locale: String,
}

impl Default for Encoding {
    fn default() -> Self {
        Self {
            encoding: "UTF8".to_owned(),
            locale: "C.UTF-8".to_owned(),
        }
    }
}

/// The template for this server, made now if it is the first time.
///
/// Safe against two test processes that want the same one at once: one makes
/// it under a file lock, and it appears whole, by a rename.
pub(crate) fn template(
    binaries: &Binaries,
    encoding: &Encoding,
    account: &Account,
) -> Result<PathBuf> {
    let templates = place::templates()?;
    let name = file_name(&format!(
        "{}-{}-{}-{}-{}-r{REVISION}",
        binaries.version()?,
        binaries.origin,
        account.name,
        encoding.encoding,
        encoding.locale
    ));
    let finished = templates.join(&name);
    if finished.is_dir() {
        return Ok(finished);
    }

    let _lock = place::lock(&templates.join(format!("{name}.lock")))?;
    if finished.is_dir() {
        return Ok(finished);
    }
    let work = templates.join(format!("{name}.new"));
    if work.exists() {
        std::fs::remove_dir_all(&work)
            .with_context(|| format!("cannot remove {}", work.display()))?;
    }
    place::make_directory(&work)?;
    account.own(&work)?;
    initdb(binaries, encoding, account, &work)?;
    std::fs::rename(&work, &finished)
        .with_context(|| format!("cannot rename {}", work.display()))?;
    Ok(finished)
}

/// Runs a command to its end; what it printed is part of the error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    bail!(
        "{} failed ({})\n{}{}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn initdb(binaries: &Binaries, encoding: &Encoding, account: &Account, work: &Path) -> Result<()> {
    let password_file = work.join("password");
    std::fs::write(&password_file, format!("{SUPERUSER_PASSWORD}\n"))
        .with_context(|| format!("cannot write {}", password_file.display()))?;

    let data = work.join("data");
    let mut command = program(&binaries.bin.join("initdb"));
    command
        .arg("--pgdata")
        .arg(&data)
        .arg("--pwfile")
        .arg(&password_file)
        .args(["--nosync", "--username", SUPERUSER])
        // Asking for SCRAM is what makes 13 store the password that way.
        .args(["--auth", "scram-sha-256"])
        // Small segments: a copy of the template copies one.
        .args(["--wal-segsize", "1"])
        .arg(format!("--encoding={}", encoding.encoding))
        .arg(format!("--locale={}", encoding.locale));
    if binaries.major >= 14 {
        command.arg("--no-instructions");
    }
    account.confine(&mut command, work);
    run(&mut command).with_context(|| {
        format!(
            "initdb of PostgreSQL {} as user {}",
            binaries.major, account.name
        )
    })?;
    forget_password_encryption(&data.join("postgresql.conf"))
}

/// `initdb --auth scram-sha-256` sets `password_encryption` in the file, up to
/// 13. A cluster begins with the server's default instead.
fn forget_password_encryption(conf: &Path) -> Result<()> {
    let text =
        std::fs::read_to_string(conf).with_context(|| format!("cannot read {}", conf.display()))?;
    let text: String = text
        .split_inclusive('\n')
        .map(|line| {
            if line.starts_with("password_encryption") {
                format!("#{line}")
            } else {
                line.to_owned()
            }
        })
        .collect();
    std::fs::write(conf, text).with_context(|| format!("cannot write {}", conf.display()))
}

/// Keeps letters, digits, dots and dashes.
fn file_name(text: &str) -> String {
    text.chars()
        .map(|char| match char {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' => char,
            _ => '_',
        })
        .collect()
}
