//! Showing hostile text to people.

use std::borrow::Cow;
use std::fmt::Write as _;

use pgattest_model::ident::is_invisible;

/// The longest piece of foreign text that a message quotes, in characters.
const LONGEST: usize = 2_000;

/// Makes text from a server, a file or a user harmless on a terminal.
///
/// Control characters (which include every ANSI escape) and the characters that reorder or hide
/// text become `\n`, `\t` or `\u{1b}`; text beyond 2,000 characters is cut and marked. Everything
/// else stays as it is.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_invisible) && text.chars().nth(LONGEST).is_none() {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars().take(LONGEST) {
        if is_invisible(character) {
            // `escape_default` gives `\n`, `\r`, `\t` and `\u{..}`.
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    let rest = text.chars().skip(LONGEST).count();
    if rest > 0 {
        let _ = write!(shown, "... ({rest} more characters)");
    }
    Cow::Owned(shown)
}

/// Quotes a value for a keyword/value connection string, so that libpq reads it back unchanged.
pub(crate) fn quote_value(value: &str) -> Cow<'_, str> {
    let plain = !value.is_empty()
        && !value
            .chars()
            .any(|c| c.is_whitespace() || c == '\'' || c == '\\');
    if plain {
        return Cow::Borrowed(value);
    }
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('\'');
    for character in value.chars() {
        if matches!(character, '\'' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('\'');
    Cow::Owned(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_not_touched() {
        assert!(matches!(
            printable("naïve \\ 'text'"),
            Cow::Borrowed("naïve \\ 'text'")
        ));
    }

    #[test]
    fn escapes_what_acts_on_a_terminal_or_reorders_text() {
        assert_eq!(
            printable("a\x1b[31mred\nb\u{202e}c\u{9b}d"),
            "a\\u{1b}[31mred\\nb\\u{202e}c\\u{9b}d"
        );
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        let shown = printable(&"x".repeat(LONGEST + 7)).into_owned();
        assert!(shown.ends_with("x... (7 more characters)"), "{shown}");
    }

    #[test]
    fn quoting_follows_libpq() {
        assert_eq!(quote_value("plain"), "plain");
        assert_eq!(quote_value(""), "''");
        assert_eq!(quote_value("it's a \\"), r"'it\'s a \\'");
    }
}
