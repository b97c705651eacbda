//! A collector in small: the csvlog of one server into a journal, so that a test decides what it redacts and whom it is told of.

#![expect(
    clippy::disallowed_methods,
    reason = "a stand-in for the collector looks again and again"
)]

use pgattest_ledger::SigningKey;
use pgattest_parse::audit_log::redact::redact;
use pgattest_parse::audit_log::{Cut, Format, Splitter};
use pgattest_trail::block::FileId;
use pgattest_trail::leaf::{Told, ToldSink};
use pgattest_trail::{Block, Journal, JournalOptions, Leaf, inbox};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A collector, until it is dropped.
pub(crate) struct Collector {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Collector {
    /// `redacts`: as a collector does; without it, one that is broken.
    pub(crate) fn start(logs: &Path, journal: &Path, redacts: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (logs, dir) = (logs.to_owned(), journal.to_owned());
        let key = SigningKey::from_seed(&[7; 32]);
        let mut journal = Journal::open(&dir, key, JournalOptions::default()).unwrap();
        // What it is told to ship to: a sink that confirms, and one that never does.
        let sink = |deadline_seconds| ToldSink {
            kind: "file".to_owned(),
            place: "elsewhere".to_owned(),
            deadline_seconds,
        };
        let told = Told {
            sinks: [
                ("files".to_owned(), sink(None)),
                ("nobody".to_owned(), sink(Some(1))),
            ]
            .into(),
            ..Told::default()
        };
        let configuration = Leaf::Configuration {
            at: 0,
            configuration: String::new(),
            told: Some(told),
        };
        journal.note(&configuration).unwrap();
        journal.commit().unwrap();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                collect(&logs, &dir, &mut journal, redacts);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn collect(logs: &Path, dir: &Path, journal: &mut Journal, redacts: bool) {
    let format = Format::Csvlog { columns: 26 };
    for entry in std::fs::read_dir(logs).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "csv") {
            continue;
        }
        let file = FileId::new(path.display().to_string(), 1, 1, b"");
        let offset = journal.sealed(&file).unwrap_or_default();
        let bytes = std::fs::read(&path).unwrap();
        let new = &bytes[usize::try_from(offset).unwrap()..];
        let mut splitter = Splitter::new(format.clone());
        let (mut at, mut records) = (0, Vec::new());
        while let Cut::Record(length) | Cut::Torn(length, _) = splitter.next(&new[at..], false) {
            let raw = &new[at..at + length];
            records.push(if redacts {
                redact(&format, raw).0
            } else {
                raw.into()
            });
            at += length;
        }
        if records.is_empty() {
            continue;
        }
        let block = Block {
            source_length: at as u64,
            ..Block::of_records(file, offset, format.clone(), records)
        };
        journal.append(&block).unwrap();
        let next = journal.next_record();
        let watermark = Leaf::Watermark {
            at: 0,
            sink: "files".to_owned(),
            next,
        };
        journal.note(&watermark).unwrap();
        journal.commit().unwrap();
    }
    let waiting = inbox::pending(dir).unwrap();
    for one in &waiting.leaves {
        journal.note(&one.leaf).unwrap();
    }
    if !waiting.leaves.is_empty() {
        journal.commit().unwrap();
    }
    for one in waiting.leaves {
        one.done().unwrap();
    }
}
