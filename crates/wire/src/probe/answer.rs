//! Reading what answers a `ClientHello`, no further than needed.

use super::exchange::{NoAnswer, Talk};

/// The first thing that a server says to a `ClientHello`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// It goes on, with this version and suite.
    Hello {
        /// As numbered in the protocol: 0x0303 is TLS 1.2.
        version: u16,
        suite: u16,
    },
    /// It refuses.
    Alert { description: u8 },
}

/// The longest record that the protocol allows (RFC 5246, 6.2.3).
const LONGEST_RECORD: usize = 16 * 1024 + 2048;

/// The longest `ServerHello` that is read; an honest one has about a hundred bytes.
const LONGEST_HELLO: usize = 16 * 1024;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const SUPPORTED_VERSIONS: u16 = 43;

/// Reads the answer.
pub(super) async fn read(talk: &mut Talk) -> Result<Answer, NoAnswer> {
    let mut records = Records { talk, left: 0 };
    let head = match records.take(4).await? {
        Taken::Bytes(head) => head,
        Taken::Alert(description) => return Ok(Answer::Alert { description }),
    };
    let (kind, length) = match head.as_slice() {
        [kind, a, b, c] => (*kind, u32::from_be_bytes([0, *a, *b, *c])),
        _ => return Err(not_understood("a message without a head")),
    };
    if kind != SERVER_HELLO {
        return Err(not_understood(&format!(
            "a handshake message of kind {kind} where ServerHello belongs"
        )));
    }
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= LONGEST_HELLO)
        .ok_or_else(|| not_understood(&format!("a ServerHello of {length} bytes")))?;
    match records.take(length).await? {
        Taken::Bytes(hello) => {
            parse(&hello).ok_or_else(|| not_understood("its ServerHello ends too early"))
        }
        Taken::Alert(description) => Ok(Answer::Alert { description }),
    }
}

enum Taken {
    Bytes(Vec<u8>),
    Alert(u8),
}

/// The handshake's bytes, without the records that they travel in.
struct Records<'a> {
    talk: &'a mut Talk,
    /// Bytes of the present record that are not read.
    left: usize,
}

impl Records<'_> {
    async fn take(&mut self, count: usize) -> Result<Taken, NoAnswer> {
        let mut bytes = Vec::with_capacity(count);
        while bytes.len() < count {
            if self.left == 0
                && let Some(alert) = self.next().await?
            {
                return Ok(Taken::Alert(alert));
            }
            let part = self.left.min(count - bytes.len());
            bytes.extend(self.talk.exactly(part).await?);
            self.left -= part;
        }
        Ok(Taken::Bytes(bytes))
    }

    /// Begins the next record; gives the alert if that is what it is.
    async fn next(&mut self) -> Result<Option<u8>, NoAnswer> {
        let head = self.talk.exactly(5).await?;
        let [kind, major, _, high, low] = head.as_slice() else {
            return Err(not_understood("a record without a head"));
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if *major != 3 || !matches!(*kind, ALERT | HANDSHAKE) {
            return Err(not_understood(&format!(
                "it begins with {}, which is no TLS",
                hex(&head)
            )));
        }
        if length == 0 || length > LONGEST_RECORD {
            return Err(not_understood(&format!("a TLS record of {length} bytes")));
        }
        if *kind == HANDSHAKE {
            self.left = length;
            return Ok(None);
        }
        if length != 2 {
            return Err(not_understood(&format!("an alert of {length} bytes")));
        }
        let alert = self.talk.exactly(2).await?;
        Ok(Some(alert.get(1).copied().unwrap_or_default()))
    }
}

fn parse(hello: &[u8]) -> Option<Answer> {
    let mut rest = hello;
    let legacy = u16::from_be_bytes(take(&mut rest)?);
    let _random: [u8; 32] = take(&mut rest)?;
    let [session] = take(&mut rest)?;
    rest = rest.get(usize::from(session)..)?;
    let suite = u16::from_be_bytes(take(&mut rest)?);
    let [_compression] = take(&mut rest)?;
    let mut version = legacy;
    if !rest.is_empty() {
        let length = u16::from_be_bytes(take(&mut rest)?);
        let mut extensions = rest.get(..usize::from(length))?;
        while !extensions.is_empty() {
            let number = u16::from_be_bytes(take(&mut extensions)?);
            let length = usize::from(u16::from_be_bytes(take(&mut extensions)?));
            let (mut content, more) = extensions.split_at_checked(length)?;
            extensions = more;
            if number == SUPPORTED_VERSIONS {
                version = u16::from_be_bytes(take(&mut content)?);
            }
        }
    }
    Some(Answer::Hello { version, suite })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, more) = rest.split_first_chunk::<N>()?;
    *rest = more;
    Some(*taken)
}

fn not_understood(what: &str) -> NoAnswer {
    NoAnswer::NotUnderstood(what.to_owned())
}

fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Answer, parse};
    use proptest::prelude::*;

    fn hello(version: [u8; 2], suite: [u8; 2], extensions: &[u8]) -> Vec<u8> {
        let mut hello = version.to_vec();
        hello.extend([0; 32]);
        hello.push(2);
        hello.extend([9, 9]);
        hello.extend(suite);
        hello.push(0);
        if !extensions.is_empty() {
            hello.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
            hello.extend(extensions);
        }
        hello
    }

    #[test]
    fn the_version_is_in_the_extension_from_tls_1_3_on() {
        let parsed = |version, suite, extensions: &[u8]| parse(&hello(version, suite, extensions));
        assert_eq!(
            parsed([3, 1], [0, 0x2f], &[]),
            Some(Answer::Hello {
                version: 0x0301,
                suite: 0x2f
            })
        );
        assert_eq!(
            parsed([3, 3], [0x13, 2], &[0, 43, 0, 2, 3, 4]),
            Some(Answer::Hello {
                version: 0x0304,
                suite: 0x1302
            })
        );
        assert_eq!(parsed([3, 3], [0x13, 2], &[0, 43, 0, 9, 3, 4]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn every_beginning_of_a_hello_is_read_without_panic(end in 0_usize..46) {
            let whole = hello([3, 3], [0x13, 1], &[0, 43, 0, 2, 3, 4]);
            prop_assert!(parse(&whole[..end]).is_none() || end == 40);
        }
    }
}
