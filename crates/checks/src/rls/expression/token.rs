//! From text to tokens.

/// One token of an expression.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Token {
    /// A bare word: name or keyword, as spelt.
    Word(String),
    /// A name in double quotes, unescaped.
    Name(String),
    /// A string literal, unescaped.
    Text(String),
    /// A number, as spelt.
    Number(String),
    /// An operator, or one of `( ) [ ] , . ::`.
    Sign(String),
}

impl Token {
    /// Whether it is this sign.
    pub(super) fn is(&self, sign: &str) -> bool {
        matches!(self, Self::Sign(text) if text == sign)
    }

    /// Whether it is this keyword, given in upper case.
    pub(super) fn is_word(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(text) if text.eq_ignore_ascii_case(keyword))
    }
}

/// The tokens of a text; `None` when it holds something that no expression of the server's does.
pub(super) fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '\'' => {
                let (text, after) = quoted(rest, '\'', false)?;
                (Token::Text(text), after)
            }
            '"' => {
                let (name, after) = quoted(rest, '"', false)?;
                (Token::Name(name), after)
            }
            'E' | 'e' if rest.get(1..).is_some_and(|rest| rest.starts_with('\'')) => {
                let (text, after) = quoted(rest.get(1..)?, '\'', true)?;
                (Token::Text(text), after)
            }
            // Bit strings: nothing that tenants are told apart by.
            'B' | 'b' | 'X' | 'x' if rest.get(1..).is_some_and(|rest| rest.starts_with('\'')) => {
                return None;
            }
            digit if digit.is_ascii_digit() => {
                let (number, after) = while_of(rest, |c| c.is_ascii_alphanumeric() || c == '.');
                (Token::Number(number.to_owned()), after)
            }
            letter if letter.is_alphabetic() || letter == '_' => {
                let (word, after) =
                    while_of(rest, |c| c.is_alphanumeric() || matches!(c, '_' | '$'));
                (Token::Word(word.to_owned()), after)
            }
            '(' | ')' | '[' | ']' | ',' | '.' => (Token::Sign(first.to_string()), rest.get(1..)?),
            ':' => (Token::Sign("::".to_owned()), rest.strip_prefix("::")?),
            sign if is_operator(sign) => {
                let (operator, after) = while_of(rest, is_operator);
                (Token::Sign(operator.to_owned()), after)
            }
            _ => return None,
        };
        found.push(token);
        rest = after.trim_start();
    }
    Some(found)
}

const fn is_operator(c: char) -> bool {
    matches!(
        c,
        '+' | '-'
            | '*'
            | '/'
            | '<'
            | '>'
            | '='
            | '~'
            | '!'
            | '@'
            | '#'
            | '%'
            | '^'
            | '&'
            | '|'
            | '`'
            | '?'
    )
}

fn while_of(text: &str, is_part: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c: char| !is_part(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// The inside of the quotes that a text starts with, unescaped, and what follows them.
fn quoted(text: &str, quote: char, backslashes: bool) -> Option<(String, &str)> {
    let mut inside = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if backslashes && c == '\\' {
            // The server writes E'' only to double its backslashes.
            let (_, escaped) = characters
                .next()
                .filter(|(_, c)| matches!(c, '\\' | '\''))?;
            inside.push(escaped);
        } else if c != quote {
            inside.push(c);
        } else if characters.peek().is_some_and(|(_, next)| *next == quote) {
            characters.next();
            inside.push(quote);
        } else {
            return Some((inside, text.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Token, tokens};

    #[test]
    fn quotes_operators_and_casts_come_apart() {
        let word = |text: &str| Token::Word(text.to_owned());
        let sign = |text: &str| Token::Sign(text.to_owned());
        assert_eq!(
            tokens("(\"a\"\"b\" <> E'x\\\\''y'::text[])").unwrap(),
            [
                sign("("),
                Token::Name("a\"b".to_owned()),
                sign("<>"),
                Token::Text("x\\'y".to_owned()),
                sign("::"),
                word("text"),
                sign("["),
                sign("]"),
                sign(")"),
            ]
        );
        assert_eq!(tokens("a~~'%'").unwrap().len(), 3);
    }

    #[test]
    fn what_does_not_end_is_no_expression() {
        for text in [
            "'", "\"a", "'a''", "E'\\", "E'\\n'", "a : b", "B'101'", "a;b", "\u{0}",
        ] {
            assert_eq!(tokens(text), None, "{text}");
        }
    }
}
