//! The bytes between us and a server: over a unix socket, over TCP, over TLS.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream as PostgresTlsStream};
use tokio_rustls::client::TlsStream;

/// A connection whose transport is ready: TLS, if there is any, is done.
pub(crate) struct Wire {
    /// Gone only once the wire itself is.
    transport: Option<Transport>,
    binding: Option<Vec<u8>>,
    tap: StartupTap,
    added: Option<AddedParameter>,
    left: Left,
}

/// Where the transport is left when the protocol library lets go of the connection.
pub(crate) type Left = Arc<Mutex<Option<Transport>>>;

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
            transport: Some(transport),
            binding,
            tap: StartupTap::default(),
            added: None,
            left: Left::default(),
        }
    }

    /// Where the process id that the server announces at login will be found.
    pub(crate) fn announced_pid(&self) -> Arc<OnceLock<i32>> {
        Arc::clone(&self.tap.pid)
    }

    /// Where the transport will be once the protocol library has dropped the connection.
    pub(crate) fn left(&self) -> Left {
        Arc::clone(&self.left)
    }

    /// Adds a parameter to the login's first message: the protocol library knows a few only.
    pub(crate) fn add_startup_parameter(&mut self, name: &str, value: &str) {
        self.added = Some(AddedParameter::Waiting(
            format!("{name}\0{value}\0").into_bytes(),
        ));
    }

    fn transport(&mut self) -> io::Result<Pin<&mut Transport>> {
        let transport = self.transport.as_mut();
        transport
            .map(Pin::new)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = self.transport.take();
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = self.transport()?.poll_read(cx, buf);
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
        let Some(added) = self.added.take() else {
            return self.transport()?.poll_write(cx, buf);
        };
        let mut rest = added.message(buf)?;
        while !rest.is_empty() {
            match self.transport()?.poll_write(cx, &rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    rest.drain(..written.min(rest.len()));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    // The same message is offered again.
                    self.added = Some(AddedParameter::Begun(rest));
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport()?.poll_shutdown(cx)
    }
}

/// A parameter for the login's first message.
enum AddedParameter {
    /// Name and value, each with its NUL.
    Waiting(Vec<u8>),
    /// What is still to be written of the message that has it.
    Begun(Vec<u8>),
}

impl AddedParameter {
    /// What is to be written in place of the first message.
    fn message(self, first: &[u8]) -> io::Result<Vec<u8>> {
        let parameter = match self {
            Self::Begun(rest) => return Ok(rest),
            Self::Waiting(parameter) => parameter,
        };
        // Length, version 3, pairs of name and value, a NUL.
        let body = first.split_first_chunk::<4>().and_then(|(length, body)| {
            let whole = usize::try_from(u32::from_be_bytes(*length)) == Ok(first.len());
            body.strip_suffix(&[0])
                .filter(|body| whole && body.starts_with(&[0, 3]))
        });
        let not_a_login = || io::Error::other("the login did not begin with its first message");
        let body = body.ok_or_else(not_a_login)?;
        let length = first.len().saturating_add(parameter.len());
        let length = u32::try_from(length).map_err(|_| not_a_login())?;
        Ok([&length.to_be_bytes()[..], body, &parameter, &[0]].concat())
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
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
    fn a_parameter_is_added_to_a_whole_first_message_only() {
        let first = b"\0\0\0\x11\0\x03\0\0user\0ann\0\0";
        let mut first = first.to_vec();
        first[3] = u8::try_from(first.len()).unwrap();
        let add = |first: &[u8]| {
            AddedParameter::Waiting(b"replication\0database\0".to_vec()).message(first)
        };
        let changed = add(&first).unwrap();
        assert_eq!(usize::from(changed[3]), changed.len());
        assert_eq!(
            &changed[4..],
            b"\0\x03\0\0user\0ann\0replication\0database\0\0"
        );
        for bad in [
            &first[..first.len() - 1],
            LOGIN,
            b"",
            b"\0\0\0\x08\x04\xd2\x16\x2f",
        ] {
            assert!(add(bad).is_err());
        }
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
