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
    // A record is shorter than 4 GiB.
    start: u32,
    end: u32,
    doubled: bool,
}

impl Field {
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "no record is longer than split::LONGEST"
    )]
    fn new(start: usize, end: usize, doubled: bool) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
            doubled,
        }
    }
}

/// Where the fields of a record stand.
pub(super) type Fields = [Field; COLUMNS.len()];

/// How far a record has been read: enough to go on when more bytes are there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
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
#[inline]
pub(super) fn scan(
    bytes: &[u8],
    kinds: &[Kind],
    progress: &mut Progress,
    mut field: impl FnMut(usize, Field),
) -> Scan {
    // Most records are whole: first without keeping account of how far it went.
    if progress.start == 0
        && progress.searched == 0
        && let Ok(length) = whole(bytes, kinds.len(), &mut field)
    {
        return Scan::Whole(length);
    }
    columns(bytes, kinds, kinds.len(), progress, field)
}

/// The length of the record that `bytes` begin with: what [`columns`] does, in a straight line. Columns that are nothing are not
/// reported.
#[inline]
fn whole(
    bytes: &[u8],
    columns: usize,
    field: &mut impl FnMut(usize, Field),
) -> Result<usize, Stop> {
    /// From DETAIL to the place in the source, all nothing: what follows the message of an audit record.
    const NOTHING: &[u8] = b",,,,,,,,";
    let mut line = Line { bytes, start: 0 };
    line.bare(0, clock::stamp, field)?;
    line.text(1, field)?;
    line.text(2, field)?;
    line.bare(3, maybe, field)?;
    line.text(4, field)?;
    line.bare(5, session, field)?;
    line.bare(6, plain, field)?;
    line.text(7, field)?;
    line.bare(8, clock::seconds, field)?;
    line.bare(9, virtual_transaction, field)?;
    line.bare(10, plain, field)?;
    line.bare(11, severity, field)?;
    line.bare(12, sqlstate, field)?;
    line.text(13, field)?;
    if line.rest().starts_with(NOTHING) {
        line.start += NOTHING.len();
    } else {
        line.text(14, field)?;
        line.text(15, field)?;
        line.text(16, field)?;
        line.bare(17, maybe, field)?;
        line.text(18, field)?;
        line.text(19, field)?;
        line.bare(20, maybe, field)?;
        line.text(21, field)?;
    }
    match columns {
        23 => {
            let (length, doubled) = near_text(line.rest())?;
            line.ended(22, length, doubled, b'\n', field)?;
        }
        24 => {
            line.text(22, field)?;
            let length = process(line.rest())?;
            line.ended(23, length, false, b'\n', field)?;
        }
        _ => {
            line.text(22, field)?;
            line.bare(23, process, field)?;
            line.bare(24, maybe, field)?;
            let length = signed(line.rest(), 20)?;
            line.ended(25, length, false, b'\n', field)?;
        }
    }
    Ok(line.start)
}

/// A record while it is read.
struct Line<'a> {
    bytes: &'a [u8],
    start: usize,
}

impl<'a> Line<'a> {
    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    fn bare(
        &mut self,
        column: usize,
        measure: impl FnOnce(&[u8]) -> Result<usize, Stop>,
        field: &mut impl FnMut(usize, Field),
    ) -> Result<(), Stop> {
        let length = measure(self.rest())?;
        self.ended(column, length, false, b',', field)
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    fn text(&mut self, column: usize, field: &mut impl FnMut(usize, Field)) -> Result<(), Stop> {
        let (length, doubled) = near_text(self.rest())?;
        self.ended(column, length, doubled, b',', field)
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    fn ended(
        &mut self,
        column: usize,
        length: usize,
        doubled: bool,
        by: u8,
        field: &mut impl FnMut(usize, Field),
    ) -> Result<(), Stop> {
        let (start, end) = (self.start, self.start + length);
        if self.bytes.get(end) != Some(&by) {
            return Err(Stop::Bad);
        }
        field(column, Field::new(start, end, doubled));
        self.start = end + 1;
        Ok(())
    }
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
        field(column, Field::new(start, end, doubled));
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

/// As [`text`], from the beginning, for texts that are mostly short.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a fifth of the time of the whole decoder, measured by `xtask bench trail-decode`"
)]
fn near_text(bytes: &[u8]) -> Result<(usize, bool), Stop> {
    let Some((b'"', inner)) = bytes.split_first() else {
        return Ok((0, false));
    };
    let quote = find_quote(inner).ok_or(Stop::More)? + 1;
    if bytes.get(quote + 1) == Some(&b'"') {
        return text(bytes, &mut 0);
    }
    Ok((quote + 1, false))
}

/// As `memchr`, faster where the quote is near, as it is behind most names.
#[inline]
fn find_quote(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
    let mut rest = bytes;
    for at in [0, 8] {
        let Some((chunk, after)) = rest.split_first_chunk::<8>() else {
            break;
        };
        // The lowest byte that is zero has its high bit set, and none below it.
        let zero = u64::from_le_bytes(*chunk) ^ QUOTES;
        let found = zero.wrapping_sub(ONES) & !zero & HIGH;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        rest = after;
    }
    memchr(b'"', rest).map(|at| bytes.len() - rest.len() + at)
}

/// The length of a field without quotes, or of the kind of process.
#[inline]
fn bare(kind: Kind, bytes: &[u8]) -> Result<usize, Stop> {
    match kind {
        Kind::Time => clock::stamp(bytes),
        Kind::Start => clock::seconds(bytes),
        Kind::Number => plain(bytes),
        Kind::Signed => signed(bytes, 20),
        Kind::Maybe => maybe(bytes),
        Kind::Virtual => virtual_transaction(bytes),
        Kind::Session => session(bytes),
        Kind::Severity => severity(bytes),
        Kind::Sqlstate => sqlstate(bytes),
        Kind::Process => process(bytes),
        Kind::Text => Err(Stop::Bad),
    }
}

#[inline]
fn plain(bytes: &[u8]) -> Result<usize, Stop> {
    digits(bytes, 20)
}

#[inline]
fn maybe(bytes: &[u8]) -> Result<usize, Stop> {
    if bytes.first() == Some(&b',') {
        Ok(0)
    } else {
        digits(bytes, 10)
    }
}

#[inline]
fn virtual_transaction(bytes: &[u8]) -> Result<usize, Stop> {
    if bytes.first() == Some(&b',') {
        return Ok(0);
    }
    pair(
        bytes,
        b'/',
        |left| signed(left, 10),
        |right| digits(right, 10),
    )
}

#[inline]
fn session(bytes: &[u8]) -> Result<usize, Stop> {
    pair(
        bytes,
        b'.',
        |left| hexadecimal(left, 16),
        |right| hexadecimal(right, 8),
    )
}

#[inline]
fn severity(bytes: &[u8]) -> Result<usize, Stop> {
    match run(bytes, 64, |byte| {
        byte >= b' ' && !matches!(byte, b',' | b'"')
    })? {
        0 => Err(Stop::Bad),
        length => Ok(length),
    }
}

#[inline]
fn sqlstate(bytes: &[u8]) -> Result<usize, Stop> {
    let of = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    match bytes.first_chunk::<5>() {
        Some(state) if state.iter().all(of) => Ok(5),
        None if bytes.iter().all(of) => Err(Stop::More),
        _ => Err(Stop::Bad),
    }
}

#[inline]
fn process(bytes: &[u8]) -> Result<usize, Stop> {
    match bytes.split_first() {
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
    }
}

/// Decodes a record.
pub(super) fn decode(columns: u8, bytes: &[u8]) -> Option<Record<'_>> {
    let (scan, fields) = scan_fields(bytes, kinds(columns), &mut Progress::default());
    (scan == Scan::Whole(bytes.len())).then(|| record(bytes, &fields))
}

/// As [`scan`], with where the fields stand. They are all there when the scan began at the beginning.
#[inline]
pub(super) fn scan_fields(bytes: &[u8], kinds: &[Kind], progress: &mut Progress) -> (Scan, Fields) {
    let mut fields = [Field::default(); COLUMNS.len()];
    let scan = scan(bytes, kinds, progress, |column, field| {
        if let Some(place) = fields.get_mut(column) {
            *place = field;
        }
    });
    (scan, fields)
}

/// The record whose fields stand there.
#[inline]
pub(super) fn record<'a>(bytes: &'a [u8], fields: &Fields) -> Record<'a> {
    let bare = |field: Field| {
        bytes
            .get(field.start as usize..field.end as usize)
            .unwrap_or_default()
    };
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
    ] = *fields;
    let some = |field: Field| Some(Cow::Borrowed(bare(field)));
    let client = text(connection).map(Client::read).unwrap_or_default();
    Record {
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
    }
}

fn small(digits: &[u8]) -> Option<u32> {
    number(digits).and_then(|number| u32::try_from(number).ok())
}

/// The text of a quoted field; `None` for NULL.
fn unquoted(bytes: &[u8], field: Field) -> Option<Text<'_>> {
    let inner = bytes.get(field.start as usize + 1..(field.end as usize).checked_sub(1)?)?;
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
