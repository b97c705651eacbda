//! Text to tokens.

use std::borrow::Cow;

/// A token. Comments and white space are none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Token<'a> {
    /// A keyword or an unquoted name, in lower case.
    Word(Cow<'a, str>),
    /// A quoted name, without its quotes and escapes.
    Name(Cow<'a, str>),
    /// A string, without its quotes and escapes. Lossy where it is no UTF-8.
    Text(Cow<'a, str>),
    /// A number or a parameter (`$1`), as written.
    Number(Cow<'a, str>),
    /// One character of punctuation or of an operator.
    Symbol(u8),
    /// pgaudit's `<REDACTED>`: it has cut the statement here, and whatever followed is not known.
    Cut,
}

impl Token<'_> {
    /// The name that this token may stand for: an unquoted word or a quoted name.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Word(name) | Self::Name(name) => Some(name),
            _ => None,
        }
    }

    /// Whether it is this keyword, given in lower case. A quoted name never is one.
    pub fn is_word(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word == keyword)
    }
}

/// The statements of a text, each as its tokens, in every reading that the server may have had.
///
/// With `standard_conforming_strings = off` a backslash escapes a quote within `'..'`; the log does not tell the setting. A text in
/// which that makes a difference has two readings, every other text one.
pub fn readings(sql: &[u8]) -> Vec<Vec<Vec<Token<'_>>>> {
    let standard = statements(tokens(sql, true));
    // Only a backslash before a quote can end a string elsewhere.
    if !sql.windows(2).any(|pair| pair == b"\\'") {
        return vec![standard];
    }
    let escaped = statements(tokens(sql, false));
    if escaped == standard {
        vec![standard]
    } else {
        vec![standard, escaped]
    }
}

fn statements(tokens: Vec<Token<'_>>) -> Vec<Vec<Token<'_>>> {
    let mut statements = vec![Vec::new()];
    for token in tokens {
        if token == Token::Symbol(b';') {
            statements.push(Vec::new());
        } else if let Some(last) = statements.last_mut() {
            last.push(token);
        }
    }
    statements.retain(|statement| !statement.is_empty());
    statements
}

/// The tokens of a text. `standard`: whether `standard_conforming_strings` is on.
pub fn tokens(sql: &[u8], standard: bool) -> Vec<Token<'_>> {
    let mut reader = Reader { sql, at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = reader.next(standard) {
        tokens.push(token);
        apply_uescape(&mut tokens);
    }
    tokens
        .into_iter()
        .map(|raw| match raw {
            Raw::Done(token) => token,
            Raw::Unicode { name, body } => unicode(name, &body, b'\\'),
        })
        .collect()
}

/// A token that may still wait for its `UESCAPE`.
enum Raw<'a> {
    Done(Token<'a>),
    Unicode { name: bool, body: Vec<u8> },
}

/// `U&"d!0061t" UESCAPE '!'`: the escape character follows what it is for.
fn apply_uescape(tokens: &mut Vec<Raw<'_>>) {
    let [
        ..,
        Raw::Unicode { .. },
        Raw::Done(Token::Word(word)),
        Raw::Done(Token::Text(escape)),
    ] = tokens.as_slice()
    else {
        return;
    };
    if word != "uescape" {
        return;
    }
    let escape = escape.bytes().next().unwrap_or(b'\\');
    tokens.truncate(tokens.len() - 2);
    if let Some(Raw::Unicode { name, body }) = tokens.pop() {
        tokens.push(Raw::Done(unicode(name, &body, escape)));
    }
}

fn unicode<'a>(name: bool, body: &[u8], escape: u8) -> Token<'a> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != escape {
            out.push(byte);
            continue;
        }
        if rest.first() == Some(&escape) {
            out.push(escape);
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let (digits, skip) = if rest.first() == Some(&b'+') {
            (rest.get(1..7), 7)
        } else {
            (rest.get(..4), 4)
        };
        let value = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32);
        if let Some(character) = value {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            rest = rest.get(skip..).unwrap_or_default();
        } else {
            out.push(byte);
        }
    }
    let text = Cow::Owned(String::from_utf8_lossy(&out).into_owned());
    if name {
        Token::Name(text)
    } else {
        Token::Text(text)
    }
}

struct Reader<'a> {
    sql: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self, standard: bool) -> Option<Raw<'a>> {
        self.skip_blank();
        let rest = self.rest();
        let first = *rest.first()?;
        let second = rest.get(1).copied().unwrap_or(0);
        let third = rest.get(2).copied().unwrap_or(0);
        let token = match (first, second) {
            (b'\'', _) => self.string(1, !standard),
            (b'e' | b'E', b'\'') => self.string(2, true),
            (b'b' | b'B' | b'x' | b'X' | b'n' | b'N', b'\'') => self.string(2, false),
            (b'u' | b'U', b'&') if third == b'\'' || third == b'"' => {
                self.at += 3;
                let body = self.quoted(third, false);
                return Some(Raw::Unicode {
                    name: third == b'"',
                    body,
                });
            }
            (b'"', _) => {
                self.at += 1;
                let body = self.quoted(b'"', false);
                Token::Name(Cow::Owned(String::from_utf8_lossy(&body).into_owned()))
            }
            (b'$', _) => self.dollar(),
            (b'0'..=b'9', _) => self.run(Token::Number, |byte| is_name(byte) || byte == b'.'),
            _ if is_name_start(first) => self.word(),
            _ if rest.starts_with(b"<REDACTED>") => {
                self.at += b"<REDACTED>".len();
                Token::Cut
            }
            _ if rest.starts_with(b"<redacted>") => {
                self.at += b"<redacted>".len();
                Token::Text(Cow::Borrowed("<redacted>"))
            }
            _ => {
                self.at += 1;
                Token::Symbol(first)
            }
        };
        Some(Raw::Done(token))
    }

    fn rest(&self) -> &'a [u8] {
        self.sql.get(self.at..).unwrap_or_default()
    }

    /// White space, `-- ..` and `/* .. */`, which nests.
    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            match rest {
                [b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, ..] => self.at += 1,
                [b'-', b'-', ..] => {
                    self.at += rest
                        .iter()
                        .position(|&byte| byte == b'\n' || byte == b'\r')
                        .unwrap_or(rest.len());
                }
                [b'/', b'*', ..] => self.skip_comment(),
                _ => return,
            }
        }
    }

    fn skip_comment(&mut self) {
        let mut depth = 0_u32;
        loop {
            match self.rest() {
                [b'/', b'*', ..] => {
                    depth = depth.saturating_add(1);
                    self.at += 2;
                }
                [b'*', b'/', ..] => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                [] => return,
                _ => self.at += 1,
            }
        }
    }

    fn string(&mut self, skip: usize, backslash: bool) -> Token<'a> {
        self.at += skip;
        let mut body = self.quoted(b'\'', backslash);
        // Strings with only white space and a line end between them are one.
        loop {
            let before = self.at;
            let gap = self.rest();
            let blank = gap
                .iter()
                .take_while(|byte| byte.is_ascii_whitespace())
                .count();
            let has_line_end = gap
                .iter()
                .take(blank)
                .any(|&byte| byte == b'\n' || byte == b'\r');
            if !has_line_end || gap.get(blank) != Some(&b'\'') {
                self.at = before;
                break;
            }
            self.at += blank + 1;
            body.extend(self.quoted(b'\'', backslash));
        }
        Token::Text(Cow::Owned(String::from_utf8_lossy(&body).into_owned()))
    }

    /// Up to and over the closing quote; to the end when there is none.
    fn quoted(&mut self, quote: u8, backslash: bool) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            match self.rest() {
                [] => return body,
                [first, second, ..] if *first == quote && *second == quote => {
                    body.push(quote);
                    self.at += 2;
                }
                [first, ..] if *first == quote => {
                    self.at += 1;
                    return body;
                }
                [b'\\', ..] if backslash => self.escape(&mut body),
                [first, ..] => {
                    body.push(*first);
                    self.at += 1;
                }
            }
        }
    }

    /// `\n`, `\x41`, `\101`, `\u0041`, `\U00000041`, and any other character for itself.
    fn escape(&mut self, body: &mut Vec<u8>) {
        self.at += 1;
        let rest = self.rest();
        let Some(&first) = rest.first() else {
            return;
        };
        self.at += 1;
        match first {
            b'n' => body.push(b'\n'),
            b't' => body.push(b'\t'),
            b'r' => body.push(b'\r'),
            b'b' => body.push(8),
            b'f' => body.push(12),
            b'x' => self.digits(body, 16, 2, false),
            b'u' => self.digits(body, 16, 4, true),
            b'U' => self.digits(body, 16, 8, true),
            b'0'..=b'7' => {
                self.at -= 1;
                self.digits(body, 8, 3, false);
            }
            other => body.push(other),
        }
    }

    fn digits(&mut self, body: &mut Vec<u8>, radix: u32, most: usize, is_character: bool) {
        let digits: Vec<u8> = self
            .rest()
            .iter()
            .copied()
            .take(most)
            .take_while(|&byte| char::from(byte).is_digit(radix))
            .collect();
        self.at += digits.len();
        let value = std::str::from_utf8(&digits)
            .ok()
            .and_then(|digits| u32::from_str_radix(digits, radix).ok())
            .unwrap_or(0);
        if is_character {
            let character = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
            body.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            // `\777` is one byte to the server, too.
            body.push(value.to_le_bytes()[0]);
        }
    }

    /// `$tag$ .. $tag$`, `$1`, or a lone dollar.
    fn dollar(&mut self) -> Token<'a> {
        let rest = self.rest();
        let tag_end = rest
            .iter()
            .skip(1)
            .position(|&byte| !is_name(byte) || byte == b'$')
            .map(|at| at + 1);
        let starts_with_digit = rest.get(1).is_some_and(u8::is_ascii_digit);
        if let Some(end) = tag_end
            && rest.get(end) == Some(&b'$')
            && !starts_with_digit
        {
            let tag = rest.get(..=end).unwrap_or_default();
            let body = rest.get(end + 1..).unwrap_or_default();
            let length = memchr::memmem::find(body, tag).unwrap_or(body.len());
            self.at += tag.len() + (length + tag.len()).min(body.len());
            let body = body.get(..length).unwrap_or_default();
            return Token::Text(String::from_utf8_lossy(body));
        }
        if starts_with_digit {
            self.at += 1;
            return self.run(Token::Number, |byte| byte.is_ascii_digit());
        }
        self.at += 1;
        Token::Symbol(b'$')
    }

    fn word(&mut self) -> Token<'a> {
        let rest = self.rest();
        let length = rest
            .iter()
            .position(|&byte| !is_name(byte))
            .unwrap_or(rest.len());
        self.at += length;
        let bytes = rest.get(..length).unwrap_or_default();
        if bytes.iter().any(u8::is_ascii_uppercase) {
            let lower = bytes.to_ascii_lowercase();
            Token::Word(Cow::Owned(String::from_utf8_lossy(&lower).into_owned()))
        } else {
            Token::Word(String::from_utf8_lossy(bytes))
        }
    }

    fn run(
        &mut self,
        make: impl Fn(Cow<'a, str>) -> Token<'a>,
        belongs: impl Fn(u8) -> bool,
    ) -> Token<'a> {
        let rest = self.rest();
        let length = rest
            .iter()
            .position(|&byte| !belongs(byte))
            .unwrap_or(rest.len());
        self.at += length;
        make(String::from_utf8_lossy(
            rest.get(..length).unwrap_or_default(),
        ))
    }
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_name(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'$'
}
