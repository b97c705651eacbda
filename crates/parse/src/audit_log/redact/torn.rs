//! What is no record. Where quoting begins and ends is not known there, nor which word stood before: what may be a literal goes.

use super::Format;
use super::words;
use memchr::memmem;
use std::ops::Range;

/// The ranges that `whole` finds in a record, or those of a piece that is none. `whole` gives `None` when it finds out that it is
/// none.
pub(super) fn unless_whole(
    format: &Format,
    piece: &[u8],
    whole: impl FnOnce() -> Option<Vec<Range<usize>>>,
) -> Vec<Range<usize>> {
    if is_chunk(format, piece) {
        return chunk(piece);
    }
    if seems_whole(format, piece)
        && let Some(ranges) = whole()
    {
        return ranges;
    }
    torn(format, piece)
}

/// Whether a piece begins and ends as a record does. Cheap: each piece of a log is asked.
fn seems_whole(format: &Format, piece: &[u8]) -> bool {
    if !begins(format, piece) {
        return false;
    }
    // The last record of a file may lack its line end and have all its fields.
    let in_lines = matches!(format, Format::Stderr { .. } | Format::RdsStderr);
    ends(format, piece) || (!in_lines && super::fields::texts(format, piece).is_some())
}

fn begins(format: &Format, piece: &[u8]) -> bool {
    match format {
        Format::Csvlog { .. } | Format::PgauditlogtofileCsv => is_time(piece),
        Format::Jsonlog | Format::PgauditlogtofileJson | Format::CloudSql => {
            // Within a string its quote would have a backslash before it.
            piece
                .trim_ascii_start()
                .strip_prefix(b"{")
                .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\""))
        }
        Format::Stderr { .. } | Format::RdsStderr => {
            let first = memchr::memchr(b'\n', piece).unwrap_or(piece.len());
            let line = piece.get(..first).unwrap_or_default();
            !line.starts_with(b"\t") && memmem::find(line, b":  ").is_some()
        }
    }
}

fn ends(format: &Format, piece: &[u8]) -> bool {
    match format {
        // A piece that ends within a quoted field has an odd number of quotes.
        Format::Csvlog { .. } => {
            piece.ends_with(b"\n") && memchr::memchr_iter(b'"', piece).count().is_multiple_of(2)
        }
        Format::Jsonlog | Format::PgauditlogtofileJson | Format::CloudSql => {
            piece.trim_ascii_end().ends_with(b"}")
        }
        Format::PgauditlogtofileCsv | Format::Stderr { .. } | Format::RdsStderr => {
            piece.ends_with(b"\n")
        }
    }
}

/// `2026-11-23 06:43:33`.
fn is_time(piece: &[u8]) -> bool {
    let shape = b"0000-00-00 00:00:00";
    piece.len() > shape.len()
        && piece.iter().zip(shape).all(|(&byte, &like)| match like {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        })
}

/// What has the beginning of a record keeps what stands before the first literal or the first word of a secret; what has not,
/// what stands after the last quotation mark.
fn torn(format: &Format, piece: &[u8]) -> Vec<Range<usize>> {
    let end = piece.len() - line_end(piece);
    let body = piece.get(..end).unwrap_or_default();
    let range = if begins(format, piece) {
        let literal = memchr::memchr2(b'\'', b'$', body);
        let start = match (literal, words::first(format, body)) {
            (Some(one), Some(other)) => one.min(other),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return Vec::new(),
        };
        // Without its beginning it would be another piece to the next look.
        if begins(format, body.get(..start).unwrap_or_default()) {
            start..end
        } else {
            0..end
        }
    } else {
        let last = memchr::memrchr3(b'\'', b'$', b'"', body);
        let rest = last.map_or(0, |at| at + 1);
        match words::first(format, body.get(rest..).unwrap_or_default()) {
            Some(_) => 0..end,
            None => 0..rest,
        }
    };
    if range.is_empty() || piece.get(range.clone()) == Some(super::MARK) {
        return Vec::new();
    }
    vec![range]
}

fn line_end(piece: &[u8]) -> usize {
    if piece.ends_with(b"\r\n") {
        2
    } else {
        usize::from(piece.ends_with(b"\n"))
    }
}

/// Google cuts long statements into entries: each is a statement without its beginning or its end.
fn is_chunk(format: &Format, piece: &[u8]) -> bool {
    *format == Format::CloudSql
        && memmem::find(piece, b"\"chunkCount\"").is_some_and(|at| {
            let count: Vec<u8> = piece
                .get(at + 12..)
                .unwrap_or_default()
                .iter()
                .copied()
                .skip_while(|byte| matches!(byte, b':' | b'"' | b' '))
                .take_while(u8::is_ascii_digit)
                .collect();
            count != b"1"
        })
}

/// The whole text of statement and parameters of such an entry, from quote to quote.
fn chunk(piece: &[u8]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for key in [&b"\"statement\""[..], b"\"parameter\""] {
        let mut at = 0;
        while let Some(found) = piece.get(at..).and_then(|rest| memmem::find(rest, key)) {
            at += found + key.len();
            let rest = piece.get(at..).unwrap_or_default();
            let gap = rest
                .iter()
                .take_while(|byte| matches!(byte, b':' | b' '))
                .count();
            if rest.get(gap) != Some(&b'"') || gap == 0 {
                continue;
            }
            let start = at + gap + 1;
            let end = super::fields::json_string_end(piece, start).unwrap_or(piece.len());
            at = end;
            if start < end && piece.get(start..end) != Some(super::MARK) {
                ranges.push(start..end);
            }
        }
    }
    ranges.sort_by_key(|range| range.start);
    ranges
}
