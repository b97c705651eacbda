//! Which texts a piece has, by its form.

use super::Format;
use super::view::{Quoting, View};
use memchr::memmem;
use std::ops::Range;

/// What a text is, as far as it matters for reading it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// A statement, as the server read it.
    Statement,
    /// A sentence, with a statement in it or not.
    Prose,
    /// A sentence that may quote a statement in double quotes: CONTEXT.
    Quoting,
    /// pgaudit's PARAMETER.
    Parameters,
}

/// A text of a record.
pub(super) struct Text {
    pub(super) part: Part,
    pub(super) view: View,
}

/// What pgaudit begins its records with.
const AUDIT: &[u8] = b"AUDIT: ";

/// The texts of a record in which a secret may stand. `None`: this is no record of the form.
pub(super) fn texts(format: &Format, piece: &[u8]) -> Option<Vec<Text>> {
    let mut texts = Vec::new();
    match format {
        Format::Csvlog { columns } => csvlog(piece, *columns, &mut texts)?,
        Format::PgauditlogtofileCsv => pgauditlogtofile(piece, &mut texts)?,
        Format::Jsonlog | Format::PgauditlogtofileJson | Format::CloudSql => {
            json(piece, &mut texts)?;
        }
        Format::Stderr { .. } | Format::RdsStderr => lines(piece, &mut texts),
    }
    Some(texts)
}

fn csvlog(piece: &[u8], columns: u8, texts: &mut Vec<Text>) -> Option<()> {
    let fields = csv(piece, true)?;
    if fields.len() != usize::from(columns) {
        return None;
    }
    for (column, field) in fields.into_iter().enumerate() {
        let part = match column {
            // Message, DETAIL, HINT, `application_name`.
            13..=15 | 22 => Part::Prose,
            // The internal query, and the query.
            16 | 19 => Part::Statement,
            18 => Part::Quoting,
            _ => continue,
        };
        let view = View::of(piece, field.content.clone(), field.quoting());
        push(part, view, texts);
    }
    Some(())
}

/// One record of pgauditlogtofile: pgaudit's fields stand in the record's own.
fn pgauditlogtofile(piece: &[u8], texts: &mut Vec<Text>) -> Option<()> {
    let fields = csv(piece, false)?;
    let is_audit = fields.get(12).is_some_and(|field| {
        matches!(
            piece.get(field.content.clone()),
            Some(b"SESSION" | b"OBJECT")
        )
    });
    for (column, field) in fields.into_iter().enumerate().skip(12) {
        let part = match (is_audit, column) {
            (true, 12..=18) => continue,
            (true, 19) => Part::Statement,
            (true, 20) => Part::Parameters,
            _ => Part::Quoting,
        };
        let view = View::of(piece, field.content.clone(), field.quoting());
        push(part, view, texts);
    }
    Some(())
}

/// One object a line. Whatever its keys are: a string of which nothing is known is read as a sentence.
fn json(piece: &[u8], texts: &mut Vec<Text>) -> Option<()> {
    let body = piece.trim_ascii();
    if !body.starts_with(b"{") || !body.ends_with(b"}") {
        return None;
    }
    let mut key: Range<usize> = 0..0;
    let mut at = 0;
    while let Some(length) = piece.get(at..).and_then(|rest| memchr::memchr(b'"', rest)) {
        let start = at + length + 1;
        let end = json_string_end(piece, start)?;
        at = end + 1;
        let colon = piece
            .get(at..)
            .unwrap_or_default()
            .iter()
            .find(|byte| !byte.is_ascii_whitespace());
        if colon == Some(&b':') {
            key = start..end;
            continue;
        }
        let part = match piece.get(key.clone()).unwrap_or_default() {
            b"timestamp" | b"session_start" | b"session_id" | b"ps" | b"error_severity"
            | b"state_code" | b"backend_type" | b"vxid" | b"user" | b"dbname" | b"remote_host"
            | b"insertId" | b"logName" | b"receiveTimestamp" | b"@type" => continue,
            b"statement" | b"internal_query" | b"query" | b"debug_query" => Part::Statement,
            b"context" => Part::Quoting,
            b"parameter" | b"parameters" => Part::Parameters,
            _ => Part::Prose,
        };
        push(part, View::of(piece, start..end, Quoting::Json), texts);
    }
    Some(())
}

/// A log in lines: a section begins where a line does not begin with the tab that continues one.
fn lines(piece: &[u8], texts: &mut Vec<Text>) {
    let mut start = 0;
    for newline in memchr::memchr_iter(b'\n', piece).chain([piece.len()]) {
        let goes_on = piece.get(newline + 1) == Some(&b'\t');
        if goes_on || start >= newline {
            continue;
        }
        section(piece, start..newline, texts);
        start = newline + 1;
    }
}

fn section(piece: &[u8], range: Range<usize>, texts: &mut Vec<Text>) {
    let bytes = piece.get(range.clone()).unwrap_or_default();
    // What stands before the label is the prefix: names, which are nobody's secret and may hold any quotation mark.
    let (label, text) = match memmem::find(bytes, b":  ") {
        Some(at) => (bytes.get(..at).unwrap_or_default(), range.start + at + 3),
        None => (&[][..], range.start),
    };
    let part = if label.ends_with(b"STATEMENT") || label.ends_with(b"QUERY") {
        Part::Statement
    } else if label.ends_with(b"CONTEXT") {
        Part::Quoting
    } else {
        Part::Prose
    };
    push(
        part,
        View::of(piece, text..range.end, Quoting::Plain),
        texts,
    );
}

/// Adds a text, or, of an audit record, its statement and its parameters.
fn push(part: Part, view: View, texts: &mut Vec<Text>) {
    if part == Part::Prose
        && view.text().starts_with(AUDIT)
        && let Some(fields) = csv(view.text().get(AUDIT.len()..).unwrap_or_default(), false)
        && matches!(fields.len(), 9 | 10)
    {
        for (column, field) in fields.into_iter().enumerate() {
            let part = match column {
                7 => Part::Statement,
                8 => Part::Parameters,
                _ => continue,
            };
            let content = field.content.start + AUDIT.len()..field.content.end + AUDIT.len();
            let view = view.within(content, field.quoting());
            texts.push(Text { part, view });
        }
        return;
    }
    // An audit record that cannot be taken apart is read with and without its quotation marks.
    let part = if part == Part::Prose && view.text().starts_with(AUDIT) {
        Part::Quoting
    } else {
        part
    };
    texts.push(Text { part, view });
}

struct Field {
    content: Range<usize>,
    quoted: bool,
}

impl Field {
    fn quoting(&self) -> Quoting {
        if self.quoted {
            Quoting::Doubled(b'"')
        } else {
            Quoting::Plain
        }
    }
}

/// The fields of one CSV record. `strict`: a bare field has neither a quote nor a newline in it.
fn csv(record: &[u8], strict: bool) -> Option<Vec<Field>> {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    let record = record.strip_suffix(b"\r").unwrap_or(record);
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let rest = record.get(at..)?;
        let (content, quoted) = if rest.first() == Some(&b'"') {
            (at + 1..quoted_end(record, at + 1)?, true)
        } else {
            let length = memchr::memchr(b',', rest).unwrap_or(rest.len());
            let bare = rest.get(..length)?;
            if strict && memchr::memchr2(b'"', b'\n', bare).is_some() {
                return None;
            }
            (at..at + length, false)
        };
        let end = content.end + usize::from(quoted);
        fields.push(Field { content, quoted });
        match record.get(end) {
            None => return Some(fields),
            Some(b',') => at = end + 1,
            Some(_) => return None,
        }
    }
}

/// Where the quote is that closes a field whose content begins at `at`.
fn quoted_end(record: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let quote = at + memchr::memchr(b'"', record.get(at..)?)?;
        if record.get(quote + 1) != Some(&b'"') {
            return Some(quote);
        }
        at = quote + 2;
    }
}

/// Where the quote is that closes a JSON string whose content begins at `at`.
pub(super) fn json_string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let found = at + memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(found) == Some(&b'"') {
            return Some(found);
        }
        at = found + 2;
    }
}
