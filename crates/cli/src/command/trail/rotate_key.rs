//! `pgattest trail rotate-key`.

use crate::args::TrailRotateKeyArgs;
use crate::failure::{Failure, fail};
use crate::printer::Printer;
use crate::trail_file;
use pgattest_evidence::KeyStore;
use pgattest_trail::JournalError;
use pgattest_trail::seal::rotation::{self, RotationError};
use std::path::{Path, PathBuf};

pub(crate) fn run(arguments: &TrailRotateKeyArgs, printer: &Printer) -> Result<u8, Failure> {
    let (journal, keys) = places(arguments)?;
    // The folder of the evidence ledger's key: rotated here, the ledger would refuse it.
    if keys
        .parent()
        .is_some_and(|folder| folder.join("ledger").exists())
    {
        return Err(fail(format!(
            "the key in {} signs the evidence ledger, too, and cannot be rotated for the trail alone",
            keys.display()
        ))
        .hint("give the trail keys of its own: `keys` in trail.toml, for a new journal"));
    }
    let store = KeyStore::new(keys);
    let rotated = rotation::rotate(&journal, &store).map_err(|error| match error {
        RotationError::Journal(error @ JournalError::Locked(_)) => Failure::from(error).hint(format!(
            "a collector signs with the key that it has read: stop it, rotate, and start it again; it catches up with what was logged in \
             between. As a service: systemctl stop pgattest-trail && pgattest trail rotate-key {} && systemctl start pgattest-trail",
            named(arguments)
        )),
        RotationError::Journal(error) => error.into(),
        error => fail(pgattest_trail::operate::with_causes(&error)),
    })?;
    printer.result(&format!("{}\n", rotated.new.openssh_line()))?;
    printer.note(&match rotated.old {
        Some(old) => format!(
            "{} signs from now on, named by {}, whose private half is gone. Witnesses have to be told the new key",
            rotated.new.fingerprint(),
            old.fingerprint()
        ),
        None => format!(
            "An interrupted rotation was finished: {} signs from now on",
            rotated.new.fingerprint()
        ),
    });
    Ok(crate::CLEAN)
}

/// What of the command line says which journal.
fn named(arguments: &TrailRotateKeyArgs) -> String {
    match (&arguments.config, &arguments.journal, &arguments.keys) {
        (None, Some(journal), Some(keys)) => {
            format!("--journal {} --keys {}", journal.display(), keys.display())
        }
        (config, ..) => format!(
            "--config {}",
            config
                .as_deref()
                .unwrap_or(Path::new("trail.toml"))
                .display()
        ),
    }
}

fn places(arguments: &TrailRotateKeyArgs) -> Result<(PathBuf, PathBuf), Failure> {
    if let Some(path) = &arguments.config {
        let file = trail_file::load(path)?;
        return Ok((file.journal, file.keys));
    }
    match (&arguments.journal, &arguments.keys) {
        (Some(journal), Some(keys)) => Ok((journal.clone(), keys.clone())),
        _ => Err(fail("no journal was named")
            .hint("name one: --config FILE, or --journal DIR --keys DIR")),
    }
}
