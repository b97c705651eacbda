//! `keyword = value` connection strings.

use super::{syntax, unknown_key};
use crate::error::{SettingsError, SyntaxProblem};
use crate::keyword;
use crate::secret::Secret;
use crate::values::{Origin, Values};

/// Reads `keyword = value` pairs with libpq's quoting: a backslash escapes the next character
/// anywhere in a value, single quotes hold spaces together.
pub(super) fn parse(text: &str) -> Result<Values, SettingsError> {
    let mut values = Values::default();
    let mut input = Input { text, offset: 0 };
    loop {
        input.skip_spaces();
        let start = input.offset;
        if input.peek().is_none() {
            return Ok(values);
        }
        let key = input.keyword();
        if input.peek() != Some('=') {
            return Err(syntax(text, start, SyntaxProblem::MissingEquals));
        }
        if key.is_empty() {
            return Err(syntax(text, start, SyntaxProblem::MissingKeyword));
        }
        input.next();
        input.skip_spaces();
        let value = if input.peek() == Some('\'') {
            input.quoted()?
        } else {
            input.unquoted()
        };
        let Some(known) = keyword::find(key) else {
            let after_password = values.get("password").is_some();
            return Err(unknown_key(text, start, key, after_password));
        };
        values.set(known, value, Origin::ConnectionString);
    }
}

struct Input<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Input<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.offset += character.len_utf8();
        Some(character)
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.next();
        }
    }

    /// The keyword, up to `=` or a space; then any spaces after it.
    fn keyword(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| c == '=' || is_space(c)).unwrap_or(rest.len());
        self.offset += end;
        self.skip_spaces();
        rest.get(..end).unwrap_or_default()
    }

    fn unquoted(&mut self) -> Secret {
        let mut value = String::new();
        while let Some(character) = self.next() {
            if is_space(character) {
                break;
            }
            if character == '\\' {
                value.extend(self.next());
            } else {
                value.push(character);
            }
        }
        Secret::new(value)
    }

    fn quoted(&mut self) -> Result<Secret, SettingsError> {
        let start = self.offset;
        self.next();
        let mut value = String::new();
        loop {
            match self.next() {
                None => {
                    return Err(syntax(self.text, start, SyntaxProblem::UnterminatedQuote));
                }
                Some('\'') => return Ok(Secret::new(value)),
                Some('\\') => value.extend(self.next()),
                Some(character) => value.push(character),
            }
        }
    }
}

/// What C's `isspace` takes for a space, as libpq does.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}
