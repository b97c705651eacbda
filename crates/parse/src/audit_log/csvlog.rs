//! Records of `log_destination = csvlog`, column by column.
//!
//! A record is what has every column, each of its kind, and a line end after the last. One pass both finds the end and checks the
//! kinds, so nothing waits for a quote that never closes: where a record was torn, the columns stop fitting within the next few
//! quoted texts, because a text that ends must be followed by a comma.

use super::clock;
use super::record::{Client, Record, Text};
use super::scan::{Stop, digits, hexadecimal, number, pair, run, signed, signed_number};
use memchr::memchr;
use std::borrow::Cow;

/// What a column holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// `log_time`.
    Time,
    /// Quoted, or NULL.
    Text,
    /// A number, or NULL.
    Maybe,
    /// The session: two hexadecimal numbers with a point between them.
    Session,
    /// A number.
    Number,
    /// `session_start_time`.
    Start,
    /// A virtual transaction, or NULL.
    Virtual,
    /// The severity, in the server's language.
    Severity,
    /// Five characters.
    Sqlstate,
    /// The kind of process: quoted, never NULL, never empty. The server or an extension names it, so it holds no comma, no quote
    /// and no line end. Text of clients cannot imitate that; see [`super::split`].
    Process,
    /// A number that may be below zero.
    Signed,
}

/// The columns of 14 to 18; 13 has the first 24, 12 and older the first 23.
const COLUMNS: [Kind; 26] = [
    Kind::Time,
    Kind::Text,
    Kind::Text,
    Kind::Maybe,
    Kind::Text,
    Kind::Session,
    Kind::Number,
    Kind::Text,
    Kind::Start,
    Kind::Virtual,
    Kind::Number,
    Kind::Severity,
    Kind::Sqlstate,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Maybe,
    Kind::Text,
    Kind::Text,
    Kind::Maybe,
    Kind::Text,
    Kind::Text,
    Kind::Process,
    Kind::Maybe,
    Kind::Signed,
];

/// Columns before the message.
const HEAD: usize = 13;

/// The longest name of a kind of process that is believed.
const PROCESS_MOST: usize = 128;

/// The kinds of a record of so many columns.
pub(super) fn kinds(columns: u8) -> &'static [Kind] {
    let columns = if matches!(columns, 23 | 24) {
        usize::from(columns)
    } else {
        COLUMNS.len()
    };
    COLUMNS.get(..columns).unwrap_or(&COLUMNS)
}

/// Where a field stands, its quotes included, and whether a quote within it is doubled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Field {
    start: usize,
    end: usize,
    doubled: bool,
}

/// How far a record has been read: enough to go on when more bytes are there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// Columns before this one are whole.
    pub(super) column: usize,
    /// Where the column begins.
    pub(super) start: usize,
    /// Bytes of the column's text that have been searched.
    searched: usize,
}

impl Progress {
    /// At the beginning.
    pub(super) const START: Self = Self {
        column: 0,
        start: 0,
        searched: 0,
    };
}

/// What bytes begin with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scan {
    /// A record of so many bytes.
    Whole(usize),
    /// Perhaps the beginning of one.
    More,
    /// Something else; a column did not fit here.
    Bad(usize),
}

/// Reads a record from the beginning of `bytes`, from where `progress` says.
pub(super) fn scan(
    bytes: &[u8],
    kinds: &[Kind],
    progress: &mut Progress,
    field: impl FnMut(usize, Field),
) -> Scan {
    columns(bytes, kinds, kinds.len(), progress, field)
}

/// Whether `bytes` begin with everything of a record that stands before the text of its message, and that text's quote.
pub(super) fn is_head(bytes: &[u8]) -> Result<(), Stop> {
    match columns(bytes, &COLUMNS, HEAD, &mut Progress::default(), |_, _| ()) {
        Scan::Whole(end) => match bytes.get(end) {
            Some(b'"') => Ok(()),
            Some(_) => Err(Stop::Bad),
            None => Err(Stop::More),
        },
        Scan::More => Err(Stop::More),
        Scan::Bad(_) => Err(Stop::Bad),
    }
}

/// The first `stop` of the columns, with the comma or the line end after them.
#[inline]
fn columns(
    bytes: &[u8],
    kinds: &[Kind],
    stop: usize,
    progress: &mut Progress,
    mut field: impl FnMut(usize, Field),
) -> Scan {
    let mut start = progress.start;
    let mut searched = progress.searched;
    let last = kinds.len().saturating_sub(1);
    for (column, kind) in kinds.iter().enumerate().take(stop).skip(progress.column) {
        let rest = bytes.get(start..).unwrap_or_default();
        let measured = match kind {
            Kind::Text => text(rest, &mut searched),
            kind => bare(*kind, rest).map(|length| (length, false)),
        };
        let (length, doubled) = match measured {
            Ok(measured) => measured,
            Err(Stop::Bad) => {
                *progress = Progress {
                    column,
                    start,
                    searched,
                };
                return Scan::Bad(start);
            }
            Err(Stop::More) => {
                *progress = Progress {
                    column,
                    start,
                    searched,
                };
                return Scan::More;
            }
        };
        let end = start + length;
        let after = match (bytes.get(end), column == last) {
            (Some(b','), false) | (Some(b'\n'), true) => end + 1,
            (Some(b'\r'), true) => match bytes.get(end + 1) {
                Some(b'\n') => end + 2,
                Some(_) => {
                    *progress = Progress {
                        column,
                        start,
                        searched,
                    };
                    return Scan::Bad(end);
                }
                None => {
                    *progress = Progress {
                        column,
                        start,
                        searched,
                    };
                    return Scan::More;
                }
            },
            (Some(_), _) => {
                *progress = Progress {
                    column,
                    start,
                    searched,
                };
                return Scan::Bad(end);
            }
            (None, _) => {
                *progress = Progress {
                    column,
                    start,
                    searched,
                };
                return Scan::More;
            }
        };
        field(
            column,
            Field {
                start,
                end,
                doubled,
            },
        );
        start = after;
        searched = 0;
    }
    Scan::Whole(start)
}

/// The length of a quoted text, or of nothing; `searched` of its bytes are known to hold no end.
#[inline]
fn text(bytes: &[u8], searched: &mut usize) -> Result<(usize, bool), Stop> {
    match bytes.first() {
        None => return Err(Stop::More),
        Some(b'"') => (),
        Some(_) => return Ok((0, false)),
    }
    let mut at = (*searched).max(1);
    let mut doubled = at > 1;
    loop {
        let Some(quote) = memchr(b'"', bytes.get(at..).unwrap_or_default()) else {
            *searched = bytes.len();
            return Err(Stop::More);
        };
        let quote = at + quote;
        match bytes.get(quote + 1) {
            Some(b'"') => at = quote + 2,
            Some(_) => return Ok((quote + 1, doubled)),
            None => {
                *searched = quote;
                return Err(Stop::More);
            }
        }
        doubled = true;
    }
}

#[inline]
fn bare(kind: Kind, bytes: &[u8]) -> Result<usize, Stop> {
    match kind {
        Kind::Time => clock::stamp(bytes),
        Kind::Start => clock::seconds(bytes),
        Kind::Number => digits(bytes, 20),
        Kind::Signed => signed(bytes, 20),
        Kind::Maybe | Kind::Virtual if bytes.first() == Some(&b',') => Ok(0),
        Kind::Maybe => digits(bytes, 10),
        Kind::Virtual => pair(
            bytes,
            b'/',
            |left| signed(left, 10),
            |right| digits(right, 10),
        ),
        Kind::Session => pair(
            bytes,
            b'.',
            |left| hexadecimal(left, 16),
            |right| hexadecimal(right, 8),
        ),
        Kind::Severity => match run(bytes, 64, |byte| {
            byte >= b' ' && !matches!(byte, b',' | b'"')
        })? {
            0 => Err(Stop::Bad),
            length => Ok(length),
        },
        Kind::Sqlstate => match run(bytes, 5, |byte| {
            byte.is_ascii_digit() || byte.is_ascii_uppercase()
        })? {
            5 => Ok(5),
            _ => Err(Stop::Bad),
        },
        Kind::Process => match bytes.split_first() {
            None => Err(Stop::More),
            Some((b'"', rest)) => {
                let length = run(rest, PROCESS_MOST, |byte| {
                    byte >= b' ' && !matches!(byte, b',' | b'"')
                })?;
                if length > 0 && rest.get(length) == Some(&b'"') {
                    Ok(length + 2)
                } else {
                    Err(Stop::Bad)
                }
            }
            Some(_) => Err(Stop::Bad),
        },
        Kind::Text => Err(Stop::Bad),
    }
}

/// Decodes a record.
pub(super) fn decode(columns: u8, bytes: &[u8]) -> Option<Record<'_>> {
    let mut fields = [Field::default(); COLUMNS.len()];
    let scan = scan(
        bytes,
        kinds(columns),
        &mut Progress::default(),
        |column, field| {
            if let Some(place) = fields.get_mut(column) {
                *place = field;
            }
        },
    );
    if scan != Scan::Whole(bytes.len()) {
        return None;
    }
    let bare = |field: Field| bytes.get(field.start..field.end).unwrap_or_default();
    let text = |field: Field| unquoted(bytes, field);
    let [
        time,
        user,
        database,
        pid,
        connection,
        session,
        line,
        command_tag,
        session_start,
        virtual_transaction,
        transaction,
        severity,
        sqlstate,
        message,
        detail,
        hint,
        internal_query,
        _internal_position,
        context,
        statement,
        _position,
        location,
        application_name,
        backend_type,
        leader_pid,
        query_id,
    ] = fields;
    let some = |field: Field| Some(Cow::Borrowed(bare(field)));
    let client = text(connection).map(Client::read).unwrap_or_default();
    Some(Record {
        time: Cow::Borrowed(bare(time)),
        time_ms: clock::milliseconds(bare(time)),
        user: text(user),
        database: text(database),
        pid: small(bare(pid)),
        host: client.host,
        port: client.port,
        session: some(session),
        line: number(bare(line)),
        command_tag: text(command_tag),
        session_start: some(session_start),
        virtual_transaction: some(virtual_transaction).filter(|text| !text.is_empty()),
        transaction: number(bare(transaction)),
        severity: some(severity),
        sqlstate: some(sqlstate),
        message: text(message).unwrap_or_default(),
        detail: text(detail),
        hint: text(hint),
        internal_query: text(internal_query),
        context: text(context),
        statement: text(statement),
        location: text(location),
        application_name: text(application_name),
        backend_type: text(backend_type),
        leader_pid: small(bare(leader_pid)),
        query_id: signed_number(bare(query_id)),
    })
}

fn small(digits: &[u8]) -> Option<u32> {
    number(digits).and_then(|number| u32::try_from(number).ok())
}

/// The text of a quoted field; `None` for NULL.
fn unquoted(bytes: &[u8], field: Field) -> Option<Text<'_>> {
    let inner = bytes.get(field.start + 1..field.end.checked_sub(1)?)?;
    if field.doubled {
        Some(Cow::Owned(single_quotes(inner)))
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// Doubled quotes made single.
pub(super) fn single_quotes(text: &[u8]) -> Vec<u8> {
    let mut single = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(quote) = memchr(b'"', rest) {
        let (head, tail) = rest.split_at(quote + 1);
        single.extend_from_slice(head);
        rest = tail.strip_prefix(b"\"").unwrap_or(tail);
    }
    single.extend_from_slice(rest);
    single
}
