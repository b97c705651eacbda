//! A file: JSON lines, or the records as they are. Exactly once.
//!
//! A batch is written, flushed, and only then confirmed; the cursor holds the length that was confirmed. After a crash whatever lies
//! beyond that length is cut off and written again, so the file never has a record twice nor half of one.

use crate::record::{Batch, Record};
use crate::sink::{Answer, Limits, OpenError, Sink, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Configuration.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file. Its directory must be there. A full one gets `.1`, `.2` and so on behind its name, and stays.
    pub path: PathBuf,
    /// How records are written.
    #[serde(default)]
    pub format: Format,
    /// A new file is begun when this one would be longer, in bytes. 0: never.
    #[serde(default = "rotate")]
    pub rotate_bytes: u64,
}

fn rotate() -> u64 {
    1 << 30
}

/// How records are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// A JSON object a line, with number, block, session, time and `message`.
    #[default]
    Json,
    /// The bytes as the server wrote them (after redaction). Without numbers; torn pieces are not marked; no checkpoints.
    Raw,
}

pub(crate) fn open(config: &Config) -> Box<dyn Sink> {
    Box::new(FileSink {
        config: config.clone(),
        open: None,
        confirmed: State::default(),
    })
}

/// What is confirmed: found again after a restart.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
struct State {
    /// The file's inode; 0: there is none yet. A file that somebody has put in its place is not cut.
    inode: u64,
    /// Confirmed bytes of it.
    length: u64,
    /// How many full files were put aside.
    rotated: u64,
}

struct FileSink {
    config: Config,
    open: Option<File>,
    confirmed: State,
}

impl Sink for FileSink {
    fn limits(&self) -> Limits {
        Limits {
            records: 10_000,
            bytes: 4 << 20,
            record_bytes: usize::MAX,
            ..Limits::default()
        }
    }

    fn encode(&self, record: &Record) -> Vec<u8> {
        match (self.config.format, record.what) {
            (Format::Json, _) => crate::stdout::line(record),
            (Format::Raw, crate::What::Record | crate::What::Torn(_)) => record.bytes.clone(),
            // A signed note or a trial among the records would make the file something else than the log.
            (Format::Raw, _) => Vec::new(),
        }
    }

    fn deliver<'a>(&'a mut self, batch: &'a Batch) -> Task<'a, Answer> {
        Box::pin(async move {
            // Files block for as long as the disk takes; the thread is the sink's own.
            let written = self.write(batch);
            match written {
                Ok(()) => Answer::Durable,
                Err(error) => {
                    self.open = None;
                    Answer::again(format!(
                        "cannot write `{}`: {error}",
                        self.config.path.display()
                    ))
                }
            }
        })
    }

    fn state(&self) -> Option<serde_json::Value> {
        serde_json::to_value(&self.confirmed).ok()
    }

    fn restore(&mut self, state: Option<serde_json::Value>) -> Task<'_, Result<(), OpenError>> {
        Box::pin(async move {
            if let Some(state) = state {
                self.confirmed =
                    serde_json::from_value(state).map_err(|error| OpenError::Setting {
                        setting: "state",
                        problem: format!("in the cursor is not a file's: {error}"),
                    })?;
            }
            self.reopen().map_err(|source| OpenError::File {
                path: self.config.path.clone(),
                source,
            })
        })
    }

    fn place(&self) -> String {
        self.config.path.display().to_string()
    }
}

impl FileSink {
    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let size: u64 = batch
            .items
            .iter()
            .map(|item| item.encoded.len() as u64)
            .sum();
        if self.open.is_none() {
            self.reopen()?;
        }
        let limit = self.config.rotate_bytes;
        if limit > 0 && self.confirmed.length > 0 && self.confirmed.length + size > limit {
            self.rotate()?;
        }
        let Some(file) = &mut self.open else {
            return Err(io::Error::other("it is not open"));
        };
        let mut to = io::BufWriter::with_capacity(1 << 18, &mut *file);
        for item in &batch.items {
            to.write_all(&item.encoded)?;
        }
        to.flush()?;
        drop(to);
        file.sync_data()?;
        self.confirmed.length += size;
        Ok(())
    }

    /// Opens the file and cuts it to what is confirmed.
    fn reopen(&mut self) -> io::Result<()> {
        use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.config.path)?;
        let metadata = file.metadata()?;
        if metadata.ino() == self.confirmed.inode && metadata.len() >= self.confirmed.length {
            file.set_len(self.confirmed.length)?;
        } else if metadata.ino() == self.confirmed.inode {
            // Somebody has cut it. What is gone is still in the journal; what comes is added.
            self.confirmed.length = metadata.len();
        } else {
            // The crash came between rotation and cursor, or somebody has put another file there.
            let aside = self.aside(self.confirmed.rotated + 1);
            let ours = std::fs::metadata(&aside)
                .is_ok_and(|aside| aside.ino() == self.confirmed.inode && aside.ino() != 0);
            if ours {
                OpenOptions::new()
                    .write(true)
                    .open(&aside)?
                    .set_len(self.confirmed.length)?;
                self.confirmed.rotated += 1;
                file.set_len(0)?;
            }
            self.confirmed.inode = metadata.ino();
            self.confirmed.length = file.metadata()?.len();
        }
        file.seek(SeekFrom::Start(self.confirmed.length))?;
        file.sync_all()?;
        flush_directory(&self.config.path)?;
        self.open = Some(file);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let mut number = self.confirmed.rotated + 1;
        while self.aside(number).exists() {
            number += 1;
        }
        std::fs::rename(&self.config.path, self.aside(number))?;
        self.confirmed.rotated = number;
        self.confirmed.inode = 0;
        self.confirmed.length = 0;
        self.open = None;
        self.reopen()
    }

    fn aside(&self, number: u64) -> PathBuf {
        let mut name = self.config.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn flush_directory(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Item, sample};

    fn batch(sink: &dyn Sink, numbers: std::ops::Range<u64>) -> Batch {
        let items = numbers
            .map(|number| {
                let record = sample(number, &format!("record {number}"));
                let encoded = sink.encode(&record);
                Item { record, encoded }
            })
            .collect();
        Batch { items, block: None }
    }

    fn numbers(path: &Path) -> Vec<u64> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"]
                    .as_u64()
                    .unwrap()
            })
            .collect()
    }

    async fn opened(config: &Config, state: Option<serde_json::Value>) -> Box<dyn Sink> {
        let mut sink = open(config);
        sink.restore(state).await.unwrap();
        sink
    }

    #[tokio::test]
    async fn what_no_cursor_confirms_is_cut_off_and_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            path: folder.path().join("trail.jsonl"),
            format: Format::Json,
            rotate_bytes: 0,
        };
        let mut sink = opened(&config, None).await;
        let first = batch(sink.as_ref(), 0..5);
        assert_eq!(sink.deliver(&first).await, Answer::Durable);
        let state = sink.state();
        // Delivered, and killed before the cursor was written; and a torn line behind it.
        let second = batch(sink.as_ref(), 5..9);
        assert_eq!(sink.deliver(&second).await, Answer::Durable);
        drop(sink);
        let mut file = OpenOptions::new().append(true).open(&config.path).unwrap();
        file.write_all(b"{\"seq\":9").unwrap();

        let mut sink = opened(&config, state).await;
        let again = batch(sink.as_ref(), 5..9);
        assert_eq!(sink.deliver(&again).await, Answer::Durable);
        assert_eq!(numbers(&config.path), (0..9).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_crash_around_a_rotation_doubles_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            path: folder.path().join("trail.jsonl"),
            format: Format::Json,
            rotate_bytes: 600,
        };
        let mut sink = opened(&config, None).await;
        let first = batch(sink.as_ref(), 0..3);
        assert_eq!(sink.deliver(&first).await, Answer::Durable);
        let state = sink.state();
        // The next one rotates, and the cursor never hears of it.
        let second = batch(sink.as_ref(), 3..6);
        assert_eq!(sink.deliver(&second).await, Answer::Durable);
        drop(sink);

        let mut sink = opened(&config, state).await;
        let again = batch(sink.as_ref(), 3..6);
        assert_eq!(sink.deliver(&again).await, Answer::Durable);
        assert_eq!(numbers(&config.path), [3, 4, 5]);
        assert_eq!(
            numbers(&folder.path().join("trail.jsonl.1")),
            [0, 1, 2],
            "the full file stays"
        );
        assert!(!folder.path().join("trail.jsonl.2").exists());
    }

    #[tokio::test]
    async fn raw_is_the_log_itself() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            path: folder.path().join("trail.csv"),
            format: Format::Raw,
            rotate_bytes: 0,
        };
        let mut sink = opened(&config, None).await;
        let records = batch(sink.as_ref(), 0..2);
        assert_eq!(sink.deliver(&records).await, Answer::Durable);
        assert_eq!(
            std::fs::read_to_string(&config.path).unwrap(),
            "record 0\nrecord 1\n"
        );
    }
}
