//! A collector from its start to its end: capture, sealing and the tasks beside them.

use super::collector::{self, Collector};
use super::files::{Family, Files};
use super::hint::Hint;
use super::identity::Index;
use super::pipeline::Pipeline;
use super::prepare::prepare;
use super::sealer::{Numbers, Open, Sealer};
use super::tail::Input;
use super::{Config, OriginalKey, now};
use crate::block::FileId;
use crate::journal::{Journal, JournalError, PackedBlock};
use crate::leaf::Leaf;
use crate::operate::{Context, Head, Leaves, Metrics, Phase, Stop, Task, Teller, with_causes};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

/// Pauses before a task that failed is run again.
const TASK_PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
];

/// A collector that is about to run.
pub struct Capture {
    /// What is captured.
    pub config: Config,
    /// The instance's name.
    pub instance: String,
    /// The journal's directory.
    pub journal: PathBuf,
    /// Opens the journal; called again after it could not be written.
    pub open: Box<dyn FnMut() -> Result<Journal, JournalError> + Send>,
    /// The key of the digests of what was redacted.
    pub original_key: OriginalKey,
    /// SHA-256 of the configuration, hexadecimal.
    pub configuration: String,
    /// pgattest's version.
    pub version: String,
    /// Read what is there, seal it, let the tasks catch up, and end.
    pub once: bool,
    /// When to end.
    pub stop: Stop,
    /// What is counted.
    pub metrics: Metrics,
    /// Whom to tell.
    pub teller: Teller,
    /// What runs beside it.
    pub tasks: Vec<Box<dyn Task>>,
    /// Leaves that are sealed right after the start: a key that was made, what an inbox holds.
    pub first_leaves: Vec<Leaf>,
}

/// Why a collector ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A thread could not be started.
    #[error("a thread could not be started")]
    Thread(#[source] std::io::Error),
}

impl Capture {
    /// Runs until told to stop; with `once`, until everything is read, sealed and handed on.
    pub fn run(self) -> Result<(), CaptureError> {
        let Self {
            config,
            instance,
            journal: dir,
            mut open,
            original_key,
            configuration,
            version,
            once,
            stop,
            metrics,
            teller,
            tasks,
            first_leaves,
        } = self;
        let journal = open()?;
        let known = journal.files();
        let level = journal.level();
        let pipeline = Arc::new(Pipeline::new(config.in_flight()));
        let head = Head::default();
        let sources = config
            .logs
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        pipeline.note(Leaf::Start {
            at: now(),
            version,
            configuration,
            sources,
            instance,
        });
        for leaf in first_leaves {
            pipeline.note(leaf);
        }
        let sealer = Sealer {
            open: open as Open,
            pipeline: Arc::clone(&pipeline),
            head: head.clone(),
            stop: stop.clone(),
            teller: teller.clone(),
            heartbeat: config.heartbeat(),
            numbers: Numbers::new(&metrics),
            pending: Vec::new(),
            records: 0,
        };
        let asked = Arc::clone(&pipeline);
        let context = Context {
            journal: dir,
            leaves: Leaves::new(move |leaf| asked.ask(leaf)),
            head,
            stop: stop.clone(),
            metrics: metrics.clone(),
            teller: teller.clone(),
        };
        let stdin = if config.logs.iter().any(|path| path == Path::new("-")) {
            Some(read_stdin().map_err(CaptureError::Thread)?)
        } else {
            None
        };
        let mut collector = Collector {
            config: &config,
            pipeline: Arc::clone(&pipeline),
            stop: stop.clone(),
            teller,
            numbers: collector::Numbers::new(&metrics),
            once,
            expected: last_of_each_family(&known),
            index: Index::new(known),
            files: Files::default(),
            hint: Hint::new(),
            scans: 0,
            last_scan: None,
            current: std::collections::BTreeSet::default(),
            complained: std::collections::BTreeSet::default(),
            forms: super::form::Forms::default(),
            caught_up: Instant::now(),
        };
        if let Some(stdin) = stdin {
            collector.add_stdin(Input::Stdin(stdin));
        }
        std::thread::scope(|scope| {
            let sealing = scope.spawn(|| {
                let ended = sealer.run(journal);
                if ended.is_err() {
                    stop.advance(Phase::Stopping);
                }
                ended
            });
            for _ in 0..config.workers() {
                scope.spawn(|| {
                    while let Some((number, block)) = pipeline.take() {
                        let bytes = block.bytes.len();
                        let block = prepare(*block, &original_key);
                        match PackedBlock::new(&block, level) {
                            Ok(block) => pipeline.packed(number, block, bytes),
                            Err(error) => pipeline.fail(error),
                        }
                    }
                });
            }
            let tasks: Vec<_> = tasks
                .into_iter()
                .map(|task| {
                    let context = &context;
                    scope.spawn(move || keep_running(task, context))
                })
                .collect();
            collector.run();
            let asked = stop.phase() != Phase::Running;
            pipeline.wait_until_sealed();
            stop.advance(Phase::Draining);
            for task in tasks {
                // A task that panicked has been said to have ended by the panic's own message.
                let _ = task.join();
            }
            stop.advance(Phase::Stopping);
            let reason = if asked { "asked" } else { "end of input" };
            pipeline.note(Leaf::Stop {
                at: now(),
                reason: reason.to_owned(),
            });
            pipeline.close();
            match sealing.join() {
                Ok(ended) => ended.map_err(CaptureError::from),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

/// Runs a task again and again until it is told to end.
fn keep_running(mut task: Box<dyn Task>, context: &Context) {
    let failures = context.metrics.counter(
        "task_failures",
        "Times that a part of the collector ended with an error",
        &[("task", &task.name())],
    );
    for attempt in 0.. {
        let begin = Instant::now();
        match task.run(context) {
            Ok(()) => return,
            Err(error) => {
                failures.inc();
                context.teller.error(format!(
                    "{} ended: {}; it is started again",
                    task.name(),
                    with_causes(error.as_ref())
                ));
            }
        }
        let phase = context.stop.phase();
        if phase == Phase::Stopping || phase == Phase::Draining && attempt >= 3 {
            return;
        }
        // One that worked for long failed for another reason than the last time.
        let step = if begin.elapsed() > Duration::from_mins(5) {
            0
        } else {
            attempt
        };
        let pause = TASK_PAUSES.get(step).or(TASK_PAUSES.last()).copied();
        context
            .stop
            .wait(phase, pause.unwrap_or(Duration::from_secs(30)));
    }
}

/// The files that were written to when the journal was last written.
fn last_of_each_family(known: &[(FileId, u64)]) -> BTreeMap<Family, (FileId, u64)> {
    known
        .iter()
        .filter(|(file, _)| file.name != "-")
        .map(|(file, end)| (Family::of(Path::new(&file.name)), (file.clone(), *end)))
        .collect()
}

/// Reads standard input on a thread of its own, ahead by a few MiB at most.
fn read_stdin() -> std::io::Result<Receiver<Vec<u8>>> {
    let (sender, receiver) = sync_channel(32);
    // It may wait for input that never comes: the process does not wait for it.
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            let mut stdin = std::io::stdin().lock();
            let mut buffer = vec![0; 64 << 10];
            while let Ok(read @ 1..) = stdin.read(&mut buffer) {
                let bytes = buffer.get(..read).unwrap_or_default().to_vec();
                if sender.send(bytes).is_err() {
                    return;
                }
            }
        })?;
    Ok(receiver)
}
