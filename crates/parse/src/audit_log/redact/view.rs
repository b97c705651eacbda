//! A text with its quoting undone, and where each byte came from.

use std::ops::Range;

/// A text of a piece. However many layers of quoting were undone, each byte knows the place in the piece that it came from.
#[derive(Clone, Debug)]
pub(super) struct View {
    text: Vec<u8>,
    /// For each byte of `text`, where what stands for it begins in the piece.
    from: Vec<u32>,
    /// Where the text ends in the piece.
    end: u32,
}

/// A layer of quoting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Quoting {
    /// None: the text is as it is.
    Plain,
    /// This byte twice stands for itself.
    Doubled(u8),
    /// A doubled quote, and a backslash before what it says: `E'..'`, and all strings without `standard_conforming_strings`.
    Backslash,
    /// A doubled quote, and a backslash before a code point or itself: `U&'..'` without a UESCAPE.
    Unicode,
    /// The string of a JSON document.
    Json,
}

impl View {
    /// A part of a piece, with one layer undone.
    pub(super) fn of(piece: &[u8], range: Range<usize>, quoting: Quoting) -> Self {
        let bytes = piece.get(range.clone()).unwrap_or_default();
        let place = |at: usize| u32::try_from(range.start + at).unwrap_or(u32::MAX);
        unquote(bytes, quoting, place)
    }

    /// A part of this text, with one more layer undone.
    pub(super) fn within(&self, range: Range<usize>, quoting: Quoting) -> Self {
        let bytes = self.text.get(range.clone()).unwrap_or_default();
        let place = |at: usize| self.place(range.start + at);
        unquote(bytes, quoting, place)
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The bytes of the piece that stand for these bytes of the text.
    pub(super) fn source(&self, range: Range<usize>) -> Range<usize> {
        self.place(range.start) as usize..self.place(range.end) as usize
    }

    fn place(&self, at: usize) -> u32 {
        self.from.get(at).copied().unwrap_or(self.end)
    }
}

fn unquote(bytes: &[u8], quoting: Quoting, place: impl Fn(usize) -> u32) -> View {
    let mut view = View {
        text: Vec::with_capacity(bytes.len()),
        from: Vec::with_capacity(bytes.len()),
        end: place(bytes.len()),
    };
    let mut at = 0;
    let mut utf8 = [0; 4];
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        let one = [byte];
        let (means, length): (&[u8], usize) = match (quoting, byte, next) {
            (Quoting::Doubled(quote), _, Some(follower)) if byte == quote && follower == quote => {
                (&one, 2)
            }
            (Quoting::Backslash | Quoting::Unicode, b'\'', Some(b'\''))
            | (Quoting::Unicode, b'\\', Some(b'\\')) => (&one, 2),
            (Quoting::Backslash, b'\\', Some(_)) => escape(bytes, at, true, &mut utf8),
            (Quoting::Json, b'\\', Some(_)) => escape(bytes, at, false, &mut utf8),
            (Quoting::Unicode, b'\\', Some(b'+')) => point(bytes, at + 2, 6, 2, &mut utf8),
            (Quoting::Unicode, b'\\', Some(_)) => point(bytes, at + 1, 4, 1, &mut utf8),
            _ => (&one, 1),
        };
        for &meant in means {
            view.text.push(meant);
            view.from.push(place(at));
        }
        at += length;
    }
    view
}

/// What an escape at `at` stands for, and how many bytes it has. `utf8` is where it is put together.
fn escape<'a>(bytes: &[u8], at: usize, sql: bool, utf8: &'a mut [u8; 4]) -> (&'a [u8], usize) {
    let letter = bytes.get(at + 1).copied().unwrap_or_default();
    let (value, length) = match letter {
        b'n' => (10, 2),
        b't' => (9, 2),
        b'r' => (13, 2),
        b'b' => (8, 2),
        b'f' => (12, 2),
        b'u' | b'U' => {
            let (value, count) = digits(bytes, at + 2, if letter == b'u' { 4 } else { 8 }, 16);
            if (0xd800..0xdc00).contains(&value) && bytes.get(at + 6..at + 8) == Some(b"\\u") {
                let (low, more) = digits(bytes, at + 8, 4, 16);
                let pair = 0x1_0000 + ((value - 0xd800) << 10) + (low & 0x3ff);
                (pair, 8 + more)
            } else {
                (value, 2 + count)
            }
        }
        b'x' if sql => {
            let (value, count) = digits(bytes, at + 2, 2, 16);
            return single(u8::try_from(value).unwrap_or(b'?'), 2 + count, utf8);
        }
        b'0'..=b'7' if sql => {
            let (value, count) = digits(bytes, at + 1, 3, 8);
            return single(u8::try_from(value & 0xff).unwrap_or(b'?'), 1 + count, utf8);
        }
        other => return single(other, 2, utf8),
    };
    let meant = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
    let count = meant.encode_utf8(utf8).len();
    (utf8.get(..count).unwrap_or_default(), length)
}

/// A code point of at most `most` hexadecimal digits at `from`, with what stands before them. No digits: the bytes as they are.
fn point<'a>(
    bytes: &[u8],
    from: usize,
    most: usize,
    before: usize,
    utf8: &'a mut [u8; 4],
) -> (&'a [u8], usize) {
    let (value, count) = digits(bytes, from, most, 16);
    if count == 0 {
        return single(b'\\', 1, utf8);
    }
    let meant = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
    let length = meant.encode_utf8(utf8).len();
    (utf8.get(..length).unwrap_or_default(), before + count)
}

/// A number of at most `most` digits at `from`, and how many there are.
fn digits(bytes: &[u8], from: usize, most: usize, radix: u32) -> (u32, usize) {
    let mut value = 0;
    let mut count = 0;
    while count < most {
        let digit = bytes
            .get(from + count)
            .and_then(|&byte| char::from(byte).to_digit(radix));
        let Some(digit) = digit else { break };
        value = value * radix + digit;
        count += 1;
    }
    (value, count)
}

fn single(byte: u8, length: usize, utf8: &mut [u8; 4]) -> (&[u8], usize) {
    let [first, ..] = utf8;
    *first = byte;
    (std::slice::from_ref(first), length)
}
