//! Secrets taken out of a record before anything is written.
//!
//! pgaudit itself redacts only a successful `PASSWORD` of a role or a user mapping; failing statements, `DO` blocks,
//! subscriptions and more reach the log in clear (`docs/trail/secrets-in-logs.md` has the measured table).
//!
//! ```text
//! piece ─words?─▶ fields ─undo quoting─▶ texts ─read as SQL, and as what stands in literals─▶ ranges ─▶ piece with marks
//!        (none: borrowed)                 (every byte knows where it came from)
//! ```
//!
//! | module | subject |
//! |---|---|
//! | [`words`] | whether a piece can hold a secret at all: one pass over its bytes |
//! | [`fields`] | which texts a piece has, by its form |
//! | [`view`] | a text with its quoting undone, and where each byte came from |
//! | [`lex`] | SQL into tokens, forgiving |
//! | [`names`] | which names mean a secret |
//! | [`sql`] | the rules over tokens |
//! | [`inside`] | the rules over characters: connection strings, URIs, keys, verifiers |
//! | [`torn`] | what is no record |
//!
//! A text that can be read in more than one way (a backslash before a quote, a quote within a quoted statement) is read in each,
//! and what any of them finds is cut. What the rules cannot see: a secret of which no word tells (`SELECT f('x')`), a word that is
//! put together (`'pass' || 'word'`) or written in escapes.

mod clause;
mod fields;
mod inside;
mod lex;
mod names;
mod sql;
mod torn;
mod view;
mod words;

use super::Format;
use fields::{Part, Text};
use sql::{Findings, Reading};
use std::borrow::Cow;
use std::ops::Range;

/// The version of the rules, as manifests name it. From the first release on it changes whenever a rule does.
pub const POLICY: &str = "pgattest-redact/1";

/// What stands where a secret was.
pub const MARK: &[u8] = b"<redacted>";

/// The bytes of a piece with its secrets replaced by [`MARK`], and which bytes of the input were replaced (none: borrowed).
///
/// Works on records and on torn pieces alike. What is left of a record is a record of the same form with the same fields. Of a
/// piece that is no record nothing is left between the first and the last quotation mark. Doing it again changes nothing.
pub fn redact<'a>(format: &Format, piece: &'a [u8]) -> (Cow<'a, [u8]>, Vec<Range<usize>>) {
    let ranges = torn::unless_whole(format, piece, || {
        if !words::any(format, piece) {
            return Some(Vec::new());
        }
        let texts = fields::texts(format, piece)?;
        Some(settled(format, piece, secrets(format, piece, &texts)))
    });
    if ranges.is_empty() {
        return (Cow::Borrowed(piece), ranges);
    }
    (Cow::Owned(replaced(piece, &ranges)), ranges)
}

/// Whether bytes of a log have a word that a rule begins with. Without one [`redact`] takes nothing out of a record that has them.
pub fn may_hold_secret(format: &Format, bytes: &[u8]) -> bool {
    /// So many bytes are looked at together, and a word may lie on the seam.
    const WINDOW: usize = 256 << 10;
    const SEAM: usize = 64;
    let mut from = 0;
    while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) {
        if words::any(format, rest.get(..WINDOW + SEAM).unwrap_or(rest)) {
            return true;
        }
        from += WINDOW;
    }
    false
}

/// The ranges of a record that hold secrets, in order, apart from each other.
fn secrets(format: &Format, piece: &[u8], texts: &[Text]) -> Vec<Range<usize>> {
    let mut found = Findings::default();
    for text in texts {
        match text.part {
            Part::Statement => {
                sql::read(&text.view, Reading::STATEMENT, &mut found);
            }
            Part::Prose => sql::read_prose(&text.view, Reading::STATEMENT, &mut found),
            Part::Quoting => sql::read_quoting(&text.view, &mut found),
            Part::Parameters => {}
        }
    }
    // A log in lines has the statement in another piece than its parameters and than what was wrong with it.
    let alone = matches!(format, Format::Stderr { .. } | Format::RdsStderr)
        && !texts.iter().any(|text| text.part == Part::Statement);
    found.parameters |= alone;
    let something = alone || !found.ranges.is_empty() || found.parameters;
    for text in texts {
        match text.part {
            Part::Parameters => sql::read_parameters(&text.view, &mut found),
            Part::Prose | Part::Quoting => {
                inside::errors(&text.view, something, &mut found.ranges);
                if found.parameters {
                    inside::parameters(&text.view, &mut found.ranges);
                }
            }
            Part::Statement => {}
        }
    }
    let repeated = sql::repeated(&found.values);
    for text in texts {
        if let Some(values) = &repeated {
            inside::repeated(&text.view, values, &mut found.ranges);
        }
    }
    tidy(piece, found.ranges)
}

/// Read once more after the cuts: where more is found than before, the whole text goes.
///
/// A cut of one reading may take away a quotation mark of another one, and then the next look would see other texts.
fn settled(format: &Format, piece: &[u8], ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    if ranges.is_empty() {
        return ranges;
    }
    let after = replaced(piece, &ranges);
    let stable = fields::texts(format, &after)
        .is_some_and(|texts| secrets(format, &after, &texts).is_empty());
    if stable {
        return ranges;
    }
    let Some(texts) = fields::texts(format, piece) else {
        return ranges;
    };
    let whole = texts
        .iter()
        .map(|text| text.view.source(0..text.view.text().len()))
        .filter(|field| {
            ranges
                .iter()
                .any(|cut| cut.start < field.end && field.start < cut.end)
        })
        .collect();
    tidy(piece, whole)
}

/// In order, joined where they touch, without what is empty or a mark already.
fn tidy(piece: &[u8], mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| range.start < range.end);
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined.retain(|range| piece.get(range.clone()) != Some(MARK));
    joined
}

fn replaced(piece: &[u8], ranges: &[Range<usize>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(piece.len());
    let mut at = 0;
    for range in ranges {
        out.extend_from_slice(piece.get(at..range.start).unwrap_or_default());
        out.extend_from_slice(MARK);
        at = range.end;
    }
    out.extend_from_slice(piece.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests;
