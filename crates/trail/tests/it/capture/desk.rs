//! A directory of logs, a journal, and a collector between the two.

use pgattest_ledger::SigningKey;
use pgattest_parse::audit_log::Format;
use pgattest_trail::block::FileId;
use pgattest_trail::capture::{Capture, CaptureError, Config, OriginalKey};
use pgattest_trail::operate::{Importance, Metrics, Phase, Stop, Task, Teller};
use pgattest_trail::{Block, Journal, JournalError, JournalOptions, JournalReader, Leaf};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) type Open = Box<dyn FnMut() -> Result<Journal, JournalError> + Send>;

pub(crate) struct Desk {
    dir: TempDir,
    pub(crate) config: Config,
    pub(crate) said: Arc<Mutex<Vec<(Importance, String)>>>,
}

/// A collector that runs.
pub(crate) struct Running {
    thread: Option<JoinHandle<Result<(), CaptureError>>>,
    pub(crate) stop: Stop,
    pub(crate) metrics: Metrics,
}

/// What a journal holds of one file.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) file: FileId,
    pub(crate) format: Format,
    /// Its bytes from the first block's beginning on. Later blocks continue it or go back.
    pub(crate) bytes: Vec<u8>,
    pub(crate) pieces: usize,
    pub(crate) torn: usize,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("log")).unwrap();
        let config = Config {
            logs: vec![dir.path().join("log")],
            poll_milliseconds: 10,
            settle_seconds: 0,
            workers: Some(2),
            ..Config::default()
        };
        Self {
            dir,
            config,
            said: Arc::default(),
        }
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.dir.path().join("log").join(name)
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    /// Adds bytes to the end of a log, as the server does.
    pub(crate) fn append(&self, name: &str, bytes: impl AsRef<[u8]>) {
        self.open_log(name).write_all(bytes.as_ref()).unwrap();
    }

    pub(crate) fn open_log(&self, name: &str) -> File {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log(name))
            .unwrap()
    }

    fn capture(&self, open: Option<Open>, once: bool, tasks: Vec<Box<dyn Task>>) -> Capture {
        let journal = self.journal();
        let dir = journal.clone();
        let said = Arc::clone(&self.said);
        Capture {
            config: self.config.clone(),
            instance: "test".to_owned(),
            journal,
            open: open.unwrap_or_else(|| Box::new(move || open_journal(&dir))),
            original_key: OriginalKey::new([7; 32]),
            configuration: "00".to_owned(),
            version: "test".to_owned(),
            once,
            stop: Stop::default(),
            metrics: Metrics::default(),
            teller: Teller::new(move |importance, text| {
                said.lock().unwrap().push((importance, text.to_owned()));
            }),
            tasks,
            first_leaves: Vec::new(),
        }
    }

    /// Captures what is there.
    #[track_caller]
    pub(crate) fn once(&self) {
        self.capture(None, true, Vec::new()).run().unwrap();
    }

    pub(crate) fn start(&self) -> Running {
        self.start_with(None, Vec::new())
    }

    pub(crate) fn start_with(&self, open: Option<Open>, tasks: Vec<Box<dyn Task>>) -> Running {
        let capture = self.capture(open, false, tasks);
        Running {
            stop: capture.stop.clone(),
            metrics: capture.metrics.clone(),
            thread: Some(std::thread::spawn(move || capture.run())),
        }
    }

    pub(crate) fn leaves(&self) -> Vec<Leaf> {
        match JournalReader::open(&self.journal()) {
            Ok(reader) => reader.leaves(0).map(|leaf| leaf.unwrap().1).collect(),
            Err(JournalError::Absent(_)) => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn blocks(&self) -> Vec<Block> {
        let Ok(reader) = JournalReader::open(&self.journal()) else {
            return Vec::new();
        };
        let leaves: Vec<Leaf> = reader.leaves(0).map(|leaf| leaf.unwrap().1).collect();
        leaves
            .iter()
            .filter_map(|leaf| match leaf {
                Leaf::Block(block) => Some(reader.block(block).unwrap()),
                _ => None,
            })
            .collect()
    }

    /// What the journal holds, by file, in the order of first blocks.
    pub(crate) fn held(&self) -> Vec<Held> {
        let mut held: Vec<Held> = Vec::new();
        for block in self.blocks() {
            let torn = block
                .pieces
                .iter()
                .filter(|piece| piece.kind != pgattest_trail::PieceKind::Record)
                .count();
            match held.iter_mut().find(|it| it.file == block.file) {
                Some(it) => {
                    it.bytes.extend(&block.bytes);
                    it.pieces += block.pieces.len();
                    it.torn += torn;
                }
                None => held.push(Held {
                    file: block.file,
                    format: block.format,
                    pieces: block.pieces.len(),
                    bytes: block.bytes,
                    torn,
                }),
            }
        }
        held
    }

    /// Everything, in the order it was sealed in.
    pub(crate) fn all(&self) -> String {
        let bytes: Vec<u8> = self.blocks().into_iter().flat_map(|it| it.bytes).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn gaps(&self) -> Vec<String> {
        self.leaves()
            .into_iter()
            .filter_map(|leaf| match leaf {
                Leaf::Gap { reason, .. } => Some(reason),
                _ => None,
            })
            .collect()
    }

    /// Waits until the journal holds exactly these bytes, in this order.
    #[track_caller]
    pub(crate) fn wait_for(&self, wanted: &str) {
        wait_until(|| self.all() == wanted, || difference(&self.all(), wanted));
    }

    /// The journal holds exactly these bytes, in this order.
    #[track_caller]
    pub(crate) fn assert_holds(&self, wanted: &str) {
        let all = self.all();
        assert!(all == wanted, "{}", difference(&all, wanted));
    }

    pub(crate) fn has_said(&self, words: &str) -> bool {
        let said = self.said.lock().unwrap();
        said.iter().any(|(_, text)| text.contains(words))
    }
}

impl Running {
    /// Stops it in an orderly way.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.stop.advance(Phase::Stopping);
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.advance(Phase::Stopping);
    }
}

pub(crate) fn open_journal(dir: &Path) -> Result<Journal, JournalError> {
    Journal::open(dir, key(), JournalOptions::default())
}

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

/// The sessions and lines of both.
fn difference(held: &str, wanted: &str) -> String {
    let lines = |text: &str| -> Vec<String> {
        text.lines()
            .filter_map(|line| {
                Some(
                    line.split(".245d,").next()?.rsplit(',').next()?.to_owned()
                        + ":"
                        + line.split(".245d,").nth(1)?.split(',').next()?,
                )
            })
            .collect()
    };
    format!(
        "the journal holds {:?} and not {:?}",
        lines(held),
        lines(wanted)
    )
}

/// Waits for a state, with a deadline that only a fault reaches.
#[track_caller]
pub(crate) fn wait_until(mut reached: impl FnMut() -> bool, otherwise: impl Fn() -> String) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !reached() {
        assert!(Instant::now() < deadline, "{}", otherwise());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A record of a csvlog, of session `session`, line `line`.
pub(crate) fn record(session: u32, line: u32, message: &str) -> String {
    record_at("2026-11-23 06:43:33.792", session, line, message)
}

pub(crate) fn record_at(time: &str, session: u32, line: u32, message: &str) -> String {
    let message = message.replace('"', "\"\"");
    format!(
        "{time} UTC,\"app\",\"shop\",9309,\"[local]\",{session:08x}.245d,{line},\"SELECT\",2026-11-23 06:43:33 UTC,3/1,0,LOG,00000,\"{message}\",,,,,,,,,\"psql\",\"client backend\",,0\n"
    )
}

/// Records one after the other.
pub(crate) fn records(session: u32, lines: std::ops::Range<u32>) -> String {
    lines
        .map(|line| record(session, line, &format!("AUDIT: line {line}\nof \"two\"")))
        .collect()
}
