//! One connection whose bytes are kept.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// How many connections the probes of one target hold at the same time.
const AT_ONCE: usize = 4;

/// The most that is read from one connection, in bytes. The largest honest answer is one TLS record.
const MOST_READ: usize = 64 * 1024;

/// Who is probed, and how patiently.
#[derive(Clone, Debug)]
pub struct Target {
    /// The address that is connected to.
    pub address: SocketAddr,
    /// The name by which clients know the server, if it is a name: sent as SNI, and looked for in the certificate.
    pub name: Option<String>,
    /// The longest one connection may take, from opening it to the last byte.
    pub patience: Duration,
    connections: Arc<Semaphore>,
}

/// What went over one connection, in order within each direction.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Transcript {
    /// What we sent.
    pub sent: Vec<u8>,
    /// What came back, as far as it was read.
    pub received: Vec<u8>,
}

/// Why there is no answer that could be judged.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoAnswer {
    /// No connection came about.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// The time was over.
    #[error("no answer within {} ms", .0.as_millis())]
    Silent(Duration),
    /// The other end closed the connection before its answer was complete.
    #[error("the connection was closed after {0} bytes of an answer")]
    Closed(usize),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The answer is not of the protocol.
    #[error("the answer is not understood: {0}")]
    NotUnderstood(String),
    /// What was to be sent cannot be.
    #[error("not sent: {0}")]
    NotSent(&'static str),
}

impl Target {
    /// A target that is given `patience` for each connection. A name that is an address is no name.
    pub fn new(address: SocketAddr, name: Option<&str>, patience: Duration) -> Self {
        Self {
            address,
            name: name
                .filter(|name| name.parse::<IpAddr>().is_err())
                .map(str::to_owned),
            patience,
            connections: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

/// A connection to a target.
pub(super) struct Talk {
    stream: TcpStream,
    patience: Duration,
    end: Instant,
    transcript: Transcript,
    _permit: OwnedSemaphorePermit,
}

/// Opens a connection, has `conversation` on it, and gives what it brought with every byte that went over it.
pub(super) async fn converse<T>(
    target: &Target,
    conversation: impl AsyncFnOnce(&mut Talk) -> Result<T, NoAnswer>,
) -> (Result<T, NoAnswer>, Transcript) {
    match Talk::open(target).await {
        Ok(mut talk) => {
            let said = conversation(&mut talk).await;
            (said, talk.transcript)
        }
        Err(why) => (Err(why), Transcript::default()),
    }
}

impl Talk {
    pub(super) async fn open(target: &Target) -> Result<Self, NoAnswer> {
        let permit = Arc::clone(&target.connections)
            .acquire_owned()
            .await
            .map_err(|_| NoAnswer::NotSent("the probes were stopped"))?;
        // Counted from here: waiting for our own other connections is not the server's slowness.
        let end = Instant::now() + target.patience;
        let stream = timeout_at(end, TcpStream::connect(target.address))
            .await
            .map_err(|_| NoAnswer::Silent(target.patience))?
            .map_err(|error| NoAnswer::Unreachable(error.kind().to_string()))?;
        let _ = stream.set_nodelay(true);
        Ok(Self {
            stream,
            patience: target.patience,
            end,
            transcript: Transcript::default(),
            _permit: permit,
        })
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), NoAnswer> {
        let patience = self.patience;
        timeout_at(self.end, self.stream.write_all(bytes))
            .await
            .map_err(|_| NoAnswer::Silent(patience))?
            .map_err(|error| self.failed(&error))?;
        self.transcript.sent.extend_from_slice(bytes);
        Ok(())
    }

    /// Exactly so many bytes, and not one more: nothing that follows is taken for part of this.
    pub(super) async fn exactly(&mut self, count: usize) -> Result<Vec<u8>, NoAnswer> {
        if self.transcript.received.len().saturating_add(count) > MOST_READ {
            return Err(NoAnswer::NotUnderstood(format!(
                "it is longer than {MOST_READ} bytes"
            )));
        }
        let start = self.transcript.received.len();
        // On the heap: a hundred of these conversations are one future.
        let mut buffer = vec![0_u8; count.min(4096)];
        let mut missing = count;
        while missing > 0 {
            let (room, _) = buffer.split_at_mut(missing.min(4096));
            let read = timeout_at(self.end, self.stream.read(room))
                .await
                .map_err(|_| NoAnswer::Silent(self.patience))?
                .map_err(|error| self.failed(&error))?;
            if read == 0 {
                return Err(self.closed());
            }
            self.transcript
                .received
                .extend(room.iter().take(read).copied());
            missing = missing.saturating_sub(read);
        }
        Ok(self
            .transcript
            .received
            .iter()
            .skip(start)
            .copied()
            .collect())
    }

    pub(super) async fn byte(&mut self) -> Result<u8, NoAnswer> {
        Ok(self.exactly(1).await?.first().copied().unwrap_or_default())
    }

    /// What else arrives within a moment, at most so many bytes. Nothing is as good an answer as something.
    pub(super) async fn leftover(&mut self, moment: Duration, most: usize) -> usize {
        let mut buffer = vec![0_u8; most];
        let end = Instant::now() + moment;
        match timeout_at(end.min(self.end), self.stream.read(&mut buffer)).await {
            Ok(Ok(read)) => {
                self.transcript
                    .received
                    .extend(buffer.iter().take(read).copied());
                read
            }
            Ok(Err(_)) | Err(_) => 0,
        }
    }

    /// The stream itself, for a library that has its own conversation on it, and the time until which it may.
    pub(super) fn stream(&mut self) -> (&mut TcpStream, Instant) {
        (&mut self.stream, self.end)
    }

    fn closed(&self) -> NoAnswer {
        NoAnswer::Closed(self.transcript.received.len())
    }

    fn failed(&self, error: &io::Error) -> NoAnswer {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => self.closed(),
            kind => NoAnswer::Broken(kind.to_string()),
        }
    }
}
