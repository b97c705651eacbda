//! The text of `pg_hba.conf` and of everything that it includes, for a plan that rewrites it.
//!
//! Which files take part is known only by reading them: the file is parsed again and again, each time with the files that were
//! missing the time before.

use crate::failure::Doing;
use pgattest_collect::ServerFiles;
use pgattest_model::{Facts, ServerVersion};
use pgattest_parse::hba::{self, Files, HbaFile, Unreadable};
use pgattest_wire::ConnectOptions;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

/// More files than this do not make one configuration.
const MOST: usize = 200;

/// Where the files are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From<'a> {
    /// This machine's disk.
    Disk,
    /// The server, asked through a connection.
    Server(&'a ConnectOptions),
}

/// The files by path, the file itself first; or one sentence that says why there are none.
pub(crate) fn read(facts: &Facts, from: From<'_>) -> Result<Vec<(String, String)>, String> {
    let version = facts.version().map_err(|missing| missing.why)?;
    let settings = facts.settings.here().map_err(|missing| missing.why)?;
    let path = settings
        .value
        .require("hba_file")
        .map_err(|missing| missing.why)?
        .value
        .clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .doing(|| "the runtime could not be started".to_owned())
        .map_err(|failure| failure.error.to_string())?;
    let file = runtime.block_on(gather(&path, version, from))?;
    let secret = file
        .sources
        .iter()
        .enumerate()
        .find(|(at, source)| file.harmless_text(*at) != source.text);
    if let Some((_, source)) = secret {
        return Err(format!(
            "`{}` holds a secret (an LDAP or RADIUS password), which a plan must not: change this file by hand",
            source.path
        ));
    }
    let mut seen = BTreeSet::new();
    Ok(file
        .sources
        .into_iter()
        .filter(|source| seen.insert(source.path.clone()))
        .map(|source| (source.path, source.text))
        .collect())
}

async fn gather(path: &str, version: ServerVersion, from: From<'_>) -> Result<HbaFile, String> {
    let reader = match from {
        From::Disk => Reader::Disk,
        From::Server(options) => Reader::Server(Box::new(
            ServerFiles::open(options)
                .await
                .map_err(|error| error.to_string())?,
        )),
    };
    let gathered = everything(path, version, &reader).await;
    if let Reader::Server(server) = reader {
        server.close().await;
    }
    gathered
}

async fn everything(
    path: &str,
    version: ServerVersion,
    reader: &Reader,
) -> Result<HbaFile, String> {
    let Ok(text) = reader.text(path).await? else {
        return Err(format!("`{path}` is not there"));
    };
    let known = Known::default();
    loop {
        let file = hba::parse(path, &text, version, &known);
        let wanted = known.wanted.take();
        if wanted.is_empty() {
            return Ok(file);
        }
        for want in wanted {
            if known.texts.borrow().len() + known.directories.borrow().len() >= MOST {
                return Err(format!("`{path}` includes more than {MOST} files"));
            }
            match want {
                Wanted::Text(path) => {
                    let text = reader.text(&path).await?;
                    known.texts.borrow_mut().insert(path, text);
                }
                Wanted::Names(directory) => {
                    let names = reader.names(&directory).await?;
                    known.directories.borrow_mut().insert(directory, names);
                }
            }
        }
    }
}

enum Reader {
    Disk,
    Server(Box<ServerFiles>),
}

impl Reader {
    /// The outer error ends the reading; the inner one is what the parser is told.
    async fn text(&self, path: &str) -> Result<Result<String, Unreadable>, String> {
        let bytes = match self {
            Self::Disk => match std::fs::read(path) {
                Ok(bytes) => Some(bytes),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(format!("`{path}` could not be read: {error}")),
            },
            Self::Server(server) => server
                .bytes(path)
                .await
                .map_err(|error| error.to_string())?,
        };
        match bytes {
            None => Ok(Err(Unreadable::Absent)),
            // What is not text could not be written back as it was.
            Some(bytes) => String::from_utf8(bytes)
                .map(Ok)
                .map_err(|_| format!("`{path}` is not UTF-8 text")),
        }
    }

    async fn names(&self, directory: &str) -> Result<Result<Vec<String>, Unreadable>, String> {
        let names = match self {
            Self::Disk => match std::fs::read_dir(directory) {
                Ok(entries) => Some(
                    entries
                        .flatten()
                        .filter(|entry| entry.path().is_file())
                        .map(|entry| entry.file_name().to_string_lossy().into_owned())
                        .collect(),
                ),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(format!("`{directory}` could not be read: {error}")),
            },
            Self::Server(server) => server
                .names(directory)
                .await
                .map_err(|error| error.to_string())?,
        };
        Ok(names.ok_or(Unreadable::Absent))
    }
}

/// What is known of the files, and what was asked for and is not.
#[derive(Default)]
struct Known {
    texts: RefCell<BTreeMap<String, Result<String, Unreadable>>>,
    directories: RefCell<BTreeMap<String, Result<Vec<String>, Unreadable>>>,
    wanted: RefCell<BTreeSet<Wanted>>,
}

#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Wanted {
    Text(String),
    Names(String),
}

impl Files for Known {
    fn text(&self, path: &str) -> Result<String, Unreadable> {
        if let Some(known) = self.texts.borrow().get(path) {
            return known.clone();
        }
        let wanted = Wanted::Text(path.to_owned());
        self.wanted.borrow_mut().insert(wanted);
        Err(Unreadable::Absent)
    }

    fn names(&self, directory: &str) -> Result<Vec<String>, Unreadable> {
        if let Some(known) = self.directories.borrow().get(directory) {
            return known.clone();
        }
        let wanted = Wanted::Names(directory.to_owned());
        self.wanted.borrow_mut().insert(wanted);
        Err(Unreadable::Absent)
    }
}

#[cfg(test)]
mod tests {
    use super::{Reader, everything};
    use pgattest_model::ServerVersion;

    fn gather(folder: &std::path::Path) -> Result<Vec<(String, String)>, String> {
        let path = folder.join("pg_hba.conf");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let version = ServerVersion(170_000);
        let file = runtime.block_on(everything(path.to_str().unwrap(), version, &Reader::Disk))?;
        let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        Ok(file
            .sources
            .into_iter()
            .map(|source| (name(&source.path), source.text))
            .collect())
    }

    #[test]
    fn everything_that_is_included_is_read_however_deep() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "pg_hba.conf",
            "include_dir rules\ninclude_if_exists nothing.conf\nlocal @names all peer\n",
        );
        write("names", "shop\n");
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        write("rules/10.conf", "include ../deeper.conf\n");
        write("deeper.conf", "host all all ::1/128 scram-sha-256\n");
        let names: Vec<String> = gather(folder.path())
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["pg_hba.conf", "10.conf", "deeper.conf", "names"]);
    }

    #[test]
    fn what_cannot_be_written_back_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(gather(folder.path()).unwrap_err().contains("is not there"));
        std::fs::write(folder.path().join("pg_hba.conf"), b"local all \xff peer\n").unwrap();
        assert!(gather(folder.path()).unwrap_err().contains("UTF-8"));
    }
}
