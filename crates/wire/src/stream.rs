//! The bytes between us and a server: over a unix socket, over TCP, over TLS.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream as PostgresTlsStream};
use tokio_rustls::client::TlsStream;

/// A connection whose transport is ready: TLS, if there is any, is done.
pub(crate) struct Wire {
    transport: Transport,
    binding: Option<Vec<u8>>,
    tap: StartupTap,
}

/// How the bytes travel.
pub(crate) enum Transport {
    /// Over TCP in clear.
    Tcp(TcpStream),
    /// Over a unix socket.
    Unix(UnixStream),
    /// Over TCP with TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// `binding` is the digest of the server's certificate that a login may be bound to.
    pub(crate) fn new(transport: Transport, binding: Option<Vec<u8>>) -> Self {
        Self {
            transport,
            binding,
            tap: StartupTap::default(),
        }
    }

    /// Where the process id that the server announces at login will be found.
    pub(crate) fn announced_pid(&self) -> Arc<OnceLock<i32>> {
        Arc::clone(&self.tap.pid)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = match &mut self.transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        };
        match buf.filled().get(before..).map(|read| self.tap.watch(read)) {
            Some(Err(error)) => Poll::Ready(Err(error)),
            _ => outcome,
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}

impl PostgresTlsStream for Wire {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.binding {
            Some(digest) => ChannelBinding::tls_server_end_point(digest.clone()),
            None => ChannelBinding::none(),
        }
    }
}

/// Tells the protocol library that TLS is done: we ask the server for it ourselves, to know
/// exactly what failed.
pub(crate) struct AlreadySecured;

impl TlsConnect<Wire> for AlreadySecured {
    type Stream = Wire;
    type Error = io::Error;
    type Future = Ready<io::Result<Wire>>;

    fn connect(self, stream: Wire) -> Self::Future {
        ready(Ok(stream))
    }
}

/// The longest message of a login, in bytes. Whatever is not PostgreSQL announces more, which the
/// protocol library would wait for, and keep in memory.
const LONGEST_LOGIN_MESSAGE: i32 = 1 << 20;

/// Watches the messages of the login: that they can be a login at all, and for the process id that
/// the server announces, which the protocol library keeps to itself. A pooler announces another
/// than the server's.
#[derive(Default)]
struct StartupTap {
    pid: Arc<OnceLock<i32>>,
    done: bool,
    /// Type, length and the first four bytes of the current message.
    head: Vec<u8>,
    /// Bytes of the current message still to come after the head.
    skip: usize,
}

impl StartupTap {
    fn watch(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !self.done && !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            if self.skip > 0 || bytes.is_empty() {
                return Ok(());
            }
            bytes = self.fill_head(bytes)?;
        }
        Ok(())
    }

    /// Takes bytes into the head until the message is understood; gives the rest.
    fn fill_head<'a>(&mut self, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
        let Some((byte, rest)) = bytes.split_first() else {
            return Ok(bytes);
        };
        self.head.push(*byte);
        let nonsense = || io::Error::new(io::ErrorKind::InvalidData, "its answer is no login");
        let kind = self.head.first().copied().unwrap_or_default();
        // Authentication, parameter, key, ready, notice, error, negotiation of the version.
        if !b"RSKZNEv".contains(&kind) {
            return Err(nonsense());
        }
        let Some(length) = number(&self.head, 1) else {
            return Ok(rest);
        };
        if !(4..=LONGEST_LOGIN_MESSAGE).contains(&length) {
            return Err(nonsense());
        }
        let body = usize::try_from(length).unwrap_or(0).saturating_sub(4);
        match kind {
            b'K' if self.head.len() < 9 && body >= 8 => return Ok(rest),
            b'K' => {
                if let Some(pid) = number(&self.head, 5) {
                    let _ = self.pid.set(pid);
                }
                self.done = true;
            }
            // The login ends, or has failed.
            b'Z' | b'E' => self.done = true,
            _ => {}
        }
        // Of a key, the process id is in the head already.
        self.skip = body.saturating_sub(self.head.len().saturating_sub(5));
        self.head.clear();
        Ok(rest)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<i32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(i32::from_be_bytes(four.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `AuthenticationOk`, one `ParameterStatus`, `BackendKeyData` and `ReadyForQuery`.
    const LOGIN: &[u8] =
        b"R\0\0\0\x08\0\0\0\0S\0\0\0\x09a\0bb\0K\0\0\0\x0c\0\x01\xe2\x40\0\0\0\x07Z\0\0\0\x05I";

    fn pid_of(chunks: &[&[u8]]) -> Option<i32> {
        let mut tap = StartupTap::default();
        for chunk in chunks {
            tap.watch(chunk).ok()?;
        }
        tap.pid.get().copied()
    }

    #[test]
    fn finds_the_process_id_wherever_the_reads_are_cut() {
        for cut in 0..=LOGIN.len() {
            let (first, second) = LOGIN.split_at(cut);
            assert_eq!(pid_of(&[first, second]), Some(123_456), "cut at {cut}");
        }
        let single: Vec<_> = LOGIN.chunks(1).collect();
        assert_eq!(pid_of(&single), Some(123_456));
    }

    #[test]
    fn nonsense_gives_nothing() {
        assert_eq!(pid_of(&[b"K\0\0\0\x04Z\0\0\0\x05I"]), None);
        assert_eq!(pid_of(&[b"E\0\0\0\x08abcd", LOGIN]), None);
    }

    #[test]
    fn what_cannot_be_a_login_is_an_error_at_once() {
        for bytes in [
            &b"HTTP/1.1 400"[..],
            b"K\xff\xff\xff\xff",
            b"R\0\0\0\x03",
            b"R\x7f\0\0\0",
            b"\xff",
        ] {
            let error = StartupTap::default().watch(bytes).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
    }
}
