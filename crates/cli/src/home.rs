//! Where the signing key and the ledger live.

use crate::args::HomeArgs;
use crate::failure::{Doing, Failure, fail};
use crate::printer::Printer;
use pgattest_evidence::{KeyStore, Ledger, StoredKey};
use std::path::PathBuf;

/// The folder with the key and the ledger.
#[derive(Debug)]
pub(crate) struct Home {
    folder: PathBuf,
}

impl Home {
    /// `--home` or `PGATTEST_HOME`, else `$XDG_DATA_HOME/pgattest`, else `~/.local/share/pgattest`.
    pub(crate) fn at(arguments: &HomeArgs) -> Result<Self, Failure> {
        if let Some(folder) = &arguments.home {
            return Ok(Self {
                folder: folder.clone(),
            });
        }
        let absolute = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        absolute("XDG_DATA_HOME")
            .or_else(|| Some(absolute("HOME")?.join(".local/share")))
            .map(|data| Self {
                folder: data.join("pgattest"),
            })
            .ok_or_else(|| {
                fail("there is no home directory to keep the signing key and the ledger in")
                    .hint("name one: --home DIR")
            })
    }

    /// Where the signing key is kept.
    pub(crate) fn keys(&self) -> KeyStore {
        KeyStore::new(self.folder.join("keys"))
    }

    /// The signing key, made on first use.
    pub(crate) fn key(&self, printer: &Printer) -> Result<StoredKey, Failure> {
        let keys = self.keys();
        let stored = keys
            .load_or_create()
            .doing(|| "the signing key could not be used".to_owned())?;
        if stored.created {
            printer.note(&format!(
                "A signing key was made: {}",
                keys.private_key_path().display()
            ));
        }
        Ok(stored)
    }

    /// Journals and backups of plans that were applied, a folder a plan.
    pub(crate) fn plans(&self) -> PathBuf {
        self.folder.join("plans")
    }

    /// The local ledger.
    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::new(self.folder.join("ledger"))
    }
}
