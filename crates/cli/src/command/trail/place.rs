//! Where a trail's parts are: named on the command line, else as the collector's configuration says.

use crate::args::{HomeArgs, TrailConfigArgs, TrailKeysArgs};
use crate::failure::{Doing, Failure, OrHint, fail};
use crate::home::Home;
use crate::trail_file::{self, TrailFile};
use pgattest_archive::{Archive, Location, Place as ArchivePlace};
use pgattest_evidence::{KeyStore, KeyStoreError};
use pgattest_trail::{Journal, JournalError, JournalOptions, JournalReader};
use std::path::{Path, PathBuf};

/// A trail, as far as a configuration says where it is.
pub(super) struct Place {
    file: Option<TrailFile>,
}

impl Place {
    /// Reads the configuration, if one is named.
    pub(super) fn of(arguments: &TrailConfigArgs) -> Result<Self, Failure> {
        Ok(Self {
            file: arguments
                .config
                .as_deref()
                .map(trail_file::load)
                .transpose()?,
        })
    }

    /// The configuration.
    pub(super) fn file(&self) -> Option<&TrailFile> {
        self.file.as_ref()
    }

    /// The configuration, for what only it can say.
    pub(super) fn needed(&self, what: &str) -> Result<&TrailFile, Failure> {
        self.file().ok_or_else(|| {
            fail(format!("{what} needs the collector's configuration"))
                .hint("name it: --config trail.toml")
        })
    }

    /// The journal's directory.
    pub(super) fn journal(&self, named: Option<&Path>) -> Result<PathBuf, Failure> {
        self.journal_if_any(named).ok_or_else(|| {
            fail("no journal is named").hint(
                "name the collector's configuration, --config trail.toml, or the journal's directory, --journal DIR",
            )
        })
    }

    /// The same where there may be none.
    pub(super) fn journal_if_any(&self, named: Option<&Path>) -> Option<PathBuf> {
        named
            .map(Path::to_owned)
            .or_else(|| Some(self.file()?.journal.clone()))
    }

    /// The journal, for reading.
    pub(super) fn reader(&self, named: Option<&Path>) -> Result<JournalReader, Failure> {
        JournalReader::open(&self.journal(named)?)
            .doing(|| "the journal could not be read".to_owned())
            .or_hint("a journal is the directory that `pgattest trail run` writes to; it makes it when it is first run")
    }

    /// Where the archive is, if there is one. What is named on the command line is reached as the configuration's is.
    pub(super) fn archive_if_any(
        &self,
        named: Option<&Path>,
    ) -> Result<Option<ArchivePlace>, Failure> {
        let configured = self.file().and_then(|file| file.archive.as_ref());
        let configured = configured.map(pgattest_archive::task::Config::place);
        let Some(path) = named else {
            return Ok(configured);
        };
        Ok(Some(ArchivePlace {
            location: Location::try_from(path.to_owned())?,
            s3: configured.map(|place| place.s3).unwrap_or_default(),
        }))
    }

    /// The archive.
    pub(super) fn archive(
        &self,
        named: Option<&Path>,
        instance: Option<&str>,
    ) -> Result<Archive, Failure> {
        let place = self.archive_if_any(named)?.ok_or_else(|| match self.file() {
            None => fail("no archive is named").hint(
                "name the collector's configuration, --config trail.toml, or where the archive is, --archive DIR or \
                 --archive s3://BUCKET/PREFIX",
            ),
            Some(_) => fail("the configuration has no [archive]")
                .hint("write [archive] and location = \"archive\" into it, or name a place: --archive DIR"),
        })?;
        self.archive_at(&place, instance)
    }

    /// The archive at this place: of the instance that is named, else of the configuration's, else the only one that there is.
    pub(super) fn archive_at(
        &self,
        place: &ArchivePlace,
        instance: Option<&str>,
    ) -> Result<Archive, Failure> {
        let configured = self.file().map(|file| file.instance.as_str());
        if let Some(name) = instance.or(configured) {
            return Ok(Archive::at(place, name)?);
        }
        let instances = Archive::instances(place)?;
        match instances.as_slice() {
            [] => Ok(Archive::at(place, "main")?),
            [one] => Ok(Archive::at(place, one)?),
            many => Err(fail(format!(
                "the archive {} has {} instances: {}",
                place.location,
                many.len(),
                many.join(", ")
            ))
            .hint("name one: --instance NAME")),
        }
    }

    /// Where the collector's keys are.
    pub(super) fn keys(&self, keys: &TrailKeysArgs) -> Result<KeyStore, Failure> {
        if let (None, Some(file)) = (&keys.home, self.file()) {
            return Ok(KeyStore::new(&file.keys));
        }
        let home = HomeArgs {
            home: keys
                .home
                .clone()
                .or_else(|| std::env::var_os("PGATTEST_HOME").map(PathBuf::from)),
        };
        Ok(Home::at(&home)?.keys())
    }

    /// The journal, open for writing; `None`: somebody else writes to it. Makes neither a journal nor a key.
    pub(super) fn writer(
        &self,
        journal: &Path,
        keys: &TrailKeysArgs,
    ) -> Result<Option<Journal>, Failure> {
        // Somebody who may not read the key may still ask the collector.
        if Journal::is_written_to(journal)? {
            return Ok(None);
        }
        let store = self.keys(keys)?;
        let key = store.load().map_err(|error| match error {
            KeyStoreError::Absent(path) => fail(format!(
                "there is no signing key at {}, and the journal {} is signed by one",
                path.display(),
                journal.display()
            ))
            .hint(
                "name the collector's configuration, --config trail.toml, or the directory above its `keys`, --home DIR",
            ),
            error => error.into(),
        })?;
        match Journal::open(journal, key, JournalOptions::default()) {
            Ok(journal) => Ok(Some(journal)),
            Err(JournalError::Locked(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
