//! SQL into tokens, forgiving: whatever the text, there are tokens, and together they cover it but for white space.

use super::view::Quoting;
use std::ops::Range;

/// Of a string that has no escapes but the doubled quote.
const PLAIN: Quoting = Quoting::Doubled(b'\'');

/// What a token is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A key word or a bare name.
    Word,
    /// Digits, with what is stuck to them.
    Number,
    /// `$1`.
    Parameter,
    /// A string: plain, `E''`, `U&''`, `B''`, `X''`.
    Text(Quoting),
    /// `$tag$..$tag$`.
    Dollar,
    /// A name in double quotes.
    Name,
    /// Of either kind.
    Comment,
    /// Any other byte.
    Mark(u8),
}

/// A token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// All of it.
    pub(super) all: Range<usize>,
    /// What stands within its quotes; all of it when it has none.
    pub(super) content: Range<usize>,
    /// Whether its quotes are closed.
    pub(super) closed: bool,
}

/// The tokens of a text.
///
/// `backslash`: in plain strings a backslash escapes. `names`: a double quote begins a name; else it is a mark like any other.
pub(super) fn tokens(text: &[u8], backslash: bool, names: bool) -> Vec<Token> {
    let mut lexer = Lexer {
        text,
        backslash,
        names,
        at: 0,
    };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next() {
        tokens.push(token);
    }
    tokens
}

struct Lexer<'a> {
    text: &'a [u8],
    backslash: bool,
    names: bool,
    at: usize,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<Token> {
        while self.peek(0).is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
        let start = self.at;
        let byte = self.peek(0)?;
        match (byte, self.peek(1)) {
            (b'\'', _) => Some(self.quoted(
                start,
                1,
                b'\'',
                Kind::Text(if self.backslash {
                    Quoting::Backslash
                } else {
                    PLAIN
                }),
            )),
            (b'e' | b'E', Some(b'\'')) => {
                Some(self.quoted(start, 2, b'\'', Kind::Text(Quoting::Backslash)))
            }
            (b'b' | b'B' | b'x' | b'X' | b'n' | b'N', Some(b'\'')) => {
                Some(self.quoted(start, 2, b'\'', Kind::Text(PLAIN)))
            }
            (b'u' | b'U', Some(b'&')) if self.peek(2) == Some(b'\'') => {
                Some(self.quoted(start, 3, b'\'', Kind::Text(Quoting::Unicode)))
            }
            (b'u' | b'U', Some(b'&')) if self.names && self.peek(2) == Some(b'"') => {
                Some(self.quoted(start, 3, b'"', Kind::Name))
            }
            (b'"', _) if self.names => Some(self.quoted(start, 1, b'"', Kind::Name)),
            (b'-', Some(b'-')) => Some(self.line_comment(start)),
            (b'/', Some(b'*')) => Some(self.block_comment(start)),
            (b'$', Some(b'0'..=b'9')) => {
                self.at += 1;
                Some(self.run(start, Kind::Parameter, |byte| byte.is_ascii_digit()))
            }
            (b'$', _) => Some(self.dollar(start)),
            (b'0'..=b'9', _) => {
                Some(self.run(start, Kind::Number, |byte| is_word(byte) || byte == b'.'))
            }
            _ if is_word(byte) => {
                Some(self.run(start, Kind::Word, |byte| is_word(byte) || byte == b'$'))
            }
            _ => {
                self.at += 1;
                Some(token(Kind::Mark(byte), start..self.at))
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn run(&mut self, start: usize, kind: Kind, goes_on: impl Fn(u8) -> bool) -> Token {
        while self.peek(0).is_some_and(&goes_on) {
            self.at += 1;
        }
        token(kind, start..self.at)
    }

    fn quoted(&mut self, start: usize, opening: usize, quote: u8, kind: Kind) -> Token {
        let escapes = kind == Kind::Text(Quoting::Backslash);
        self.at = start + opening;
        let content = self.at;
        loop {
            match self.peek(0) {
                None => {
                    return Token {
                        kind,
                        all: start..self.at,
                        content: content..self.at,
                        closed: false,
                    };
                }
                Some(b'\\') if escapes && self.peek(1).is_some() => self.at += 2,
                Some(byte) if byte == quote && self.peek(1) == Some(quote) => self.at += 2,
                Some(byte) if byte == quote => {
                    let end = self.at;
                    self.at += 1;
                    return Token {
                        kind,
                        all: start..self.at,
                        content: content..end,
                        closed: true,
                    };
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn line_comment(&mut self, start: usize) -> Token {
        while self.peek(0).is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
        token(Kind::Comment, start..self.at)
    }

    fn block_comment(&mut self, start: usize) -> Token {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => break,
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        break;
                    }
                }
                _ => self.at += 1,
            }
        }
        token(Kind::Comment, start..self.at)
    }

    fn dollar(&mut self, start: usize) -> Token {
        let mut end = start + 1;
        while self.text.get(end).is_some_and(|&byte| is_word(byte)) {
            end += 1;
        }
        if self.text.get(end) != Some(&b'$') {
            self.at = start + 1;
            return token(Kind::Mark(b'$'), start..self.at);
        }
        let content = end + 1;
        let tag = self.text.get(start..content).unwrap_or_default();
        let rest = self.text.get(content..).unwrap_or_default();
        let length = memchr::memmem::find(rest, tag);
        let end = content + length.unwrap_or(rest.len());
        self.at = end + length.map_or(0, |_| tag.len());
        Token {
            kind: Kind::Dollar,
            all: start..self.at,
            content: content..end,
            closed: length.is_some(),
        }
    }
}

fn token(kind: Kind, all: Range<usize>) -> Token {
    Token {
        kind,
        content: all.clone(),
        all,
        closed: true,
    }
}

/// Within a bare name. Bytes beyond ASCII are letters to PostgreSQL.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
