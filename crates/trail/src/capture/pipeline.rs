//! From reading to sealing: blocks are prepared by several threads and sealed in the order they were read in.

use super::prepare::RawBlock;
use crate::journal::{JournalError, PackedBlock};
use crate::leaf::Leaf;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is ready to be sealed.
#[derive(Debug)]
pub(crate) enum Ready {
    /// A block, and how many bytes of the source it was: they are given back once it is durable.
    Block(Box<PackedBlock>, usize),
    /// Another leaf.
    Note(Box<Leaf>),
    /// A leaf of somebody who waits for it, by their ticket.
    Asked(Box<Leaf>, u64),
}

/// What the sealer is given.
#[derive(Debug)]
pub(crate) enum Next {
    Ready(Ready),
    /// A block could not be packed.
    Failed(JournalError),
    /// Nothing came before the deadline.
    Nothing,
    /// Nothing will come any more.
    Ended,
}

/// The queue between the reader, the workers and the sealer. What lies in it is bounded by bytes.
#[derive(Debug)]
pub(crate) struct Pipeline {
    state: Mutex<State>,
    /// For workers: there is something to do.
    work: Condvar,
    /// For the sealer: something is ready.
    ready: Condvar,
    /// For the reader and those who asked: room, or an answer.
    done: Condvar,
    most: usize,
}

#[derive(Debug, Default)]
struct State {
    to_do: VecDeque<(u64, Box<RawBlock>)>,
    ready: BTreeMap<u64, Ready>,
    asked: VecDeque<(Leaf, u64)>,
    answers: HashMap<u64, Option<Result<(), JournalError>>>,
    next_in: u64,
    next_out: u64,
    next_ticket: u64,
    in_flight: usize,
    failed: Option<JournalError>,
    closed: bool,
    ended: bool,
}

impl Pipeline {
    /// At most this many bytes between reading and sealing; one block that is larger by itself is let through.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            state: Mutex::default(),
            work: Condvar::new(),
            ready: Condvar::new(),
            done: Condvar::new(),
            most,
        }
    }

    /// Hands in a block when there is room for it; gives it back otherwise, after waiting for room until the deadline.
    pub(crate) fn push(
        &self,
        block: Box<RawBlock>,
        longest: Duration,
    ) -> Result<(), Box<RawBlock>> {
        let until = Instant::now() + longest;
        let size = block.bytes.len();
        let mut state = self.lock();
        while !state.ended && state.in_flight > 0 && state.in_flight + size > self.most {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(block);
            }
            state = wait(&self.done, state, left);
        }
        if state.ended {
            return Err(block);
        }
        state.in_flight += size;
        let number = state.next_in;
        state.next_in += 1;
        state.to_do.push_back((number, block));
        self.work.notify_one();
        Ok(())
    }

    /// Hands in a leaf that belongs between the blocks before it and those after it.
    pub(crate) fn note(&self, leaf: Leaf) {
        let mut state = self.lock();
        let number = state.next_in;
        state.next_in += 1;
        state.ready.insert(number, Ready::Note(Box::new(leaf)));
        self.ready.notify_all();
    }

    /// Hands in a leaf and waits until it is durable.
    pub(crate) fn ask(&self, leaf: Leaf) -> Result<(), JournalError> {
        let mut state = self.lock();
        if state.ended {
            return Err(JournalError::Ended);
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.answers.insert(ticket, None);
        state.asked.push_back((leaf, ticket));
        self.ready.notify_all();
        loop {
            if let Some(answer) = state.answers.get_mut(&ticket).and_then(Option::take) {
                state.answers.remove(&ticket);
                return answer;
            }
            if state.ended {
                state.answers.remove(&ticket);
                return Err(JournalError::Ended);
            }
            state = wait(&self.done, state, Duration::from_mins(1));
        }
    }

    /// For workers: the next block to prepare and pack, with its number. `None`: there is nothing to do any more.
    pub(crate) fn take(&self) -> Option<(u64, Box<RawBlock>)> {
        let mut state = self.lock();
        loop {
            if let Some(block) = state.to_do.pop_front() {
                return Some(block);
            }
            if state.closed || state.ended {
                return None;
            }
            state = wait(&self.work, state, Duration::from_mins(1));
        }
    }

    /// For workers: a block is ready.
    pub(crate) fn packed(&self, number: u64, block: PackedBlock, source_bytes: usize) {
        let mut state = self.lock();
        state
            .ready
            .insert(number, Ready::Block(Box::new(block), source_bytes));
        self.ready.notify_all();
    }

    /// For workers: a block cannot be packed. No other try helps against that.
    pub(crate) fn fail(&self, error: JournalError) {
        self.lock().failed.get_or_insert(error);
        self.ready.notify_all();
    }

    /// For the sealer: what comes next, in the order it was read in; leaves of others in between.
    pub(crate) fn next(&self, longest: Duration) -> Next {
        let until = Instant::now() + longest;
        let mut state = self.lock();
        loop {
            if let Some(error) = state.failed.take() {
                return Next::Failed(error);
            }
            let number = state.next_out;
            if let Some(ready) = state.ready.remove(&number) {
                state.next_out += 1;
                return Next::Ready(ready);
            }
            if let Some((leaf, ticket)) = state.asked.pop_front() {
                return Next::Ready(Ready::Asked(Box::new(leaf), ticket));
            }
            if state.closed && state.next_out == state.next_in {
                return Next::Ended;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Next::Nothing;
            }
            state = wait(&self.ready, state, left);
        }
    }

    /// For the sealer: whether more was read than it was given.
    pub(crate) fn is_busy(&self) -> bool {
        let state = self.lock();
        state.next_out < state.next_in || !state.asked.is_empty()
    }

    /// Waits until everything that was read is durable, or the sealer has ended.
    pub(crate) fn wait_until_sealed(&self) {
        let mut state = self.lock();
        while !state.ended && state.in_flight > 0 {
            state = wait(&self.done, state, Duration::from_mins(1));
        }
    }

    /// For the sealer: these bytes of the source are durable.
    pub(crate) fn give_back(&self, bytes: usize) {
        let mut state = self.lock();
        state.in_flight = state.in_flight.saturating_sub(bytes);
        self.done.notify_all();
    }

    /// For the sealer: what became of a leaf that somebody waits for.
    pub(crate) fn answer(&self, ticket: u64, answer: Result<(), JournalError>) {
        let mut state = self.lock();
        if let Some(slot) = state.answers.get_mut(&ticket) {
            *slot = Some(answer);
        }
        self.done.notify_all();
    }

    /// Nothing more will be handed in.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
        self.ready.notify_all();
    }

    /// Nothing more will be sealed: whoever waits is told.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.ended = true;
        self.work.notify_all();
        self.ready.notify_all();
        self.done.notify_all();
    }

    /// Whether the sealer has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    // A thread that panicked here has changed nothing by halves.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait<'a>(
    condition: &Condvar,
    guard: MutexGuard<'a, State>,
    longest: Duration,
) -> MutexGuard<'a, State> {
    condition
        .wait_timeout(guard, longest)
        .unwrap_or_else(PoisonError::into_inner)
        .0
}
