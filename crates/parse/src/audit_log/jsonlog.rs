//! Records of `log_destination = jsonlog`, 15 and later.

use super::clock;
use super::object::{Value, members};
use super::record::Record;
use super::scan::{Stop, hexadecimal, pair};
use std::borrow::Cow;

/// The length of the record that `line` begins with: an object whose first member is the time, and that has its session, its line
/// number, its severity, and nothing twice. Other members are as they may be: later versions may have more.
pub(super) fn measure(line: &[u8]) -> Option<usize> {
    let mut seen = 0_u32;
    let length = members(line, |key, value| {
        let Some(known) = known(key) else {
            return seen != 0;
        };
        // The time is the first.
        if (seen == 0) != (known == 0) || seen & 1 << known != 0 || !fits(key, value) {
            return false;
        }
        seen |= 1 << known;
        true
    })?;
    (seen & REQUIRED == REQUIRED).then_some(length)
}

const KEYS: [&[u8]; 29] = [
    b"timestamp",
    b"session_id",
    b"line_num",
    b"error_severity",
    b"user",
    b"dbname",
    b"pid",
    b"remote_host",
    b"remote_port",
    b"ps",
    b"session_start",
    b"vxid",
    b"txid",
    b"state_code",
    b"message",
    b"detail",
    b"hint",
    b"internal_query",
    b"internal_position",
    b"context",
    b"statement",
    b"cursor_position",
    b"func_name",
    b"file_name",
    b"file_line_num",
    b"application_name",
    b"backend_type",
    b"leader_pid",
    b"query_id",
];

/// Of [`KEYS`], as bits: the first four.
const REQUIRED: u32 = 0b1111;

fn known(key: &[u8]) -> Option<usize> {
    KEYS.iter().position(|known| *known == key)
}

/// Whether a value is of its member's kind.
fn fits(key: &[u8], value: Value<'_>) -> bool {
    match key {
        b"timestamp" => matches!(value, Value::Text(text, false) if stamp(text)),
        b"session_id" => matches!(value, Value::Text(text, false) if is_session(text)),
        b"line_num" | b"pid" | b"remote_port" | b"txid" | b"internal_position"
        | b"cursor_position" | b"file_line_num" | b"leader_pid" => {
            matches!(value, Value::Number(_)) && value.number().is_some()
        }
        b"query_id" => matches!(value, Value::Number(_)) && value.signed().is_some(),
        _ => matches!(value, Value::Text(..)),
    }
}

/// Whether the text is a time with milliseconds and a zone: what is left when it has been read is nothing.
fn stamp(text: &[u8]) -> bool {
    text.len() > 24 && clock::stamp(text) == Err(Stop::More)
}

/// Whether the text is a session's identifier.
pub(super) fn is_session(text: &[u8]) -> bool {
    let whole = |digits: &[u8]| hexadecimal(digits, 16);
    // The second number ends where the text does.
    !text.ends_with(b".")
        && pair(text, b'.', whole, whole) == Err(Stop::More)
        && text.contains(&b'.')
}

/// Decodes a record.
pub(super) fn decode(bytes: &[u8]) -> Option<Record<'_>> {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if measure(line)? != line.len() {
        return None;
    }
    let mut record = Record {
        sqlstate: Some(Cow::Borrowed(b"00000")),
        ..Record::default()
    };
    let (mut function, mut file, mut file_line) = (None, None, None);
    members(line, |key, value| {
        let small = || value.number().and_then(|number| u32::try_from(number).ok());
        match key {
            b"timestamp" => {
                record.time = value.text().unwrap_or_default();
                record.time_ms = clock::milliseconds(&record.time);
            }
            b"user" => record.user = value.text(),
            b"dbname" => record.database = value.text(),
            b"pid" => record.pid = small(),
            b"remote_host" => record.host = value.text(),
            b"remote_port" => {
                record.port = value.number().and_then(|port| u16::try_from(port).ok());
            }
            b"session_id" => record.session = value.text(),
            b"line_num" => record.line = value.number(),
            b"ps" => record.command_tag = value.text(),
            b"session_start" => record.session_start = value.text(),
            b"vxid" => record.virtual_transaction = value.text(),
            b"txid" => record.transaction = value.number(),
            b"error_severity" => record.severity = value.text(),
            b"state_code" => record.sqlstate = value.text(),
            b"message" => record.message = value.text().unwrap_or_default(),
            b"detail" => record.detail = value.text(),
            b"hint" => record.hint = value.text(),
            b"internal_query" => record.internal_query = value.text(),
            b"context" => record.context = value.text(),
            b"statement" => record.statement = value.text(),
            b"func_name" => function = value.text(),
            b"file_name" => file = value.text(),
            b"file_line_num" => file_line = value.number(),
            b"application_name" => record.application_name = value.text(),
            b"backend_type" => record.backend_type = value.text(),
            b"leader_pid" => record.leader_pid = small(),
            b"query_id" => record.query_id = value.signed(),
            _ => (),
        }
        true
    })?;
    // As csvlog has it.
    record.location = file.map(|file| {
        let mut location = Vec::new();
        if let Some(function) = function {
            location.extend_from_slice(&function);
            location.extend_from_slice(b", ");
        }
        location.extend_from_slice(&file);
        location.extend_from_slice(format!(":{}", file_line.unwrap_or_default()).as_bytes());
        Cow::Owned(location)
    });
    Some(record)
}
