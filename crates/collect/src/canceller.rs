//! Stopping what runs on the server when nobody waits for it any more.

use futures_util::future::join_all;
use pgattest_wire::{CancelToken, Connection};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a request to cancel may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The connections of one collection that may have a query running.
///
/// A session whose client is gone goes on with its query until it has something to say. When the collection is dropped half
/// way, the queries are therefore cancelled by a task of their own.
#[derive(Default)]
pub(crate) struct Canceller {
    running: Arc<Mutex<Running>>,
}

#[derive(Default)]
struct Running {
    next: u64,
    tokens: BTreeMap<u64, CancelToken>,
}

/// One connection among them.
pub(crate) struct Entry {
    running: Arc<Mutex<Running>>,
    number: u64,
}

impl Canceller {
    /// Has the connection's query cancelled if the collection ends before [`Entry::done`].
    pub(crate) fn enter(&self, connection: &Connection) -> Entry {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let number = running.next;
        running.next += 1;
        running.tokens.insert(number, connection.cancel_token());
        Entry {
            running: Arc::clone(&self.running),
            number,
        }
    }

    /// Cancels whatever runs, and waits until the servers were told, at most five seconds.
    pub(crate) async fn cancel(&self) {
        cancel(self.take()).await;
    }

    fn take(&self) -> Vec<CancelToken> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut running.tokens).into_values().collect()
    }
}

impl Entry {
    /// Nothing runs on the connection any more.
    pub(crate) fn done(self) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .tokens
            .remove(&self.number);
    }
}

impl Drop for Canceller {
    fn drop(&mut self) {
        let tokens = self.take();
        if tokens.is_empty() {
            return;
        }
        // Without a runtime nothing can be sent; then the connections' end is all that the server hears.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(cancel(tokens));
        }
    }
}

async fn cancel(tokens: Vec<CancelToken>) {
    let requests = tokens.iter().map(CancelToken::cancel);
    // A server that cannot be told cannot be told: the session ends with its connection in any case.
    let _ = tokio::time::timeout(PATIENCE, join_all(requests)).await;
}
