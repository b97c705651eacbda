//! The server's log: its files, or what the server gives of them.

use super::watch::Piece;
use pgattest_parse::audit_log::format::{DETECTION, Detected, detect};
use pgattest_parse::audit_log::{Cut, Format, Splitter};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use tokio_postgres::Client;

/// So much is read at once, in bytes.
const CHUNK: u64 = 4 << 20;

/// The log from now on.
pub(super) struct Log {
    source: Source,
    files: BTreeMap<String, Growing>,
    prefix: Option<String>,
    grown: bool,
}

enum Source {
    Directory(PathBuf),
    /// `pg_read_binary_file`.
    Server,
    Nowhere(String),
}

/// A file that grows.
struct Growing {
    offset: u64,
    rest: Vec<u8>,
    splitter: Option<Splitter>,
}

impl Growing {
    fn at(offset: u64) -> Self {
        Self {
            offset,
            rest: Vec::new(),
            splitter: None,
        }
    }

    fn pieces(&mut self, out: &mut Vec<Piece>) {
        let Some(splitter) = &mut self.splitter else {
            return;
        };
        let mut at = 0;
        loop {
            let rest = self.rest.get(at..).unwrap_or_default();
            let length = match splitter.next(rest, false) {
                Cut::Record(length) | Cut::Torn(length, _) => length,
                Cut::More => break,
            };
            out.push(Piece {
                number: None,
                format: splitter.format().clone(),
                bytes: rest.get(..length).unwrap_or_default().to_vec(),
            });
            at += length;
        }
        self.rest.drain(..at.min(self.rest.len()));
    }
}

impl Log {
    /// Remembers where the log ends now.
    pub(super) async fn open(directory: Option<&Path>, client: &Client) -> Self {
        let prefix = text(
            client,
            "SELECT pg_catalog.current_setting('log_line_prefix')",
        )
        .await;
        let mut log = Self {
            source: Source::Server,
            files: BTreeMap::new(),
            prefix: prefix.ok().flatten(),
            grown: false,
        };
        let opened = match directory {
            Some(directory) => {
                log.source = Source::Directory(directory.to_owned());
                sizes(directory)
            }
            None => served(client).await,
        };
        match opened {
            Ok(sizes) => {
                log.files = sizes
                    .into_iter()
                    .map(|(name, size)| (name, Growing::at(size)))
                    .collect();
            }
            Err(why) => log.source = Source::Nowhere(why),
        }
        log
    }

    /// What was written since the last look.
    pub(super) async fn arrived(&mut self, client: &Client) -> Result<Vec<Piece>, String> {
        let sizes = match &self.source {
            Source::Nowhere(why) => return Err(why.clone()),
            Source::Directory(directory) => sizes(directory)?,
            Source::Server => served(client).await?,
        };
        let mut pieces = Vec::new();
        for (name, size) in sizes {
            let from = self.files.get(&name).map_or(0, |file| file.offset);
            // A file that became shorter begins again.
            let from = if size < from { 0 } else { from };
            let mut at = from;
            while at < size {
                let bytes = self.read(&name, at, CHUNK.min(size - at), client).await?;
                if bytes.is_empty() {
                    break;
                }
                at += bytes.len() as u64;
                self.grown = true;
                let known = self
                    .files
                    .get(&name)
                    .is_some_and(|file| file.splitter.is_some());
                let splitter = if known {
                    None
                } else {
                    self.splitter(&name, client).await?
                };
                let file = self
                    .files
                    .entry(name.clone())
                    .or_insert_with(|| Growing::at(0));
                file.offset = at;
                file.rest.extend_from_slice(&bytes);
                if splitter.is_some() {
                    file.splitter = splitter;
                }
                file.pieces(&mut pieces);
            }
        }
        Ok(pieces)
    }

    /// Why what is missing need not be missing.
    pub(super) fn blind(&self) -> Option<String> {
        match &self.source {
            Source::Nowhere(why) => Some(why.clone()),
            Source::Directory(directory) if !self.grown => Some(format!(
                "nothing was written to `{}`: is it this server's log directory?",
                directory.display()
            )),
            Source::Server if !self.grown => {
                Some("nothing was written to the log file that the server names".to_owned())
            }
            _ => None,
        }
    }

    async fn splitter(&self, name: &str, client: &Client) -> Result<Option<Splitter>, String> {
        let beginning = self.read(name, 0, DETECTION as u64, client).await?;
        Ok(match detect(&beginning, self.prefix.as_deref()) {
            Detected::Form(format) => Some(Splitter::new(format)),
            Detected::NeedsPrefix => self
                .prefix
                .clone()
                .map(|prefix| Splitter::new(Format::Stderr { prefix })),
            Detected::Undecided => None,
        })
    }

    async fn read(
        &self,
        name: &str,
        offset: u64,
        length: u64,
        client: &Client,
    ) -> Result<Vec<u8>, String> {
        match &self.source {
            Source::Nowhere(why) => Err(why.clone()),
            Source::Directory(directory) => {
                let path = directory.join(name);
                let read = || {
                    let mut file = File::open(&path)?;
                    file.seek(SeekFrom::Start(offset))?;
                    let mut bytes = Vec::new();
                    file.take(length).read_to_end(&mut bytes)?;
                    Ok::<_, std::io::Error>(bytes)
                };
                read().map_err(|error| format!("cannot read `{}`: {error}", path.display()))
            }
            Source::Server => {
                let (offset, length) = (offset.cast_signed(), length.cast_signed());
                let row = client
                    .query_one(
                        "SELECT pg_catalog.pg_read_binary_file($1, $2, $3, true)",
                        &[&name, &offset, &length],
                    )
                    .await
                    .map_err(|error| unreadable(&error))?;
                let bytes: Option<Vec<u8>> = row.get(0);
                Ok(bytes.unwrap_or_default())
            }
        }
    }
}

/// Files of a log directory with their sizes.
fn sizes(directory: &Path) -> Result<Vec<(String, u64)>, String> {
    let failed = |error: std::io::Error| format!("cannot read `{}`: {error}", directory.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let is_log = [".csv", ".json", ".log"]
            .iter()
            .any(|ending| name.ends_with(ending));
        let kind = entry.metadata().map_err(failed)?;
        if is_log && kind.is_file() {
            files.push((name, kind.len()));
        }
    }
    Ok(files)
}

/// The file that the server writes its log to, with its size: csvlog before jsonlog before stderr.
async fn served(client: &Client) -> Result<Vec<(String, u64)>, String> {
    for form in ["csvlog", "jsonlog", "stderr"] {
        let sql = format!("SELECT pg_catalog.pg_current_logfile('{form}')");
        // 14 and older know no jsonlog.
        let Ok(Some(name)) = text(client, &sql).await else {
            continue;
        };
        let row = client
            .query_one(
                "SELECT size FROM pg_catalog.pg_stat_file($1, true)",
                &[&name],
            )
            .await
            .map_err(|error| unreadable(&error))?;
        let size: Option<i64> = row.get(0);
        return Ok(vec![(name, size.unwrap_or_default().unsigned_abs())]);
    }
    Err(unreachable_log())
}

async fn text(client: &Client, sql: &str) -> Result<Option<String>, tokio_postgres::Error> {
    Ok(client.query_one(sql, &[]).await?.get(0))
}

fn unreadable(error: &tokio_postgres::Error) -> String {
    let said = error
        .as_db_error()
        .map_or_else(|| error.to_string(), |error| error.message().to_owned());
    format!(
        "the log cannot be read through the connection ({said}): give its directory with --logs, or GRANT pg_read_server_files and \
         EXECUTE on pg_read_binary_file(text,bigint,bigint,boolean) and pg_stat_file(text,boolean)"
    )
}

fn unreachable_log() -> String {
    "the server names no log file, or not to this role: give the log's directory with --logs, or GRANT pg_monitor".to_owned()
}
