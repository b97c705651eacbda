//! A connection that is open.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, Error};

use crate::cancel::{CancelToken, Endpoint};
use crate::error::ServerMessage;
use crate::fast_path::FastPath;
use crate::peer::Peer;
use crate::session_attrs::single_value;
use crate::stream::{Left, Wire};

/// How many notices are kept; a server could send any number.
const MOST_NOTICES: usize = 1_000;

/// How long a graceful end may take before the connection is cut.
const LONGEST_GOODBYE: Duration = Duration::from_secs(5);

/// What a server reports about the session at login, as far as anybody here asks for it.
const PARAMETERS: [&str; 9] = [
    "application_name",
    "client_encoding",
    "default_transaction_read_only",
    "in_hot_standby",
    "is_superuser",
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
];

/// A connection to a server, logged in.
///
/// Dropping it ends the session, too, but nobody waits for that: use [`Connection::close`].
pub struct Connection {
    client: Client,
    peer: Peer,
    parameters: BTreeMap<&'static str, String>,
    notices: Arc<Mutex<Notices>>,
    announced_pid: Arc<OnceLock<i32>>,
    endpoint: Endpoint,
    left: Left,
    driver: JoinHandle<Result<(), Error>>,
}

/// What the server said without being asked.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    /// The notices, oldest first; at most 1,000.
    pub messages: Vec<ServerMessage>,
    /// How many more there were.
    pub dropped: usize,
}

/// Whether something stands between us and the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Intermediary {
    /// The server that answers is the one that we logged in to.
    None,
    /// A pooler answered the login: the process that runs our queries is not the one that was
    /// announced. Session state may not last from one transaction to the next.
    Pooler {
        /// The process id announced at login.
        announced: i32,
        /// The process id of the server's backend.
        backend: i32,
    },
    /// It cannot be told.
    Unknown,
}

/// What a new connection is made of.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) driver: tokio_postgres::Connection<Wire, Wire>,
    pub(crate) peer: Peer,
    pub(crate) announced_pid: Arc<OnceLock<i32>>,
    pub(crate) left: Left,
    pub(crate) endpoint: Endpoint,
}

impl Connection {
    /// Spawns the task that drives the connection.
    pub(crate) fn start(parts: Parts) -> Self {
        let mut driver = parts.driver;
        let parameters = PARAMETERS
            .into_iter()
            .filter_map(|name| Some((name, driver.parameter(name)?.to_owned())))
            .collect();
        let notices = Arc::new(Mutex::new(Notices::default()));
        let sink = Arc::clone(&notices);
        let driver = tokio::spawn(async move {
            while let Some(message) = poll_fn(|cx| driver.poll_message(cx)).await {
                if let AsyncMessage::Notice(notice) = message? {
                    let mut notices = sink.lock().unwrap_or_else(PoisonError::into_inner);
                    if notices.messages.len() < MOST_NOTICES {
                        notices.messages.push(ServerMessage::new(notice));
                    } else {
                        notices.dropped = notices.dropped.saturating_add(1);
                    }
                }
            }
            Ok(())
        });
        Self {
            client: parts.client,
            peer: parts.peer,
            parameters,
            notices,
            announced_pid: parts.announced_pid,
            endpoint: parts.endpoint,
            left: parts.left,
            driver,
        }
    }

    /// The client, for queries.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The client, for transactions.
    pub fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What the server reported at login about one of the parameters it reports, such as
    /// `server_version`. Hostile text.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The notices so far; they are forgotten here.
    pub fn take_notices(&self) -> Notices {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *notices)
    }

    /// The right to cancel what this connection is doing.
    pub fn cancel_token(&self) -> CancelToken {
        CancelToken::new(self.client.cancel_token(), self.endpoint.clone())
    }

    /// The process id that was announced at login. Behind a pooler it is not the server's.
    pub fn announced_pid(&self) -> Option<i32> {
        self.announced_pid.get().copied()
    }

    /// Finds out whether a pooler such as PgBouncer stands in the way, with one cheap query.
    ///
    /// # Errors
    ///
    /// The query failed, as it does on the admin console of a pooler.
    pub async fn intermediary(&self) -> Result<Intermediary, Error> {
        let answer = single_value(&self.client, "SELECT pg_catalog.pg_backend_pid()").await?;
        let backend = answer.and_then(|pid| pid.parse::<i32>().ok());
        Ok(match (self.announced_pid(), backend) {
            (Some(announced), Some(backend)) if announced == backend => Intermediary::None,
            (Some(announced), Some(backend)) => Intermediary::Pooler { announced, backend },
            _ => Intermediary::Unknown,
        })
    }

    /// The same session for calls by the protocol's fast path, which the client has no words for. Nothing may be under way. `None`:
    /// the connection has broken.
    pub async fn into_fast_path(self) -> Option<FastPath> {
        let Self {
            client,
            driver,
            left,
            ..
        } = self;
        driver.abort();
        // Whatever it ended with, it holds the transport no longer.
        let _ = driver.await;
        // Not before: a client that is gone has the driver say goodbye.
        drop(client);
        let transport = left.lock().unwrap_or_else(PoisonError::into_inner).take();
        transport.map(FastPath::new)
    }

    /// Ends the session and waits until the server has been told, for at most five seconds.
    ///
    /// # Errors
    ///
    /// The connection had broken before, or broke now.
    pub async fn close(self) -> Result<(), Error> {
        let Self {
            client, mut driver, ..
        } = self;
        drop(client);
        match tokio::time::timeout(LONGEST_GOODBYE, &mut driver).await {
            Ok(Ok(outcome)) => outcome,
            // The task was cancelled by the runtime's end: nothing is left to wait for.
            Ok(Err(_)) => Ok(()),
            Err(_) => {
                driver.abort();
                Ok(())
            }
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
