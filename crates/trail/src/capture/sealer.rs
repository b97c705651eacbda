//! The one thread that writes to the journal: appends, groups commits, and goes on after an error where the journal is.

use super::pipeline::{Next, Pipeline, Ready};
use crate::journal::{Journal, JournalError};
use crate::leaf::Leaf;
use crate::operate::{Counter, Gauge, Head, Metrics, Phase, Stop, Teller, with_causes};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of the source after which a commit is made while more is coming.
const GROUP: usize = 16 << 20;

/// The longest that something waits for a commit.
const LONGEST: Duration = Duration::from_secs(1);

/// Pauses between attempts to write to a journal that could not be written.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
];

/// Opens the journal, again when it had to be given up.
pub(crate) type Open = Box<dyn FnMut() -> Result<Journal, JournalError> + Send>;

/// Seals what the pipeline has.
pub(crate) struct Sealer {
    pub(crate) open: Open,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) head: Head,
    pub(crate) stop: Stop,
    pub(crate) teller: Teller,
    pub(crate) heartbeat: Duration,
    pub(crate) numbers: Numbers,
    /// Added, and not durable yet.
    pub(crate) pending: Vec<Ready>,
    /// Records that were durable before `pending`.
    pub(crate) records: u64,
}

/// What is counted of it.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    records: Counter,
    torn: Counter,
    redacted: Counter,
    bytes: Counter,
    blocks: Counter,
    gaps: Counter,
    commits: Counter,
    failures: Counter,
    last_seal: Gauge,
    last_commit: Gauge,
    writable: Gauge,
}

impl Numbers {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let counter = |name, help| metrics.counter(name, help, &[]);
        let gauge = |name, help| metrics.gauge(name, help, &[]);
        Self {
            records: counter(
                "records",
                "Pieces sealed since the start, torn ones included",
            ),
            torn: counter("torn", "Torn pieces sealed since the start"),
            redacted: counter(
                "redacted",
                "Pieces that secrets were taken out of since the start",
            ),
            bytes: counter("source_bytes", "Bytes of logs sealed since the start"),
            blocks: counter("blocks", "Blocks sealed since the start"),
            gaps: counter("gaps", "Gaps declared since the start"),
            commits: counter("commits", "Commits of the journal since the start"),
            failures: counter(
                "journal_failures",
                "Times that the journal could not be written",
            ),
            last_seal: gauge(
                "last_seal_seconds",
                "When a block was last sealed, in seconds since 1970",
            ),
            last_commit: gauge(
                "last_commit_seconds",
                "When the journal was last written, in seconds since 1970",
            ),
            writable: gauge(
                "journal_writable",
                "Whether the last attempt to write to the journal succeeded",
            ),
        }
    }
}

impl Sealer {
    /// Runs until the pipeline has ended. The error is one that trying again does not help against.
    pub(crate) fn run(mut self, journal: Journal) -> Result<(), JournalError> {
        self.records = journal.next_record();
        self.head.set(journal.checkpoint().size);
        self.numbers.writable.set(1);
        let pipeline = Arc::clone(&self.pipeline);
        let ended = self.seal(journal);
        pipeline.end();
        ended
    }

    fn seal(&mut self, mut journal: Journal) -> Result<(), JournalError> {
        let mut bytes = 0;
        let mut since: Option<Instant> = None;
        let mut last_commit = Instant::now();
        loop {
            let deadline = match since {
                Some(since) => (since + LONGEST).saturating_duration_since(Instant::now()),
                None => (last_commit + self.heartbeat).saturating_duration_since(Instant::now()),
            };
            let next = self.pipeline.next(deadline);
            let ended = matches!(next, Next::Ended);
            match next {
                Next::Ready(ready) => {
                    bytes += ready.source_bytes();
                    since.get_or_insert_with(Instant::now);
                    journal = self.add(journal, ready)?;
                }
                Next::Nothing if since.is_none() => {
                    since = Some(Instant::now());
                    journal = self.add(
                        journal,
                        Ready::Note(Box::new(Leaf::Heartbeat { at: super::now() })),
                    )?;
                }
                Next::Failed(error) => return Err(error),
                Next::Nothing | Next::Ended => {}
            }
            let due = since.is_some_and(|since| since.elapsed() >= LONGEST);
            if since.is_some() && (due || ended || bytes >= GROUP || !self.pipeline.is_busy()) {
                journal = self.commit(journal)?;
                bytes = 0;
                since = None;
                last_commit = Instant::now();
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// Adds one thing, whatever it takes.
    fn add(&mut self, mut journal: Journal, ready: Ready) -> Result<Journal, JournalError> {
        let added = ready.add_to(&mut journal);
        match (added, ready) {
            (Ok(()), ready) => {
                self.pending.push(ready);
                Ok(journal)
            }
            // What nobody but its sender can help is the sender's.
            (Err(error), Ready::Asked(_, ticket)) if !is_passing(&error) => {
                self.pipeline.answer(ticket, Err(error));
                Ok(journal)
            }
            (Err(error), ready) if is_passing(&error) => {
                self.pending.push(ready);
                self.again(journal, error)
            }
            (Err(error), _) => Err(error),
        }
    }

    fn commit(&mut self, mut journal: Journal) -> Result<Journal, JournalError> {
        match journal.commit() {
            Ok(_) => {}
            Err(error) if is_passing(&error) => journal = self.again(journal, error)?,
            Err(error) => return Err(error),
        }
        self.durable(&journal);
        Ok(journal)
    }

    /// Opens the journal anew, adds again what was not durable and commits, until that succeeds.
    fn again(&mut self, journal: Journal, error: JournalError) -> Result<Journal, JournalError> {
        drop(journal);
        self.numbers.writable.set(0);
        self.teller.error(format!(
            "the journal could not be written: {}; nothing is lost, the logs are read no further until it can be",
            with_causes(&error)
        ));
        let mut error = error;
        for attempt in 0.. {
            self.numbers.failures.inc();
            let pause = PAUSES.get(attempt).or(PAUSES.last()).copied();
            let before = self.stop.phase();
            self.stop.wait(before, pause.unwrap_or(LONGEST));
            match self.reopen() {
                Ok(journal) => {
                    self.numbers.writable.set(1);
                    self.teller.info("the journal can be written again");
                    return Ok(journal);
                }
                Err(now) if !is_passing(&now) => return Err(now),
                Err(now) => error = now,
            }
            // The logs still have it: the next start goes on where the journal ends.
            if self.stop.phase() != Phase::Running && attempt >= 3 {
                break;
            }
        }
        Err(error)
    }

    fn reopen(&mut self) -> Result<Journal, JournalError> {
        let mut journal = (self.open)()?;
        let pending: u64 = self.pending.iter().map(Ready::pieces).sum();
        // A commit whose last step failed may have been one.
        let was_committed = pending > 0 && journal.next_record() == self.records + pending;
        if !was_committed {
            for ready in &self.pending {
                ready.add_to(&mut journal)?;
            }
        }
        journal.commit()?;
        Ok(journal)
    }

    /// Counts, gives room back and answers, now that everything pending is durable.
    fn durable(&mut self, journal: &Journal) {
        let seconds = super::now() / 1000;
        self.records = journal.next_record();
        self.numbers.commits.inc();
        self.numbers.last_commit.set(seconds);
        self.head.set(journal.checkpoint().size);
        for ready in std::mem::take(&mut self.pending) {
            match ready {
                Ready::Block(block, bytes) => {
                    let numbers = &self.numbers;
                    numbers.blocks.inc();
                    numbers.bytes.inc_by(block.source_length());
                    numbers.records.inc_by(u64::from(block.records()));
                    numbers.torn.inc_by(u64::from(block.torn()));
                    numbers.redacted.inc_by(u64::from(block.redacted()));
                    numbers.last_seal.set(seconds);
                    self.pipeline.give_back(bytes);
                }
                Ready::Note(leaf) => {
                    self.numbers
                        .gaps
                        .inc_by(u64::from(matches!(*leaf, Leaf::Gap { .. })));
                }
                Ready::Asked(_, ticket) => self.pipeline.answer(ticket, Ok(())),
            }
        }
    }
}

impl Ready {
    fn add_to(&self, journal: &mut Journal) -> Result<(), JournalError> {
        match self {
            Self::Block(block, _) => journal.append_packed(block),
            Self::Note(leaf) | Self::Asked(leaf, _) => journal.note(leaf),
        }
    }

    fn pieces(&self) -> u64 {
        match self {
            Self::Block(block, _) => u64::from(block.records()),
            _ => 0,
        }
    }

    fn source_bytes(&self) -> usize {
        match self {
            Self::Block(_, bytes) => *bytes,
            _ => 0,
        }
    }
}

/// Whether trying again later may help: the volume is full, or gone for a moment.
fn is_passing(error: &JournalError) -> bool {
    matches!(
        error,
        JournalError::Disk { .. } | JournalError::Broken | JournalError::Ended
    )
}
