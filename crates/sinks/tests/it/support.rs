//! A journal to deliver, and sinks that do as they are told.

use pgattest_ledger::SigningKey;
use pgattest_parse::audit_log::{Format, TornReason};
use pgattest_sinks::config::Opener;
use pgattest_sinks::engine::{Cursor, Status};
use pgattest_sinks::{
    Answer, Batch, Config, Delivery, Item, Limits, Name, OpenError, Options, Record, Sink, Task,
};
use pgattest_trail::block::FileId;
use pgattest_trail::operate::{
    Context, Head, Leaves, Metrics, Phase, Stop, Task as _, TaskError, Teller,
};
use pgattest_trail::{Block, Journal, JournalOptions, JournalReader, Leaf, PieceKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// For events on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// A journal with its writer.
pub(crate) struct Trail {
    pub(crate) journal: Arc<Mutex<Journal>>,
    pub(crate) context: Context,
    pub(crate) told: Arc<Mutex<Vec<String>>>,
    offset: Mutex<u64>,
    pub(crate) place: tempfile::TempDir,
}

impl Trail {
    pub(crate) fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("journal");
        let journal = Journal::open(
            &dir,
            SigningKey::from_seed(&[7; 32]),
            JournalOptions::default(),
        )
        .unwrap();
        let journal = Arc::new(Mutex::new(journal));
        journal.lock().unwrap().commit().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let context = context(&dir, &told, Some(journal.clone()));
        Self {
            journal,
            context,
            told,
            offset: Mutex::new(0),
            place,
        }
    }

    /// Seals a block of these pieces.
    pub(crate) fn seal(&self, pieces: &[(PieceKind, Vec<u8>)]) {
        let mut offset = self.offset.lock().unwrap();
        let file = FileId::new("/var/log/postgresql/postgresql.csv", 1, 2, b"");
        let pieces = pieces.iter().map(|(kind, bytes)| (*kind, bytes));
        let block = Block::of_pieces(file, *offset, Format::Csvlog { columns: 26 }, pieces);
        *offset += block.source_length;
        let mut journal = self.journal.lock().unwrap();
        journal.append(&block).unwrap();
        let size = journal.commit().unwrap().size;
        self.context.head.set(size);
    }

    /// Seals a block of records with these texts.
    pub(crate) fn records(&self, texts: &[&str]) {
        let next = self.journal.lock().unwrap().next_record();
        let pieces: Vec<_> = (next..)
            .zip(texts)
            .map(|(number, text)| (PieceKind::Record, csv(number, text)))
            .collect();
        self.seal(&pieces);
    }

    /// Seals so many records in blocks of so many.
    pub(crate) fn many(&self, count: usize, block: usize) {
        let texts: Vec<String> = (0..count).map(|n| format!("select {n}")).collect();
        for chunk in texts.chunks(block) {
            self.records(&chunk.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }

    pub(crate) fn torn(&self, bytes: &[u8]) {
        self.seal(&[(PieceKind::Torn(TornReason::Glued), bytes.to_vec())]);
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.context.journal.clone()
    }

    pub(crate) fn leaves(&self) -> Vec<Leaf> {
        let reader = JournalReader::open(&self.dir()).unwrap();
        reader.leaves(0).map(|leaf| leaf.unwrap().1).collect()
    }

    /// The last watermark of a sink that became a leaf.
    pub(crate) fn watermark(&self, name: &str) -> Option<u64> {
        let mut leaves = self.leaves().into_iter().rev();
        leaves.find_map(|leaf| match leaf {
            Leaf::Watermark { sink, next, .. } if sink == name => Some(next),
            _ => None,
        })
    }

    /// The numbers and the reasons that leaves name as refused for good.
    pub(crate) fn buried(&self) -> Vec<(Vec<u64>, String)> {
        let leaves = self.leaves().into_iter();
        leaves
            .filter_map(|leaf| match leaf {
                Leaf::DeadLetter {
                    records, reason, ..
                } => Some((records, reason)),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn cursor(&self, name: &str) -> Cursor {
        Cursor::load(&self.dir(), &named(name)).unwrap()
    }

    pub(crate) fn status(&self, name: &str) -> Option<Status> {
        Status::load(&self.dir(), &named(name))
    }

    /// Delivers on a thread, until told otherwise.
    pub(crate) fn deliver(&self, name: &str, opener: impl Opener + 'static) -> Running {
        self.deliver_with(name, opener, quick())
    }

    pub(crate) fn deliver_with(
        &self,
        name: &str,
        opener: impl Opener + 'static,
        options: Options,
    ) -> Running {
        let stop = Stop::default();
        let context = Context {
            stop: stop.clone(),
            ..self.context.clone()
        };
        let mut delivery = Delivery::new(named(name), Arc::new(opener), options);
        let thread = std::thread::spawn(move || delivery.run(&context));
        Running {
            stop,
            thread: Some(thread),
        }
    }

    /// Delivers everything that is there, to its end.
    pub(crate) fn drain(&self, name: &str, opener: impl Opener + 'static) {
        self.deliver(name, opener).drain();
    }
}

/// What a collector gives its tasks. Leaves go into the journal at once.
pub(crate) fn context(
    dir: &Path,
    told: &Arc<Mutex<Vec<String>>>,
    journal: Option<Arc<Mutex<Journal>>>,
) -> Context {
    let head = Head::default();
    let told = told.clone();
    let of_leaves = head.clone();
    Context {
        journal: dir.to_owned(),
        leaves: Leaves::new(move |leaf| {
            if let Some(journal) = &journal {
                let mut journal = journal.lock().unwrap();
                journal.note(&leaf)?;
                of_leaves.set(journal.commit()?.size);
            }
            Ok(())
        }),
        head,
        stop: Stop::default(),
        metrics: Metrics::default(),
        teller: Teller::new(move |importance, text| {
            told.lock().unwrap().push(format!("{importance}: {text}"));
        }),
    }
}

/// A delivery under way.
pub(crate) struct Running {
    stop: Stop,
    thread: Option<JoinHandle<Result<(), TaskError>>>,
}

impl Running {
    /// Lets it catch up, and waits for that.
    pub(crate) fn drain(mut self) {
        self.stop.advance(Phase::Draining);
        self.join();
    }

    /// Ends it now.
    pub(crate) fn halt(mut self) {
        self.stop.advance(Phase::Stopping);
        self.join();
    }

    fn join(&mut self) {
        let thread = self.thread.take().unwrap();
        eventually("the delivery ends", || thread.is_finished());
        thread.join().unwrap().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.advance(Phase::Stopping);
    }
}

pub(crate) fn named(name: &str) -> Name {
    Name::try_from(name.to_owned()).unwrap()
}

/// Waits that are short: a retry window passes within a moment.
pub(crate) fn quick() -> Options {
    Options {
        first_delay: Duration::from_millis(1),
        last_delay: Duration::from_millis(5),
        longest_retry_after: Duration::from_millis(20),
        misconfigured_delay: Duration::from_millis(10),
        longest_delivery: Duration::from_secs(20),
        watermark: Duration::ZERO,
        checkpoint: Duration::ZERO,
        grace: Duration::ZERO,
        ..Options::new("production")
    }
}

/// A record of csvlog, logged now.
pub(crate) fn csv(number: u64, text: &str) -> Vec<u8> {
    let now = format!("{:.3}", jiff::Timestamp::now());
    let time = now.replace('T', " ").replace('Z', " UTC");
    let text = text.replace('"', "\"\"\"\"");
    format!(
        "{time},\"app\",\"shop\",4711,\"10.0.0.1:5000\",6907c5a2.1267,{},\"SELECT\",2026-11-28 15:50:00 UTC,3/12,0,LOG,00000,\"AUDIT: SESSION,1,1,READ,SELECT,,,\"\"{text}\"\",<none>\",,,,,,,,,\"psql\",\"client backend\",,0\n",
        number + 1
    )
    .into_bytes()
}

/// Waits until it is so.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "still not so: {what}");
        #[expect(clippy::disallowed_methods, reason = "asked again, with a deadline")]
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A sink's configuration from TOML.
pub(crate) fn config(text: &str) -> Config {
    toml::from_str(text).unwrap()
}

type Judge = dyn Fn(&Batch) -> Answer + Send + Sync;

/// A sink that answers as it is told and notes what it has confirmed.
#[derive(Clone)]
pub(crate) struct Scripted {
    pub(crate) limits: Limits,
    pub(crate) judge: Arc<Judge>,
    /// Every batch that came, whatever the answer.
    pub(crate) came: Arc<Mutex<Vec<Vec<Record>>>>,
    /// What is durable, in the order in which it was confirmed.
    pub(crate) kept: Arc<Mutex<Vec<Record>>>,
    pub(crate) opened: Arc<Mutex<u32>>,
    pub(crate) cannot_open: Arc<Mutex<bool>>,
}

impl Scripted {
    pub(crate) fn new(judge: impl Fn(&Batch) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            limits: Limits {
                records: 10,
                ..Limits::default()
            },
            judge: Arc::new(judge),
            came: Arc::default(),
            kept: Arc::default(),
            opened: Arc::default(),
            cannot_open: Arc::default(),
        }
    }

    pub(crate) fn willing() -> Self {
        Self::new(|_| Answer::Durable)
    }

    pub(crate) fn kept(&self) -> Vec<u64> {
        let kept = self.kept.lock().unwrap();
        kept.iter().map(|record| record.number).collect()
    }

    fn keep(&self, items: &[Item], answer: &Answer) {
        let mut kept = self.kept.lock().unwrap();
        match answer {
            Answer::Durable => kept.extend(items.iter().map(|item| item.record.clone())),
            Answer::DurableBut(refusals) => {
                let refused = |index| refusals.iter().any(|refusal| refusal.index == index);
                kept.extend(
                    items
                        .iter()
                        .enumerate()
                        .filter(|(index, _)| !refused(*index))
                        .map(|(_, item)| item.record.clone()),
                );
            }
            Answer::First { durable, rest } => {
                kept.extend(items[..*durable].iter().map(|item| item.record.clone()));
                drop(kept);
                self.keep(&items[*durable..], rest);
            }
            Answer::FirstRefused { rest, .. } => {
                drop(kept);
                self.keep(&items[1..], rest);
            }
            _ => {}
        }
    }
}

impl Opener for Scripted {
    fn open(&self) -> Task<'_, Result<Box<dyn Sink>, OpenError>> {
        *self.opened.lock().unwrap() += 1;
        let sink = if *self.cannot_open.lock().unwrap() {
            Err(OpenError::NoVariable("TOKEN".into()))
        } else {
            Ok(Box::new(self.clone()) as Box<dyn Sink>)
        };
        Box::pin(async { sink })
    }

    fn kind(&self) -> &'static str {
        "scripted"
    }
}

impl Sink for Scripted {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn encode(&self, record: &Record) -> Vec<u8> {
        record.json().to_string().into_bytes()
    }

    fn deliver<'a>(&'a mut self, batch: &'a Batch) -> Task<'a, Answer> {
        Box::pin(async {
            let records = batch.items.iter().map(|item| item.record.clone());
            self.came.lock().unwrap().push(records.collect());
            let answer = (self.judge)(batch);
            self.keep(&batch.items, &answer);
            answer
        })
    }

    fn place(&self) -> String {
        "a script".into()
    }
}
