//! pgauditlogtofile, an extension that takes pgaudit's records (and logins, when asked) out of the server's log and writes them
//! to a file of its own.
//!
//! Up to 1.5 its `csv` quotes what pgaudit has quoted and nothing else: names, messages and contexts are raw, with whatever commas
//! and line ends they have. A row with the wrong number of fields is torn, and anybody who may name a role can write whole ones:
//! no audit-grade evidence. From 1.6 on every field is a JSON string or nothing; its `json` is one object a line. Both split what
//! pgaudit says at every comma, quoted or not; put together again it is what pgaudit said.

use super::clock;
use super::object::{members, string, unescape};
use super::record::{Client, Record, Text};
use super::scan::{Stop, digits, hexadecimal, number, pair, signed};
use memchr::memchr;
use std::borrow::Cow;

/// So many bytes say whether a row begins.
pub(super) const BEGIN_MOST: usize = 64;

/// Whether a line begins as a row does: with a time.
pub(super) fn begins_row(line: &[u8]) -> bool {
    let time = line.strip_prefix(b"\"").unwrap_or(line);
    match clock::stamp(time) {
        Ok(length) => time.get(length) == Some(&b','),
        // Nanoseconds, in quotes.
        Err(_) => line.starts_with(b"\"") && is_time(time),
    }
}

/// A time with any number of decimals, and what follows it.
fn is_time(text: &[u8]) -> bool {
    let zone = text
        .iter()
        .skip(20)
        .take(10)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    text.len() > 20
        && zone > 0
        && text.get(19) == Some(&b'.')
        && text
            .get(..19)
            .is_some_and(|time| clock::seconds(&[time, b" UTC,"].concat()).is_ok())
}

/// The length of the row that `bytes` begin with.
pub(super) fn measure_csv(bytes: &[u8]) -> Result<usize, Stop> {
    read_csv(bytes).map(|row| row.length)
}

/// Decodes a row.
pub(super) fn decode_csv(bytes: &[u8]) -> Option<Record<'_>> {
    read_csv(bytes)
        .ok()
        .filter(|row| row.length == bytes.len())
        .map(|row| row.record)
}

struct Row<'a> {
    length: usize,
    record: Record<'a>,
}

fn read_csv(bytes: &[u8]) -> Result<Row<'_>, Stop> {
    match bytes.first() {
        None => Err(Stop::More),
        Some(b'"') => {
            let end = memchr(b'\n', bytes).ok_or(Stop::More)?;
            let line = bytes.get(..end).ok_or(Stop::Bad)?;
            let record = quoted_row(line).ok_or(Stop::Bad)?;
            Ok(Row {
                length: end + 1,
                record,
            })
        }
        Some(_) => raw_row(bytes),
    }
}

/// Columns before the message, up to 1.5.
const RAW_HEAD: usize = 12;

/// Columns behind the message, up to 1.5.
const RAW_TAIL: usize = 9;

/// Fields of pgaudit's before the number of rows.
const PGAUDIT: usize = 9;

/// A row of 1.5 and older.
fn raw_row(bytes: &[u8]) -> Result<Row<'_>, Stop> {
    let mut at = 0;
    let mut head: [&[u8]; RAW_HEAD] = [b""; RAW_HEAD];
    for (column, field) in head.iter_mut().enumerate() {
        let (text, ends_line) = raw(bytes.get(at..).unwrap_or_default())?;
        if ends_line || !raw_fits(column, text) {
            return Err(Stop::Bad);
        }
        *field = text;
        at += text.len() + 1;
    }
    let message_at = at;
    let rest = bytes.get(at..).unwrap_or_default();
    // Not decided by half of the word.
    if [&b"SESSION,"[..], b"OBJECT,"]
        .iter()
        .any(|word| rest.len() < word.len() && word.starts_with(rest))
    {
        return Err(Stop::More);
    }
    let audit = rest.starts_with(b"SESSION,") || rest.starts_with(b"OBJECT,");
    if audit {
        for _ in 0..PGAUDIT {
            let field = bytes.get(at..).unwrap_or_default();
            let length = match field.first() {
                Some(b'"') => quoted(field)?,
                _ => raw(field)?.0.len(),
            };
            match bytes.get(at + length) {
                None => return Err(Stop::More),
                Some(b',') => at += length + 1,
                Some(_) => return Err(Stop::Bad),
            }
        }
    } else {
        let (text, ends_line) = raw(rest)?;
        if ends_line {
            return Err(Stop::Bad);
        }
        at += text.len() + 1;
    }
    let tail_at = at;
    let tail_length = memchr(b'\n', bytes.get(tail_at..).unwrap_or_default()).ok_or(Stop::More)?;
    let length = tail_at + tail_length + 1;
    let tail = bytes.get(tail_at..tail_at + tail_length).ok_or(Stop::Bad)?;
    let mut tail: Vec<&[u8]> = tail.split(|byte| *byte == b',').collect();
    let rows = audit
        && tail.len() == RAW_TAIL + 1
        && tail.first().is_some_and(|rows| number(rows).is_some());
    let message_end = if rows {
        tail_at + tail.remove(0).len()
    } else {
        tail_at - 1
    };
    if tail.len() != RAW_TAIL {
        return Err(Stop::Bad);
    }
    let message = bytes.get(message_at..message_end).ok_or(Stop::Bad)?;
    let message = if audit {
        Cow::Owned([b"AUDIT: ", message].concat())
    } else {
        Cow::Borrowed(message)
    };
    let [
        time,
        user,
        database,
        pid,
        connection,
        session,
        line,
        tag,
        start,
        vxid,
        xid,
        sqlstate,
    ] = head;
    let [
        detail,
        hint,
        internal_query,
        _,
        context,
        statement,
        _,
        location,
        application,
    ] = <[&[u8]; RAW_TAIL]>::try_from(tail).map_err(|_| Stop::Bad)?;
    let client = some(connection).map(Client::read).unwrap_or_default();
    let record = Record {
        time: Cow::Borrowed(time),
        time_ms: clock::milliseconds(time),
        user: some(user),
        database: some(database),
        pid: number(pid).and_then(|pid| u32::try_from(pid).ok()),
        host: client.host,
        port: client.port,
        session: some(session),
        line: number(line),
        // NULL and the empty title look alike.
        command_tag: Some(Cow::Borrowed(tag)),
        session_start: some(start),
        virtual_transaction: some(vxid),
        transaction: number(xid),
        sqlstate: some(sqlstate),
        message,
        detail: some(detail),
        hint: some(hint),
        internal_query: some(internal_query),
        context: some(context),
        statement: some(statement),
        location: some(location),
        application_name: some(application),
        ..Record::default()
    };
    Ok(Row { length, record })
}

fn some(text: &[u8]) -> Option<Text<'_>> {
    (!text.is_empty()).then_some(Cow::Borrowed(text))
}

/// A field without quotes, and whether the line ends behind it.
fn raw(bytes: &[u8]) -> Result<(&[u8], bool), Stop> {
    let end = memchr::memchr2(b',', b'\n', bytes).ok_or(Stop::More)?;
    let text = bytes.get(..end).ok_or(Stop::Bad)?;
    Ok((text, bytes.get(end) == Some(&b'\n')))
}

/// The length of a field in quotes, with them.
fn quoted(bytes: &[u8]) -> Result<usize, Stop> {
    let mut at = 1;
    loop {
        at += memchr(b'"', bytes.get(at..).unwrap_or_default()).ok_or(Stop::More)?;
        match bytes.get(at + 1) {
            None => return Err(Stop::More),
            Some(b'"') => at += 2,
            Some(_) => return Ok(at + 1),
        }
    }
}

/// Whether a field of [`raw_row`]'s head is of its column's kind.
fn raw_fits(column: usize, text: &[u8]) -> bool {
    // Measured with the comma that follows.
    let whole = |measure: &dyn Fn(&[u8]) -> Result<usize, Stop>| {
        measure(&[text, b","].concat()) == Ok(text.len())
    };
    match column {
        0 => whole(&clock::stamp),
        3 | 6 | 10 => whole(&|text| digits(text, 20)),
        5 => whole(&|text| {
            pair(
                text,
                b'.',
                |left| hexadecimal(left, 16),
                |right| hexadecimal(right, 8),
            )
        }),
        8 => whole(&clock::seconds),
        9 => {
            text.is_empty()
                || whole(&|text| {
                    pair(
                        text,
                        b'/',
                        |left| signed(left, 10),
                        |right| digits(right, 10),
                    )
                })
        }
        11 => text.len() == 5 && text.iter().all(u8::is_ascii_alphanumeric),
        _ => true,
    }
}

/// Columns before the message, from 1.6 on.
const QUOTED_HEAD: usize = 10;

/// Columns of the message when it is pgaudit's, from 1.6 on.
const QUOTED_PGAUDIT: usize = 8;

/// A row of 1.6 and newer: JSON strings, or nothing. What follows the application's name has changed from version to version.
fn quoted_row(line: &[u8]) -> Option<Record<'_>> {
    let fields = strings(line)?;
    let field = |at: usize| fields.get(at).cloned().flatten();
    let time = field(0)?;
    let session = field(5).filter(|session| super::jsonlog::is_session(session))?;
    let sqlstate = field(9).filter(|state| state.len() == 5)?;
    if !is_time(&time) {
        return None;
    }
    let kind = field(QUOTED_HEAD);
    let audit = matches!(kind.as_deref(), Some(b"SESSION" | b"OBJECT"))
        && field(QUOTED_HEAD + 1).is_some_and(|id| number(&id).is_some())
        && field(QUOTED_HEAD + 2).is_some_and(|id| number(&id).is_some());
    let width = if audit { QUOTED_PGAUDIT } else { 1 };
    let behind = QUOTED_HEAD + width;
    if !(behind + RAW_TAIL..=behind + RAW_TAIL + 8).contains(&fields.len()) {
        return None;
    }
    let message = if audit {
        let parts = fields.get(QUOTED_HEAD..behind)?;
        Cow::Owned(put_together(
            parts.iter().map(|part| part.as_deref().unwrap_or_default()),
        ))
    } else {
        kind.unwrap_or_default()
    };
    let client = field(4).map(Client::read).unwrap_or_default();
    Some(Record {
        time_ms: clock::milliseconds(&time),
        time,
        user: field(1),
        database: field(2),
        pid: field(3)
            .and_then(|pid| number(&pid))
            .and_then(|pid| u32::try_from(pid).ok()),
        host: client.host,
        port: client.port,
        session: Some(session),
        command_tag: field(6),
        virtual_transaction: field(7),
        transaction: field(8).and_then(|xid| number(&xid)),
        sqlstate: Some(sqlstate),
        message,
        detail: field(behind),
        hint: field(behind + 1),
        internal_query: field(behind + 2),
        context: field(behind + 4),
        statement: field(behind + 5),
        location: field(behind + 7),
        application_name: field(behind + 8),
        ..Record::default()
    })
}

/// What pgaudit said, from what was split at its commas.
fn put_together<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut message = b"AUDIT: ".to_vec();
    for (at, part) in parts.enumerate() {
        if at > 0 {
            message.push(b',');
        }
        message.extend_from_slice(part);
    }
    message
}

/// JSON strings or nothing, with commas between them.
fn strings(line: &[u8]) -> Option<Vec<Option<Text<'_>>>> {
    let mut fields = Vec::with_capacity(40);
    let mut rest = line;
    loop {
        if rest.first() == Some(&b'"') {
            let ((raw, escaped), length) = string(rest)?;
            fields.push(Some(if escaped {
                Cow::Owned(unescape(raw))
            } else {
                Cow::Borrowed(raw)
            }));
            rest = rest.get(length..)?;
        } else {
            fields.push(None);
        }
        match rest.split_first() {
            None => return Some(fields),
            Some((b',', after)) => rest = after,
            Some(_) => return None,
        }
    }
}

/// The length of the object that `line` begins with: the extension's, with a time, a session and an SQLSTATE.
pub(super) fn measure_json(line: &[u8]) -> Option<usize> {
    let mut first = true;
    let (mut time, mut session, mut sqlstate) = (0, 0, 0);
    let length = members(line, |key, value| {
        let fits = match key {
            b"log.source" => first && value.text().as_deref() == Some(b"pgauditlogtofile"),
            b"timestamp" => {
                time += 1;
                value.text().is_some_and(|text| is_time(&text))
            }
            b"custom.session_id" => {
                session += 1;
                value
                    .text()
                    .is_some_and(|text| super::jsonlog::is_session(&text))
            }
            b"custom.state_code" => {
                sqlstate += 1;
                value.text().is_some_and(|text| text.len() == 5)
            }
            _ => true,
        };
        let known = !first || key == b"log.source";
        first = false;
        fits && known
    })?;
    ((time, session, sqlstate) == (1, 1, 1)).then_some(length)
}

/// Decodes an object.
pub(super) fn decode_json(bytes: &[u8]) -> Option<Record<'_>> {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if measure_json(line)? != line.len() {
        return None;
    }
    let mut record = Record::default();
    let mut parts: [Text<'_>; QUOTED_PGAUDIT] = Default::default();
    let mut content = None;
    members(line, |key, value| {
        let part = match key {
            b"custom.audit_type" => 0,
            b"custom.statement_id" => 1,
            b"custom.substatement_id" => 2,
            b"custom.class" => 3,
            b"custom.command" => 4,
            b"custom.object_type" => 5,
            b"custom.object_name" => 6,
            _ => QUOTED_PGAUDIT,
        };
        if let Some(part) = parts.get_mut(part) {
            *part = value.text().unwrap_or_default();
            return true;
        }
        match key {
            b"timestamp" => {
                record.time = value.text().unwrap_or_default();
                record.time_ms = clock::milliseconds(&record.time);
            }
            b"db.user" => record.user = value.text(),
            b"db.name" => record.database = value.text(),
            b"custom.process_id" => {
                record.pid = value.number().and_then(|pid| u32::try_from(pid).ok());
            }
            b"net.peer.name" => record.host = value.text(),
            b"net.peer.port" => {
                record.port = value.number().and_then(|port| u16::try_from(port).ok());
            }
            b"custom.session_id" => record.session = value.text(),
            b"custom.command_tag" => record.command_tag = value.text(),
            b"custom.virtual_transaction_id" => record.virtual_transaction = value.text(),
            b"custom.transaction_id" => record.transaction = value.number(),
            b"custom.state_code" => record.sqlstate = value.text(),
            b"content" => content = value.text(),
            b"custom.detail_log" => record.detail = value.text(),
            b"custom.err_hint" => record.hint = value.text(),
            b"custom.internal_query" => record.internal_query = value.text(),
            b"custom.context" => record.context = value.text(),
            _ => (),
        }
        true
    })?;
    record.message = if parts.first().is_some_and(|kind| !kind.is_empty()) {
        if let (Some(last), Some(content)) = (parts.last_mut(), content) {
            *last = content;
        }
        Cow::Owned(put_together(parts.iter().map(AsRef::as_ref)))
    } else {
        content.unwrap_or_default()
    };
    Some(record)
}
