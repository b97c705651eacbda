//! Lines as the server reads them, before they are split into words.

use pgattest_model::ServerVersion;
use std::ops::Range;

/// The first major in which a backslash at the end continues the line.
const CONTINUED_SINCE: u32 = 14;
/// Bytes of a line with its end that 13 reads at once: more is an error and the rest a line of its own.
const LONGEST_LINE_OF_13: usize = 20_479;

/// One line with what continues it.
#[derive(Debug)]
pub(super) struct Logical {
    /// The line where it begins, from 1.
    pub(super) number: u32,
    pub(super) text: String,
    /// It is longer than the server can read.
    pub(super) too_long: bool,
    /// Everything of the source that it was made of.
    pub(super) span: Range<usize>,
    /// Where in `text` a piece begins, and where that stands in the source.
    pieces: Vec<(usize, usize)>,
}

impl Logical {
    /// Bytes of the source that made these bytes of the text.
    pub(super) fn source_span(&self, range: &Range<usize>) -> Range<usize> {
        let start = self.source_offset(range.start);
        let end = match range.end.checked_sub(1) {
            Some(last) if range.end > range.start => self.source_offset(last) + 1,
            _ => start,
        };
        start..end
    }

    fn source_offset(&self, at: usize) -> usize {
        let after = self.pieces.partition_point(|&(begins, _)| begins <= at);
        after
            .checked_sub(1)
            .and_then(|piece| self.pieces.get(piece))
            .map_or(self.span.start, |&(begins, stands)| stands + (at - begins))
    }
}

/// The lines of a text.
pub(super) fn lines(text: &str, version: ServerVersion) -> Vec<Logical> {
    if version.major() >= CONTINUED_SINCE {
        continued(text)
    } else {
        limited(text)
    }
}

fn continued(text: &str) -> Vec<Logical> {
    let mut lines = Vec::new();
    let (mut number, mut at) = (1_u32, 0);
    let mut physical = text.split_inclusive('\n');
    while let Some(first) = physical.next() {
        let mut line = Logical {
            number,
            text: String::new(),
            too_long: false,
            span: at..at,
            pieces: Vec::new(),
        };
        let (mut next, mut last_backslash) = (Some(first), 0);
        while let Some(raw) = next.take() {
            line.pieces.push((line.text.len(), at));
            line.text.push_str(visible_to_c(raw));
            at += raw.len();
            // The server does not see the end of a line after a NUL, and reads on.
            if raw.contains('\0') {
                next = physical.next();
                continue;
            }
            number = number.saturating_add(1);
            let kept = line.text.trim_end_matches(['\r', '\n']).len();
            line.text.truncate(kept);
            // A backslash that a continuation has left behind continues nothing more.
            if kept > last_backslash && line.text.ends_with('\\') {
                line.text.pop();
                last_backslash = line.text.len();
                next = physical.next();
            }
        }
        line.span.end = at;
        lines.push(line);
    }
    lines
}

fn limited(text: &str) -> Vec<Logical> {
    let (mut lines, mut at) = (Vec::new(), 0);
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find('\n').map_or(rest.len(), |newline| newline + 1);
        let end = (0..=end.min(LONGEST_LINE_OF_13))
            .rev()
            .find(|&end| rest.is_char_boundary(end))
            .unwrap_or(rest.len());
        let (raw, after) = rest.split_at(end);
        let seen = visible_to_c(raw);
        lines.push(Logical {
            number: u32::try_from(lines.len() + 1).unwrap_or(u32::MAX),
            text: seen.trim_end_matches(['\r', '\n']).to_owned(),
            // Cut before a character that does not fit, it is shorter and no less too long.
            too_long: seen.len() == raw.len()
                && (raw.len() == LONGEST_LINE_OF_13 || !after.is_empty() && !raw.ends_with('\n')),
            span: at..at + raw.len(),
            pieces: vec![(0, at)],
        });
        at += raw.len();
        rest = after;
    }
    lines
}

/// C text ends at the first NUL.
fn visible_to_c(line: &str) -> &str {
    line.split('\0').next().unwrap_or(line)
}
