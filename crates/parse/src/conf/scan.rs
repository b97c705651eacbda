//! Tokens of `postgresql.conf`.

use std::ops::Range;

/// What a token may be used as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Name,
    DottedName,
    /// A value that begins with a letter and needs no quotes: `en_US.UTF-8`.
    Word,
    /// A number, with or without a unit.
    Number,
    Quoted,
    Equals,
    /// A character that fits nowhere.
    Other,
}

#[derive(Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Range<usize>,
}

#[derive(Debug)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: u32,
    pub(super) tokens: Vec<Token>,
    /// Without its end.
    pub(super) span: Range<usize>,
}

pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    number: u32,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            number: 0,
        }
    }

    /// The next line; a line without anything on it has no tokens.
    pub(super) fn line(&mut self) -> Option<Line> {
        let start = self.at;
        let rest = self.text.get(start..).filter(|rest| !rest.is_empty())?;
        let written = rest.split('\n').next().unwrap_or(rest);
        self.at = (start + written.len() + 1).min(self.text.len());
        self.number = self.number.saturating_add(1);
        Some(Line {
            number: self.number,
            tokens: tokens(written, start),
            span: start..start + written.len(),
        })
    }
}

/// The text between the quotes, with its escapes undone.
pub(super) fn unquoted(written: &str) -> String {
    let inside = written
        .strip_prefix('\'')
        .and_then(|text| text.strip_suffix('\''))
        .unwrap_or(written);
    let mut bytes = Vec::with_capacity(inside.len());
    let mut rest = inside.bytes().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' => match rest.next() {
                Some(b'b') => bytes.push(8),
                Some(b'f') => bytes.push(12),
                Some(b'n') => bytes.push(b'\n'),
                Some(b'r') => bytes.push(b'\r'),
                Some(b't') => bytes.push(b'\t'),
                Some(digit @ b'0'..=b'7') => {
                    let mut octal = digit - b'0';
                    for _ in 0..2 {
                        let Some(digit) = rest.next_if(|b| matches!(b, b'0'..=b'7')) else {
                            break;
                        };
                        octal = octal.wrapping_mul(8).wrapping_add(digit - b'0');
                    }
                    bytes.push(octal);
                }
                Some(other) => bytes.push(other),
                None => {}
            },
            b'\'' if rest.next_if_eq(&b'\'').is_some() => bytes.push(b'\''),
            byte => bytes.push(byte),
        }
    }
    // C text ends at the first NUL.
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

fn tokens(line: &str, offset: usize) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = line.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = line.get(at..).unwrap_or_default();
        if matches!(c, ' ' | '\t' | '\r') {
            at += 1;
            continue;
        }
        if c == '#' {
            break;
        }
        let (kind, length) = token(rest, c);
        tokens.push(Token {
            kind,
            span: offset + at..offset + at + length,
        });
        at += length;
    }
    tokens
}

/// The longest token here; of two as long, the one that comes first.
fn token(rest: &str, first: char) -> (Kind, usize) {
    if first == '=' {
        return (Kind::Equals, 1);
    }
    let mut best = (Kind::Other, 0);
    let candidates = [
        (Kind::Name, name(rest)),
        (Kind::DottedName, dotted_name(rest)),
        (Kind::Quoted, quoted(rest)),
        (Kind::Word, word(rest)),
        (Kind::Number, number(rest)),
    ];
    for (kind, length) in candidates {
        if length > best.1 {
            best = (kind, length);
        }
    }
    if best.1 == 0 {
        (Kind::Other, first.len_utf8())
    } else {
        best
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn is_letter_or_digit(c: char) -> bool {
    is_letter(c) || c.is_ascii_digit()
}

fn run(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.find(|c| !fits(c)).unwrap_or(text.len())
}

fn name(text: &str) -> usize {
    if text.starts_with(is_letter) {
        run(text, is_letter_or_digit)
    } else {
        0
    }
}

fn dotted_name(text: &str) -> usize {
    let first = name(text);
    let Some(rest) = text
        .get(first..)
        .and_then(|rest| rest.strip_prefix('.'))
        .filter(|_| first > 0)
    else {
        return 0;
    };
    match name(rest) {
        0 => 0,
        second => first + 1 + second,
    }
}

fn word(text: &str) -> usize {
    if text.starts_with(is_letter) {
        run(text, |c| {
            is_letter_or_digit(c) || matches!(c, '-' | '.' | '_' | ':' | '/')
        })
    } else {
        0
    }
}

/// `'...'` on one line, with `''` and backslashes; the longest that ends in a quote.
fn quoted(text: &str) -> usize {
    let Some(inside) = text.strip_prefix('\'') else {
        return 0;
    };
    let mut chars = inside.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '\'' if chars.next_if(|(_, c)| *c == '\'').is_none() => return at + 2,
            _ => {}
        }
    }
    0
}

/// An integer with a unit, or a number with a point and an exponent.
fn number(text: &str) -> usize {
    let sign = usize::from(text.starts_with(['-', '+']));
    let unsigned = text.get(sign..).unwrap_or_default();
    let digits = |text: &str| run(text, |c| c.is_ascii_digit());
    let unit = |text: &str| run(text, |c| c.is_ascii_alphabetic());
    let at = |from: usize| unsigned.get(from..).unwrap_or_default();

    let whole = digits(unsigned);
    let mut longest = 0;
    if whole > 0 {
        longest = whole + unit(at(whole));
    }
    if let Some(hex) = unsigned.strip_prefix("0x") {
        let length = run(hex, |c| c.is_ascii_hexdigit());
        if length > 0 {
            longest = longest.max(2 + length + unit(at(2 + length)));
        }
    }
    if at(whole).starts_with('.') {
        let mut end = whole + 1;
        end += digits(at(end));
        if at(end).starts_with(['e', 'E']) {
            let sign = usize::from(at(end + 1).starts_with(['-', '+']));
            let exponent = digits(at(end + 1 + sign));
            if exponent > 0 {
                end += 1 + sign + exponent;
            }
        }
        longest = longest.max(end);
    }
    if longest == 0 { 0 } else { sign + longest }
}
