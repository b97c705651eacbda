//! Words of one line.

use std::ops::Range;

/// One word as it stands in the line.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Word {
    pub(super) text: String,
    /// It began with a quote.
    pub(super) quoted: bool,
    /// A comma follows: the next word belongs to the same field.
    pub(super) goes_on: bool,
    /// Bytes of the line, with the quotes.
    pub(super) range: Range<usize>,
}

/// Reads words one after the other.
pub(super) struct Scanner<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(line: &'a str) -> Self {
        Self { line, at: 0 }
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.line.len()
    }

    /// The next word; `None` when nothing but blanks, commas or a comment is left, which is then skipped.
    pub(super) fn next(&mut self) -> Option<Word> {
        let rest = self.line.get(self.at..).unwrap_or_default();
        let skipped = rest.len() - rest.trim_start_matches(|c| is_blank(c) || c == ',').len();
        let start = self.at + skipped;
        let rest = self.line.get(start..).unwrap_or_default();

        let mut text = String::new();
        let (mut in_quotes, mut after_quote) = (false, false);
        let (mut quoted, mut saw_quote, mut goes_on) = (false, false, false);
        let (mut end, mut next) = (self.line.len(), self.line.len());
        for (offset, c) in rest.char_indices() {
            if !in_quotes && (is_blank(c) || c == '#' || c == ',') {
                goes_on = c == ',';
                end = start + offset;
                next = if c == '#' { self.line.len() } else { end };
                break;
            }
            if c != '"' || after_quote {
                text.push(c);
            }
            // Two quotes inside quotes are one.
            after_quote = in_quotes && c == '"' && !after_quote;
            if c == '"' {
                in_quotes = !in_quotes;
                saw_quote = true;
                quoted |= text.is_empty();
            }
        }
        self.at = next;
        (saw_quote || !text.is_empty()).then_some(Word {
            text,
            quoted,
            goes_on,
            range: start..end,
        })
    }
}

const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r')
}
