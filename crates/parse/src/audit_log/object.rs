//! Flat JSON objects as the server writes them: no white space, no nesting, strings in whatever encoding.

use super::record::Text;
use super::scan;
use memchr::memchr2;
use std::borrow::Cow;

/// A value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Value<'a> {
    /// What stands between the quotes, and whether there is a backslash in it.
    Text(&'a [u8], bool),
    /// A number as it is written.
    Number(&'a [u8]),
    /// `true`, `false`, `null`.
    Word,
}

impl<'a> Value<'a> {
    /// The text of a string.
    pub(super) fn text(self) -> Option<Text<'a>> {
        match self {
            Self::Text(raw, false) => Some(Cow::Borrowed(raw)),
            Self::Text(raw, true) => Some(Cow::Owned(unescape(raw))),
            _ => None,
        }
    }

    /// An unsigned number, in quotes or bare.
    pub(super) fn number(self) -> Option<u64> {
        match self {
            Self::Number(digits) | Self::Text(digits, false) => scan::number(digits),
            _ => None,
        }
    }

    /// A number, in quotes or bare.
    pub(super) fn signed(self) -> Option<i64> {
        match self {
            Self::Number(digits) | Self::Text(digits, false) => scan::signed_number(digits),
            _ => None,
        }
    }
}

/// The length of the object that `bytes` begin with. `member` gets each key as it is written with its value, and says whether the
/// object may go on.
pub(super) fn members<'a>(
    bytes: &'a [u8],
    mut member: impl FnMut(&'a [u8], Value<'a>) -> bool,
) -> Option<usize> {
    let mut at = 1;
    if bytes.first() != Some(&b'{') {
        return None;
    }
    if bytes.get(1) == Some(&b'}') {
        return Some(2);
    }
    loop {
        let (key, length) = string(bytes.get(at..)?)?;
        at += length;
        if bytes.get(at) != Some(&b':') {
            return None;
        }
        at += 1;
        let (value, length) = value(bytes.get(at..)?)?;
        at += length;
        if !member(key.0, value) {
            return None;
        }
        match bytes.get(at)? {
            b',' => at += 1,
            b'}' => return Some(at + 1),
            _ => return None,
        }
    }
}

fn value(bytes: &[u8]) -> Option<(Value<'_>, usize)> {
    match bytes.first()? {
        b'"' => {
            let ((raw, escaped), length) = string(bytes)?;
            Some((Value::Text(raw, escaped), length))
        }
        b'-' | b'0'..=b'9' => {
            let of = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
            let length = bytes.iter().take_while(|byte| of(byte)).count();
            Some((Value::Number(bytes.get(..length)?), length))
        }
        _ => {
            let word = [&b"null"[..], b"true", b"false"]
                .into_iter()
                .find(|word| bytes.starts_with(word))?;
            Some((Value::Word, word.len()))
        }
    }
}

/// What stands between the quotes, whether it has backslashes, and the length with the quotes.
#[inline]
pub(super) fn string(bytes: &[u8]) -> Option<((&[u8], bool), usize)> {
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    let mut escaped = false;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(((bytes.get(1..at)?, escaped), at + 1));
        }
        escaped = true;
        at += match bytes.get(at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' if bytes.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => 6,
            _ => return None,
        };
    }
}

/// Text with its escapes resolved. Half of a surrogate pair becomes U+FFFD.
pub(super) fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (head, tail) = rest.split_at(at);
        text.extend_from_slice(head);
        let (plain, length) = match tail.get(1) {
            Some(b'b') => (8, 2),
            Some(b'f') => (12, 2),
            Some(b'n') => (b'\n', 2),
            Some(b'r') => (b'\r', 2),
            Some(b't') => (b'\t', 2),
            Some(b'u') => {
                let (character, length) = code_point(tail);
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = tail.get(length..).unwrap_or_default();
                continue;
            }
            Some(other) => (*other, 2),
            None => (b'\\', 1),
        };
        text.push(plain);
        rest = tail.get(length..).unwrap_or_default();
    }
    text.extend_from_slice(rest);
    text
}

/// The character that `\uXXXX` or a pair of them is, and its length in the text.
fn code_point(text: &[u8]) -> (char, usize) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let (Some(first), second) = (unit(0), unit(6)) else {
        return (char::REPLACEMENT_CHARACTER, 2.min(text.len()));
    };
    let units = [first, second.unwrap_or(0)];
    match char::decode_utf16(units).next() {
        Some(Ok(character)) => (character, 6 * character.len_utf16()),
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}
