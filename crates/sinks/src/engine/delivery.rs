//! The task of one sink: open, fill a batch, deliver, confirm, again.

use super::cursor::Cursor;
use super::feed::Feed;
use super::source::{JournalSource, Source};
use super::status::{Board, Failure, Standing, now};
use super::{Options, settle::Retries};
use crate::config::{Name, Opener};
use crate::record::Batch;
use crate::sink::{Answer, Limits, Sink};
use pgattest_trail::operate::{Context, Phase, Stop, Task, TaskError};
use pgattest_trail::{JournalError, Leaf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long at most nothing is looked at.
const IDLE: Duration = Duration::from_secs(1);
/// How often a damaged block is read again before delivery goes on behind it.
const READS: u32 = 3;

/// Delivers the journal to one sink.
pub struct Delivery {
    name: Name,
    opener: Arc<dyn Opener>,
    options: Options,
}

impl Delivery {
    /// To the sink that this opens.
    pub fn new(name: Name, opener: Arc<dyn Opener>, options: Options) -> Self {
        Self {
            name,
            opener,
            options,
        }
    }

    /// [`Task::run`] with blocks from anywhere.
    pub fn run_with(&self, source: Box<dyn Source>, context: &Context) -> Result<(), TaskError> {
        // A worker beside this thread: connections are looked after while the journal is read.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let cursor = Cursor::load(context.dir(), &self.name)?;
        let mut board = Board::new(&self.name, self.opener.kind(), &context.metrics);
        board.status.next = cursor.next;
        let feed = Feed::new(
            source,
            self.options.instance.clone(),
            cursor.next,
            self.options.checkpoint,
        );
        let mut run = Run {
            name: &self.name,
            opener: self.opener.as_ref(),
            options: &self.options,
            context,
            runtime,
            retries: Retries::new(&self.options),
            trusted: false,
            marked: (cursor.next, None),
            confirmed: cursor.state.clone(),
            cursor,
            board,
            feed,
            sink: None,
            asked: None,
            draining: None,
        };
        let ended = run.go();
        run.end();
        ended
    }
}

impl Task for Delivery {
    fn name(&self) -> String {
        format!("sink {}", self.name)
    }

    fn run(&mut self, context: &Context) -> Result<(), TaskError> {
        let reader = context.reader()?;
        self.run_with(Box::new(JournalSource::new(reader)), context)
    }
}

/// A sink that is open.
pub(super) struct Opened {
    pub(super) sink: Box<dyn Sink>,
    pub(super) limits: Limits,
}

pub(super) struct Run<'a> {
    pub(super) name: &'a Name,
    pub(super) opener: &'a dyn Opener,
    pub(super) options: &'a Options,
    pub(super) context: &'a Context,
    runtime: tokio::runtime::Runtime,
    pub(super) retries: Retries,
    pub(super) cursor: Cursor,
    /// The last watermark that became a leaf, and when.
    marked: (u64, Option<Instant>),
    pub(super) board: Board,
    feed: Feed,
    pub(super) sink: Option<Opened>,
    /// The sink has accepted something since it last refused everything.
    pub(super) trusted: bool,
    /// What the sink wants to find again, as of its last answer.
    pub(super) confirmed: Option<serde_json::Value>,
    /// When the sink was last asked what the other end keeps.
    asked: Option<Instant>,
    /// Nothing more will be sealed: how far it was, and since when it has not been further.
    draining: Option<(u64, Instant)>,
}

impl Run<'_> {
    fn go(&mut self) -> Result<(), TaskError> {
        let mut unread = 0;
        while !self.context.stop.is_stopping() && !self.is_left_behind() {
            // Looked at before the journal is: what was added before the draining began is found.
            let phase = self.context.stop.phase();
            let seen = self.context.head.size();
            if self.sink.is_none() && !self.open() {
                continue;
            }
            let Some(opened) = &self.sink else { continue };
            match self.feed.batch(opened.sink.as_ref(), &opened.limits) {
                Ok(Some(batch)) => {
                    unread = 0;
                    self.look();
                    self.settle(batch)?;
                    if self.asked.is_some() {
                        self.ask();
                    }
                }
                Ok(None) => {
                    self.ask();
                    self.look();
                    if phase >= Phase::Draining {
                        break;
                    }
                    self.context.head.wait(seen, IDLE);
                }
                Err(error) => {
                    unread += 1;
                    self.unreadable(&error, unread)?;
                }
            }
            self.watermark(false)?;
        }
        Ok(())
    }

    /// Opens the sink. `false`: it could not be, and some time has passed.
    pub(super) fn open(&mut self) -> bool {
        let opened = self.runtime.block_on(async {
            let mut sink = self.opener.open().await?;
            sink.restore(self.cursor.state.clone()).await?;
            Ok::<_, crate::sink::OpenError>(sink)
        });
        match opened {
            Ok(sink) => {
                self.board.status.place = sink.place();
                let limits = sink.limits();
                let state = sink.state();
                self.sink = Some(Opened { sink, limits });
                if state != self.cursor.state {
                    // Where it begins is known before anything is delivered: a crash after the first delivery finds it.
                    self.cursor.state.clone_from(&state);
                    self.confirmed = state;
                    if !self.save_cursor() {
                        return false;
                    }
                }
                if self.board.status.standing == Standing::Starting {
                    self.board.well();
                }
                true
            }
            Err(error) => {
                self.misconfigured(&error.to_string());
                false
            }
        }
    }

    /// Delivers, and waits for the answer. `None`: the collector stops, and it is unknown what became of the batch.
    pub(super) fn deliver(&mut self, batch: &Batch) -> Option<Answer> {
        let opened = self.sink.as_mut()?;
        let (longest, grace) = (self.options.longest_delivery, self.options.grace);
        let stop = &self.context.stop;
        let mut late = false;
        let answer = self.runtime.block_on(async {
            tokio::select! {
                answer = opened.sink.deliver(batch) => Some(answer),
                () = tokio::time::sleep(longest) => {
                    late = true;
                    Some(Answer::again(format!("no answer within {} s", longest.as_secs_f32())))
                }
                () = stopped(stop, grace) => None,
            }
        });
        self.confirmed = opened.sink.state();
        if late || answer.is_none() {
            // Whatever state a delivery that was given up has left: the next one begins afresh.
            self.sink = None;
        }
        answer
    }

    /// Asks what the other end keeps when that is due: first once everything is delivered, then whenever the time has come.
    fn ask(&mut self) {
        let due = self
            .asked
            .is_none_or(|asked| asked.elapsed() >= self.options.evidence);
        let Some(opened) = self.sink.as_mut().filter(|_| due) else {
            return;
        };
        self.asked = Some(Instant::now());
        let (longest, grace) = (self.options.longest_delivery, self.options.grace);
        let stop = &self.context.stop;
        let seen = self.runtime.block_on(async {
            tokio::select! {
                seen = opened.sink.evidence() => seen,
                () = tokio::time::sleep(longest) => Err("the other end does not answer".to_owned()),
                () = stopped(stop, grace) => Err("the collector stopped".to_owned()),
            }
        });
        match seen {
            Ok(evidence) => {
                self.board.status.evidence = evidence;
                self.board.status.evidence_error = None;
            }
            // What was seen before stays, with its time: whoever judges it sees how old it is.
            Err(reason) => {
                self.board.status.evidence_error = Some(Failure { at: now(), reason });
            }
        }
    }

    /// Whether it has taken nothing for long while everybody else only waits for it. The next start goes on there.
    fn is_left_behind(&mut self) -> bool {
        if self.context.stop.phase() != Phase::Draining {
            return false;
        }
        let next = self.cursor.next;
        match self.draining {
            Some((before, since)) if before == next => since.elapsed() >= self.options.last_wait,
            _ => {
                self.draining = Some((next, Instant::now()));
                false
            }
        }
    }

    /// Waits. `false`: the collector stops, or goes without this sink.
    pub(super) fn pause(&mut self, longest: Duration) -> bool {
        self.board.show(self.context.dir(), self.name);
        let until = Instant::now() + longest;
        loop {
            let phase = self.context.stop.phase();
            if phase == Phase::Stopping || self.is_left_behind() {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            self.context.stop.wait(phase, left.min(IDLE));
            // Waiting long, how much is behind is still to be seen.
            self.look();
        }
    }

    /// Takes nothing before a person does something: said loudly, tried again slowly.
    pub(super) fn misconfigured(&mut self, reason: &str) {
        let known = self
            .board
            .status
            .last_error
            .as_ref()
            .is_some_and(|last| last.reason == reason)
            && self.board.status.standing == Standing::Misconfigured;
        if !known {
            self.context.teller.error(format!(
                "sink {}: takes nothing before its configuration is put right: {reason}; nothing is lost, it is tried again every {} s",
                self.name,
                self.options.misconfigured_delay.as_secs()
            ));
        }
        self.board.failed(Standing::Misconfigured, reason);
        self.sink = None;
        self.pause(self.options.misconfigured_delay);
    }

    /// How far the journal and the sink are.
    fn look(&mut self) {
        if let Ok(end) = self.feed.end() {
            self.board.status.end = end;
        }
        let next = self.cursor.next;
        self.board.status.next = next;
        self.board.status.waiting_since = if next < self.board.status.end {
            self.board
                .status
                .waiting_since
                .or_else(|| self.feed.sealed_at(next))
        } else {
            None
        };
        self.board.show(self.context.dir(), self.name);
    }

    /// The journal cannot be read. What retention has removed, and what stays damaged, is left out and said.
    fn unreadable(&mut self, error: &JournalError, times: u32) -> Result<(), TaskError> {
        let reason = error.to_string();
        let gone = matches!(error, JournalError::Pruned(_));
        let damaged = matches!(error, JournalError::Damaged { .. }) && times >= READS;
        if gone || damaged {
            let before = self.cursor.next;
            if let Some(leaf) = self.feed.leave_out()? {
                let next = super::source::behind(&leaf);
                self.board.status.skipped += next.saturating_sub(before.max(leaf.first_record));
                self.board.failed(Standing::Blocked, &reason);
                let text = format!(
                    "sink {}: block {} (records {} to {}) cannot be delivered: {reason}",
                    self.name,
                    leaf.block,
                    leaf.first_record,
                    next.saturating_sub(1)
                );
                if damaged {
                    self.context
                        .teller
                        .error(format!("{text}; run `pgattest trail verify`"));
                    self.context.leaves.send(Leaf::Gap {
                        at: now(),
                        file: Some(leaf.file.clone()),
                        offset: Some(leaf.offset),
                        length: Some(leaf.source_length),
                        reason: format!(
                            "block {} is damaged in the journal: sink {} did not get it",
                            leaf.block, self.name
                        ),
                    })?;
                } else {
                    self.context.teller.warn(text);
                }
                self.cursor.next = self.cursor.next.max(next);
                self.save_cursor();
                return Ok(());
            }
        }
        self.board.failed(Standing::Blocked, &reason);
        self.context
            .teller
            .error(format!("sink {}: {reason}; it is tried again", self.name));
        let wait = self.retries.next();
        self.pause(wait);
        Ok(())
    }

    /// Makes the cursor durable. While its disk does not take it, nothing else is delivered. `false`: the collector stops.
    pub(super) fn save_cursor(&mut self) -> bool {
        self.cursor.at = now();
        loop {
            let Err(error) = self.cursor.save(self.context.dir(), self.name) else {
                return true;
            };
            self.blocked(&error.to_string());
            let wait = self.retries.next();
            if !self.pause(wait) {
                return false;
            }
        }
    }

    /// A disk of ours does not do.
    pub(super) fn blocked(&mut self, reason: &str) {
        self.context.teller.error(format!(
            "sink {}: {reason}; free or repair the disk, delivery goes on by itself",
            self.name
        ));
        self.board.failed(Standing::Blocked, reason);
    }

    /// Makes the watermark a leaf when it is due.
    fn watermark(&mut self, now_or_never: bool) -> Result<(), JournalError> {
        let (marked, at) = self.marked;
        let due = now_or_never || at.is_none_or(|at| at.elapsed() >= self.options.watermark);
        if !due || marked == self.cursor.next {
            return Ok(());
        }
        self.context.leaves.send(Leaf::Watermark {
            at: now(),
            sink: self.name.to_string(),
            next: self.cursor.next,
        })?;
        self.marked = (self.cursor.next, Some(Instant::now()));
        Ok(())
    }

    fn end(&mut self) {
        if let Err(error) = self.watermark(true) {
            // The cursor has it; the leaf follows with the next start's first delivery.
            self.context.teller.warn(format!(
                "sink {}: its watermark did not become a leaf: {error}",
                self.name
            ));
        }
        self.board.status.standing = Standing::Stopped;
        self.look();
    }
}

/// Ends when the collector has been stopping for this long.
async fn stopped(stop: &Stop, grace: Duration) {
    while !stop.is_stopping() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(grace).await;
}
