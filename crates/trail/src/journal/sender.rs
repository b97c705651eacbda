//! Leaves from other threads.

use super::JournalError;
use crate::leaf::{Entry, Leaf};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Leaves that may wait for the writer; whoever hands in more waits, too.
const MOST: usize = 4096;

/// Hands leaves to the journal's writer, from any thread but the writer's own: it waits while too many leaves are waiting.
#[derive(Clone)]
pub struct LeafSender {
    shared: Arc<Shared>,
}

impl LeafSender {
    /// Hands in a leaf; it becomes durable with the writer's next commit. With `wait` only returns once it is.
    ///
    /// Without `wait` a leaf is lost when the writer fails or is killed before its next commit.
    pub fn send(&self, leaf: Leaf, wait: bool) -> Result<(), JournalError> {
        refuse_unsendable(&leaf)?;
        let shared = &self.shared;
        let mut queue = shared.lock();
        while !queue.ended && queue.waiting.len() >= MOST {
            queue = shared.wait(queue);
        }
        if queue.ended {
            return Err(JournalError::Ended);
        }
        queue.waiting.push_back(leaf);
        queue.handed_in += 1;
        let ticket = queue.handed_in;
        while wait && queue.durable < ticket {
            if queue.ended {
                return Err(JournalError::Ended);
            }
            queue = shared.wait(queue);
        }
        Ok(())
    }
}

/// A leaf that the writer could not write must not be what its commit fails at.
fn refuse_unsendable(leaf: &Leaf) -> Result<(), JournalError> {
    if matches!(leaf, Leaf::Block(_)) {
        return Err(JournalError::Refused {
            what: "the leaf",
            reason: "a block's manifest is made by the journal itself".to_owned(),
        });
    }
    // The numbers it will get are at most this long.
    let entry = Entry {
        before: (1 << 53) - 1,
        blocks: (1 << 53) - 1,
        leaf: leaf.clone(),
    };
    entry.to_bytes()?;
    Ok(())
}

/// What the writer and the senders share.
#[derive(Default)]
pub(super) struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Leaf>,
    handed_in: u64,
    taken: u64,
    durable: u64,
    ended: bool,
}

impl Shared {
    pub(super) fn sender(self: &Arc<Self>) -> LeafSender {
        LeafSender {
            shared: Arc::clone(self),
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// The leaves that were handed in since the last call.
    pub(super) fn take(&self) -> VecDeque<Leaf> {
        let mut queue = self.lock();
        let taken = std::mem::take(&mut queue.waiting);
        queue.taken = queue.handed_in;
        self.changed.notify_all();
        taken
    }

    /// What was taken is durable.
    pub(super) fn committed(&self) {
        let mut queue = self.lock();
        queue.durable = queue.taken;
        self.changed.notify_all();
    }

    /// Nothing will become durable any more.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    // A thread that panicked here has changed nothing by halves.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        self.changed
            .wait(queue)
            .unwrap_or_else(PoisonError::into_inner)
    }
}
