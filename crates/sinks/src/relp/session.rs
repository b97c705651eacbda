//! A RELP session: `open`, then `syslog` frames, each with a `rsp`.
//!
//! ```text
//! TXNR SP COMMAND SP DATALEN [SP DATA] LF
//! ```

use crate::record::Batch;
use crate::sink::{Answer, Refusal};
use crate::syslog::connection::{Connection, Stream, Target};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

/// Frames that wait for their answer at the same time.
const WINDOW: usize = 128;
/// The highest transaction number; the next one is 1.
const LAST: u32 = 999_999_999;
/// How long an answer may take.
const ANSWER: Duration = Duration::from_mins(1);
/// The longest answer that is read.
const LONGEST: usize = 128 * 1024;
const OFFER: &str = concat!(
    "relp_version=0\nrelp_software=pgattest,",
    env!("CARGO_PKG_VERSION"),
    "\ncommands=syslog"
);

pub(super) struct Session {
    read: ReadHalf<Box<dyn Stream>>,
    write: WriteHalf<Box<dyn Stream>>,
    buffer: Vec<u8>,
    number: u32,
    open: bool,
}

/// A frame from the receiver.
#[derive(Debug, Eq, PartialEq)]
struct Frame {
    number: u32,
    command: String,
    data: Vec<u8>,
}

impl Frame {
    /// The number that an answer begins with, and what it says.
    fn code(&self) -> (Option<u32>, String) {
        let text = String::from_utf8_lossy(&self.data);
        let line = text.lines().next().unwrap_or_default();
        let code = line
            .split_ascii_whitespace()
            .next()
            .and_then(|code| code.parse().ok());
        let said = line.chars().filter(|c| !c.is_control()).take(300).collect();
        (code, said)
    }
}

impl Session {
    pub(super) async fn open(target: &Target) -> Result<Self, Answer> {
        let Connection { stream, .. } = target.connect().await?;
        let (read, write) = tokio::io::split(stream);
        let mut session = Self {
            read,
            write,
            buffer: Vec::new(),
            number: 0,
            open: true,
        };
        let opened = async {
            let number = session.send("open", OFFER.as_bytes()).await?;
            session.write.flush().await?;
            loop {
                let frame = session.frame().await?;
                if frame.number == number && frame.command == "rsp" {
                    return Ok(frame);
                }
            }
        };
        let frame = tokio::time::timeout(ANSWER, opened)
            .await
            .unwrap_or_else(|_| {
                Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "no answer to `open`",
                ))
            })
            .map_err(|error: io::Error| target.lost(&error))?;
        let offers_syslog = String::from_utf8_lossy(&frame.data)
            .lines()
            .filter_map(|line| line.strip_prefix("commands="))
            .any(|commands| commands.split(',').any(|command| command == "syslog"));
        match frame.code() {
            (Some(200), _) if offers_syslog => Ok(session),
            (Some(200), _) => Err(Answer::misconfigured(format!(
                "{} speaks RELP, but takes no syslog messages",
                target.address
            ))),
            (_, said) => Err(Answer::misconfigured(format!(
                "{} refuses the session: {said}",
                target.address
            ))),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Sends the messages and waits for every answer. What was answered before the connection broke is durable.
    pub(super) async fn deliver(&mut self, target: &Target, batch: &Batch) -> Answer {
        let count = batch.items.len();
        let mut settled = vec![false; count];
        let mut refused = Vec::new();
        let ended = self.exchange(batch, &mut settled, &mut refused).await;
        if let Err(error) = ended {
            self.open = false;
            let durable = settled.iter().take_while(|settled| **settled).count();
            // What was answered behind the first message without an answer is sent again with it.
            refused.retain(|refusal: &Refusal| refusal.index < durable);
            return first(durable, refused, target.lost(&error));
        }
        if refused.is_empty() {
            Answer::Durable
        } else {
            Answer::DurableBut(refused)
        }
    }

    async fn exchange(
        &mut self,
        batch: &Batch,
        settled: &mut [bool],
        refused: &mut Vec<Refusal>,
    ) -> io::Result<()> {
        let mut waiting: BTreeMap<u32, usize> = BTreeMap::new();
        let mut items = batch.items.iter().enumerate();
        loop {
            while waiting.len() < WINDOW {
                let Some((index, item)) = items.next() else {
                    break;
                };
                let number = self.send("syslog", &item.encoded).await?;
                waiting.insert(number, index);
            }
            self.write.flush().await?;
            if waiting.is_empty() {
                return Ok(());
            }
            let frame = tokio::time::timeout(ANSWER, self.frame())
                .await
                .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no answer to a message"))??;
            if frame.command == "serverclose" {
                return Err(io::Error::new(
                    io::ErrorKind::ConnectionAborted,
                    "the receiver closes the session",
                ));
            }
            let Some(index) = waiting.remove(&frame.number) else {
                continue;
            };
            if let Some(settled) = settled.get_mut(index) {
                *settled = true;
            }
            let (code, said) = frame.code();
            if code != Some(200) {
                refused.push(Refusal {
                    index,
                    reason: said,
                });
            }
        }
    }

    async fn send(&mut self, command: &str, data: &[u8]) -> io::Result<u32> {
        self.number = if self.number >= LAST {
            1
        } else {
            self.number + 1
        };
        let mut frame = format!("{} {command} {} ", self.number, data.len()).into_bytes();
        frame.extend_from_slice(data);
        frame.push(b'\n');
        self.write.write_all(&frame).await?;
        Ok(self.number)
    }

    async fn frame(&mut self) -> io::Result<Frame> {
        loop {
            if let Some((frame, length)) = parse(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(frame);
            }
            if self.read.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the receiver has closed the connection",
                ));
            }
        }
    }
}

/// The answer for a batch of which the first items are settled.
fn first(durable: usize, refused: Vec<Refusal>, rest: Answer) -> Answer {
    let Some(worst) = refused.first() else {
        return Answer::First {
            durable,
            rest: Box::new(rest),
        };
    };
    // What comes before the refused item is durable; that item alone is refused; the others follow.
    let (index, reason) = (worst.index, worst.reason.clone());
    let later = refused
        .into_iter()
        .skip(1)
        .map(|refusal| Refusal {
            index: refusal.index - index - 1,
            ..refusal
        })
        .collect();
    let after = first(durable - index - 1, later, rest);
    Answer::First {
        durable: index,
        rest: Box::new(Answer::FirstRefused {
            reason,
            rest: Box::new(after),
        }),
    }
}

/// The frame that the bytes begin with, and its length.
fn parse(bytes: &[u8]) -> io::Result<Option<(Frame, usize)>> {
    let wrong = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "the receiver does not speak RELP",
        )
    };
    // Some receivers send a line end more.
    let skip = bytes.iter().take_while(|byte| **byte == b'\n').count();
    let body = bytes.get(skip..).unwrap_or_default();
    let mut at = 0;
    let mut words = [""; 3];
    for word in &mut words {
        let rest = body.get(at..).unwrap_or_default();
        let Some(length) = rest.iter().position(|byte| matches!(byte, b' ' | b'\n')) else {
            return if rest.len() > 32 {
                Err(wrong())
            } else {
                Ok(None)
            };
        };
        *word = rest
            .get(..length)
            .and_then(|word| std::str::from_utf8(word).ok())
            .ok_or_else(wrong)?;
        at += length + 1;
    }
    let [number, command, length] = words;
    let number = number.parse().map_err(|_| wrong())?;
    let length: usize = length.parse().map_err(|_| wrong())?;
    if length > LONGEST {
        return Err(wrong());
    }
    // Without data the line end may follow the length at once.
    if length == 0 {
        let frame = Frame {
            number,
            command: command.to_owned(),
            data: Vec::new(),
        };
        return Ok(Some((frame, skip + at)));
    }
    let Some(data) = body.get(at..at + length) else {
        return Ok(None);
    };
    match body.get(at + length) {
        None => Ok(None),
        Some(b'\n') => Ok(Some((
            Frame {
                number,
                command: command.to_owned(),
                data: data.to_vec(),
            },
            skip + at + length + 1,
        ))),
        Some(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_whole_or_not_yet() {
        let text = b"1 rsp 6 200 OK\n2 rsp 0\n3 rsp 11 500 no\nroom\n";
        for cut in 0..15 {
            assert_eq!(parse(&text[..cut]).unwrap(), None, "{cut} bytes");
        }
        let mut at = 0;
        let mut seen = Vec::new();
        while let Some((frame, length)) = parse(&text[at..]).unwrap() {
            seen.push((frame.number, frame.code().0));
            at += length;
        }
        assert_eq!(seen, [(1, Some(200)), (2, None), (3, Some(500))]);
        assert_eq!(at, text.len());
    }

    #[test]
    fn what_is_no_relp_is_an_error() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"x rsp 1 2\n",
            b"1 rsp 99999999 2\n",
            b"1 rsp 1 22\n",
            &[0xff; 40],
        ] {
            assert!(parse(bytes).is_err());
        }
    }
}
