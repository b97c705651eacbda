//! Plain text (`log_destination = stderr`), read with the server's `log_line_prefix`.
//!
//! A record is a line that begins with the prefix and a severity, the lines behind it that begin with a tab (the server puts one behind
//! every line end of a message), and the lines of the same prefix that add to it (`DETAIL`, `STATEMENT`). Those are known in English
//! only: in another language they are records of their own.
//!
//! Names are written as they are. A role that is named with a line end writes lines that begin at the margin, and nothing tells
//! them from the server's: this form is read, and never taken for audit-grade evidence.

mod prefix;

use super::clock;
use super::record::{Record, Text};
use super::scan::{number, signed_number};
use memchr::{memchr, memmem, memrchr};
use prefix::Prefix;
use std::borrow::Cow;

/// What Amazon RDS and Aurora have.
pub(super) const RDS_PREFIX: &str = "%t:%r:%u@%d:[%p]:";

/// A prefix and a severity are not longer than this. Names come with the startup packet, which has at most 10,000 bytes.
pub(super) const HEAD_MOST: usize = 1 << 15;

/// What a line is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Line {
    /// The first of a record.
    First,
    /// Adds to a record.
    Adds,
    /// Begins with a tab: what stands before it goes on.
    Continues,
    /// None of the server's lines.
    Foreign,
}

/// Reads the lines of a server.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    prefix: Prefix,
}

/// What the server writes before what adds to a record.
const ADDITIONS: [&[u8]; 7] = [
    b"DETAIL",
    b"HINT",
    b"QUERY",
    b"CONTEXT",
    b"LOCATION",
    b"BACKTRACE",
    b"STATEMENT",
];

impl Reader {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: Prefix::new(prefix),
        }
    }

    /// What a line is; its first [`HEAD_MOST`] bytes say.
    pub(super) fn line(&self, line: &[u8]) -> Line {
        if line.first() == Some(&b'\t') {
            return Line::Continues;
        }
        match self.prefix.severity(line.get(..HEAD_MOST).unwrap_or(line)) {
            Some(severity) if ADDITIONS.contains(&severity) => Line::Adds,
            Some(_) => Line::First,
            None => Line::Foreign,
        }
    }

    /// Decodes a record.
    pub(super) fn decode<'a>(&self, bytes: &'a [u8]) -> Option<Record<'a>> {
        let mut record = Record::default();
        let mut rest = Some(bytes);
        let mut first = true;
        while let Some(bytes) = rest {
            // A line with what continues it.
            let mut end = 0;
            rest = loop {
                match memchr(b'\n', bytes.get(end..).unwrap_or_default()) {
                    Some(at) => end += at + 1,
                    None => break None,
                }
                match bytes.get(end) {
                    Some(b'\t') => (),
                    Some(_) => break bytes.get(end..),
                    None => break None,
                }
            };
            let text = match &rest {
                Some(_) => bytes.get(..end).unwrap_or_default(),
                None => bytes,
            };
            self.part(text, first, &mut record)?;
            first = false;
        }
        Some(record)
    }

    fn part<'a>(&self, text: &'a [u8], first: bool, record: &mut Record<'a>) -> Option<()> {
        let (fields, severity, begin) = self.prefix.read(text.get(..HEAD_MOST).unwrap_or(text))?;
        let said = text.get(begin..)?;
        let said = said.strip_suffix(b"\n").unwrap_or(said);
        let said = without_tabs(said.strip_suffix(b"\r").unwrap_or(said));
        if first {
            for (escape, value) in fields {
                put(record, escape, value);
            }
            record.severity = Some(Cow::Borrowed(severity));
            record.message = said;
            sqlstate_before_message(record);
            return Some(());
        }
        match severity {
            b"DETAIL" => record.detail = Some(said),
            b"HINT" => record.hint = Some(said),
            b"QUERY" => record.internal_query = Some(said),
            b"CONTEXT" => record.context = Some(said),
            b"LOCATION" => record.location = Some(said),
            b"STATEMENT" => record.statement = Some(said),
            b"BACKTRACE" => (),
            _ => return None,
        }
        Some(())
    }
}

/// With `log_error_verbosity = verbose` the SQLSTATE stands before the message. `AUDIT: ` is five letters and a colon, too: what is
/// believed has a digit among its first two.
fn sqlstate_before_message(record: &mut Record<'_>) {
    let is_state = |state: &[u8]| {
        state
            .iter()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
            && state.iter().take(2).any(u8::is_ascii_digit)
    };
    let state = match record.message.split_first_chunk::<5>() {
        Some((state, rest)) if rest.starts_with(b": ") && is_state(state) => *state,
        _ => return,
    };
    record.sqlstate = Some(Cow::Owned(state.to_vec()));
    record.message = match std::mem::take(&mut record.message) {
        Cow::Borrowed(message) => Cow::Borrowed(message.get(7..).unwrap_or_default()),
        Cow::Owned(message) => Cow::Owned(message.get(7..).unwrap_or_default().to_vec()),
    };
}

/// The tab behind every line end taken out again.
fn without_tabs(text: &[u8]) -> Text<'_> {
    if memchr(b'\n', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memmem::find(rest, b"\n\t") {
        plain.extend_from_slice(rest.get(..=at).unwrap_or_default());
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

/// Puts what an escape of the prefix stands for into its field.
fn put<'a>(record: &mut Record<'a>, escape: u8, value: &'a [u8]) {
    let small = || number(value).and_then(|number| u32::try_from(number).ok());
    // What the server writes when it does not know; nothing at all in a process without a client.
    let known = Some(Cow::Borrowed(value))
        .filter(|value: &Text<'_>| !value.is_empty() && value.as_ref() != b"[unknown]");
    match escape {
        b'a' => record.application_name = known,
        b'u' => record.user = known,
        b'd' => record.database = known,
        b'b' => record.backend_type = known,
        b'h' => record.host = known,
        b'r' => {
            // `host(port)`.
            let port = value.strip_suffix(b")").and_then(|inner| {
                let open = memrchr(b'(', inner)?;
                Some((
                    inner.get(..open)?,
                    u16::try_from(number(inner.get(open + 1..)?)?).ok()?,
                ))
            });
            match port {
                Some((host, port)) => {
                    record.host = Some(Cow::Borrowed(host));
                    record.port = Some(port);
                }
                None => record.host = known,
            }
        }
        b'p' => record.pid = small(),
        b'P' => record.leader_pid = small(),
        b't' | b'm' => {
            record.time = Cow::Borrowed(value);
            record.time_ms = clock::milliseconds(value);
        }
        b'n' => {
            if record.time.is_empty() {
                record.time = Cow::Borrowed(value);
            }
            if record.time_ms.is_none() {
                let seconds = memchr(b'.', value).unwrap_or(value.len());
                let whole = value.get(..seconds).and_then(signed_number);
                let thousandths = value
                    .get(seconds + 1..)
                    .and_then(number)
                    .and_then(|part| i64::try_from(part).ok());
                record.time_ms = whole.and_then(|whole| {
                    whole
                        .checked_mul(1000)?
                        .checked_add(thousandths.unwrap_or(0))
                });
            }
        }
        b'i' => record.command_tag = Some(Cow::Borrowed(value)),
        b'e' => record.sqlstate = known,
        b'c' => record.session = known,
        b'l' => record.line = number(value),
        b's' => record.session_start = known,
        b'v' => record.virtual_transaction = known,
        b'x' => record.transaction = number(value),
        b'Q' => record.query_id = signed_number(value),
        _ => (),
    }
}
