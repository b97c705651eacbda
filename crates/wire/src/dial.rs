//! From an address to a transport that a login can use.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};

use crate::error::{ConnectError, Stage, handshake_error, open_error, socket_error};
use crate::options::{HostTarget, Keepalive, SslNegotiation};
use crate::peer::{Address, Place};
use crate::stream::{Transport, Wire};
use crate::tls::{TlsConfig, TlsSeen, endpoint_digest, shake_hands};

/// Asks a PostgreSQL server to speak TLS: the length of the message and a code that is no version.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// How much encryption one attempt uses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Encryption {
    /// None.
    Clear,
    /// TLS, or none if the server has no TLS.
    IfOffered,
    /// TLS, or the attempt fails.
    Needed,
}

/// The time that one attempt may take.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    duration: Option<Duration>,
    end: Option<Instant>,
}

impl Limit {
    /// Begins now.
    pub(crate) fn start(duration: Option<Duration>) -> Self {
        Self {
            duration,
            end: duration.and_then(|duration| Instant::now().checked_add(duration)),
        }
    }

    /// Waits for something, at most until the limit; the error is the limit.
    pub(crate) async fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T, Duration> {
        match self.end {
            Some(end) => timeout_at(end, future)
                .await
                .map_err(|_| self.duration.unwrap_or_default()),
            None => Ok(future.await),
        }
    }
}

/// One address of one host, and how to reach it.
pub(crate) struct Dial<'a> {
    pub(crate) target: &'a HostTarget,
    pub(crate) address: &'a Address,
    pub(crate) encryption: Encryption,
    pub(crate) tls: Option<&'a TlsConfig>,
    pub(crate) keepalive: Option<Keepalive>,
    pub(crate) limit: Limit,
}

/// A transport that is ready for a login.
pub(crate) struct Dialled {
    pub(crate) wire: Wire,
    pub(crate) tls: Option<TlsSeen>,
    pub(crate) place: Place,
}

impl Dial<'_> {
    /// Opens the connection, with TLS if the attempt uses it.
    pub(crate) async fn open(&self) -> Result<Dialled, ConnectError> {
        match self.address {
            Address::Unix(path) => {
                // As in libpq, a unix socket has no TLS whatever `sslmode` says.
                let stream = self
                    .within(Stage::Opening, UnixStream::connect(path))
                    .await?
                    .map_err(|error| socket_error(self.target, path, error))?;
                Ok(self.ready(Transport::Unix(stream), None))
            }
            Address::Tcp(address) => {
                let stream = self
                    .within(Stage::Opening, TcpStream::connect(address))
                    .await?
                    .map_err(|error| open_error(self.target, *address, error))?;
                self.tune(&stream);
                match self.tls {
                    Some(tls) if self.encryption != Encryption::Clear => {
                        self.secure(stream, tls).await
                    }
                    _ => Ok(self.ready(Transport::Tcp(stream), None)),
                }
            }
        }
    }

    async fn secure(
        &self,
        mut stream: TcpStream,
        tls: &TlsConfig,
    ) -> Result<Dialled, ConnectError> {
        let place = self.place(true);
        if tls.negotiation() == SslNegotiation::Postgres {
            let answer = self
                .within(Stage::Securing, ask_for_tls(&mut stream))
                .await?
                .map_err(|error| self.negotiation_error(error))?;
            match (answer, self.encryption) {
                (b'S', _) => {}
                (b'N', Encryption::IfOffered) => {
                    return Ok(self.ready(Transport::Tcp(stream), None));
                }
                (b'N', _) => return Err(ConnectError::TlsRefused { place }),
                // An error, before TLS: whatever it says could come from anybody.
                (b'E', _) => {
                    return Err(ConnectError::ClosedEarly {
                        place,
                        stage: Stage::Securing,
                    });
                }
                _ => {
                    return Err(ConnectError::NotPostgres {
                        place,
                        what: "it gave no valid answer to a request for TLS".to_owned(),
                    });
                }
            }
        }
        let ip = match self.address {
            Address::Tcp(address) => address.ip(),
            Address::Unix(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        };
        let (stream, seen) = self
            .within(Stage::Securing, shake_hands(stream, self.target, ip, tls))
            .await?
            .map_err(|failure| handshake_error(&place, *failure))?;
        Ok(self.ready(Transport::Tls(Box::new(stream)), Some(seen)))
    }

    fn ready(&self, transport: Transport, tls: Option<TlsSeen>) -> Dialled {
        let binding = tls
            .as_ref()
            .and_then(|seen| endpoint_digest(&seen.certificate.as_slice().into()));
        Dialled {
            wire: Wire::new(transport, binding),
            place: self.place(tls.is_some()),
            tls,
        }
    }

    /// Small messages go at once, and a firewall is kept from forgetting a long query. Neither is
    /// worth failing for.
    fn tune(&self, stream: &TcpStream) {
        let _ = stream.set_nodelay(true);
        if let Some(keepalive) = self.keepalive {
            let mut settings = TcpKeepalive::new();
            if let Some(idle) = keepalive.idle {
                settings = settings.with_time(idle);
            }
            if let Some(interval) = keepalive.interval {
                settings = settings.with_interval(interval);
            }
            if let Some(count) = keepalive.count {
                settings = settings.with_retries(count);
            }
            let _ = SockRef::from(stream).set_tcp_keepalive(&settings);
        }
    }

    async fn within<T>(
        &self,
        stage: Stage,
        future: impl Future<Output = T>,
    ) -> Result<T, ConnectError> {
        self.limit
            .wait(future)
            .await
            .map_err(|limit| ConnectError::Timeout {
                place: self.place(stage == Stage::Securing),
                limit,
                stage,
            })
    }

    fn negotiation_error(&self, error: io::Error) -> ConnectError {
        let place = self.place(true);
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => ConnectError::ClosedEarly {
                place,
                stage: Stage::Securing,
            },
            _ => ConnectError::Other {
                place,
                stage: Stage::Securing,
                source: error.into(),
            },
        }
    }

    pub(crate) fn place(&self, encrypted: bool) -> Place {
        Place::new(self.target, self.address, encrypted)
    }
}

/// Sends the request for TLS; gives the one byte of the answer. Reading no more than that keeps
/// anybody from slipping clear text in before the handshake.
async fn ask_for_tls(stream: &mut TcpStream) -> io::Result<u8> {
    stream.write_all(&SSL_REQUEST).await?;
    stream.flush().await?;
    stream.read_u8().await
}
