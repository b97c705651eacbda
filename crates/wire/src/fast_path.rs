//! Calls of functions by the protocol's fast path: a message of its own, with no statement around it.
//!
//! libpq's large objects use it, and so may any client. The protocol library has no words for it, so that it logs in and lets go of
//! the stream ([`crate::Connection::into_fast_path`]).

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::probe::ServerError;
use crate::stream::Transport;

/// The longest message that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// A session that calls functions by the fast path. Dropping it ends the session, and what it had begun.
pub struct FastPath(Transport);

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FastPathError {
    /// The server refused it.
    #[error("{0}")]
    Refused(ServerError),
    /// There was no answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Silent(Duration),
    /// What is to be sent is too long.
    #[error("the arguments are too long for a call by the fast path")]
    TooLong,
    /// The answer is not of the protocol.
    #[error("the answer to a call by the fast path is not understood")]
    NotUnderstood,
    /// The connection broke.
    #[error("the connection broke during a call by the fast path")]
    Broken(#[from] io::Error),
}

impl FastPath {
    pub(crate) fn new(transport: Transport) -> Self {
        Self(transport)
    }

    /// Calls the function with this object identifier, arguments and result in text form. `None`: the result is NULL.
    ///
    /// # Errors
    ///
    /// The server refused it, did not answer within `patience`, or is none. After all but a refusal the session is of no more use.
    pub async fn call(
        &mut self,
        function: u32,
        arguments: &[&str],
        patience: Duration,
    ) -> Result<Option<Vec<u8>>, FastPathError> {
        let message = call(function, arguments).ok_or(FastPathError::TooLong)?;
        let answered = async {
            self.0.write_all(&message).await?;
            self.0.flush().await?;
            self.answer().await
        };
        timeout(patience, answered)
            .await
            .map_err(|_| FastPathError::Silent(patience))?
    }

    /// Ends the session as sessions end.
    ///
    /// # Errors
    ///
    /// The connection had broken before, or broke now.
    pub async fn close(mut self) -> io::Result<()> {
        self.0.write_all(b"X\0\0\0\x04").await?;
        self.0.shutdown().await
    }

    async fn answer(&mut self) -> Result<Option<Vec<u8>>, FastPathError> {
        let (mut value, mut refused) = (None, None);
        loop {
            let kind = self.0.read_u8().await?;
            let body = usize::try_from(self.0.read_u32().await?)
                .ok()
                .and_then(|length| length.checked_sub(4))
                .filter(|body| *body <= LONGEST)
                .ok_or(FastPathError::NotUnderstood)?;
            let mut bytes = vec![0; body];
            self.0.read_exact(&mut bytes).await?;
            match kind {
                b'V' => value = Some(returned(&bytes)?),
                b'E' => refused = Some(ServerError::parse(&bytes)),
                // What a server may say at any time: notices, parameters, notifications.
                b'N' | b'S' | b'A' => {}
                b'Z' => break,
                _ => return Err(FastPathError::NotUnderstood),
            }
        }
        match (refused, value) {
            (Some(error), _) => Err(FastPathError::Refused(error)),
            (None, Some(value)) => Ok(value),
            (None, None) => Err(FastPathError::NotUnderstood),
        }
    }
}

/// The message of a call: no format codes, so that everything is text; the arguments, each with its length; the result as text.
fn call(function: u32, arguments: &[&str]) -> Option<Vec<u8>> {
    let mut body = function.to_be_bytes().to_vec();
    body.extend([0, 0]);
    body.extend(u16::try_from(arguments.len()).ok()?.to_be_bytes());
    for argument in arguments {
        body.extend(i32::try_from(argument.len()).ok()?.to_be_bytes());
        body.extend(argument.as_bytes());
    }
    body.extend([0, 0]);
    let length = i32::try_from(body.len().checked_add(4)?).ok()?;
    Some([&b"F"[..], &length.to_be_bytes(), &body].concat())
}

/// The value in an answer: its length and its bytes, or -1 for NULL.
fn returned(body: &[u8]) -> Result<Option<Vec<u8>>, FastPathError> {
    let (length, bytes) = body
        .split_first_chunk::<4>()
        .ok_or(FastPathError::NotUnderstood)?;
    let length = i32::from_be_bytes(*length);
    if length == -1 && bytes.is_empty() {
        return Ok(None);
    }
    if usize::try_from(length) == Ok(bytes.len()) {
        return Ok(Some(bytes.to_vec()));
    }
    Err(FastPathError::NotUnderstood)
}

#[cfg(test)]
mod tests {
    use super::{call, returned};

    #[test]
    fn a_call_and_its_answer_are_as_the_protocol_says() {
        assert_eq!(
            call(258, &["ab"]).unwrap(),
            b"F\0\0\0\x14\0\0\x01\x02\0\0\0\x01\0\0\0\x02ab\0\0"
        );
        assert_eq!(returned(b"\0\0\0\x01x").unwrap(), Some(b"x".to_vec()));
        assert_eq!(returned(b"\xff\xff\xff\xff").unwrap(), None);
        for bad in [
            &b""[..],
            b"\0\0\0\x02x",
            b"\xff\xff\xff\xffx",
            b"\xff\xff\xff\xfe",
        ] {
            assert!(returned(bad).is_err(), "{bad:?}");
        }
    }
}
