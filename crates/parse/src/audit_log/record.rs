//! The fields of a record, one type for every form.

use super::scan::number;
use super::{Format, cloud_sql, csvlog, jsonlog, logtofile, stderr};
use memchr::memrchr;
use std::borrow::Cow;

/// Text as the log has it: bytes in whatever encoding the database has.
pub type Text<'a> = Cow<'a, [u8]>;

/// A record. A field that the form does not have, or that is NULL, is `None`; an empty text is `Some`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Record<'a> {
    /// When it was logged, as written.
    pub time: Text<'a>,
    /// The same in milliseconds since 1970, UTC. `None` when the zone's abbreviation does not mean one offset (`CST`, `IST`).
    pub time_ms: Option<i64>,
    /// The role.
    pub user: Option<Text<'a>>,
    /// The database.
    pub database: Option<Text<'a>>,
    /// The process.
    pub pid: Option<u32>,
    /// The client: a host without its port, `[local]`.
    pub host: Option<Text<'a>>,
    /// The client's port.
    pub port: Option<u16>,
    /// The session: its start and its process, in hexadecimal digits.
    pub session: Option<Text<'a>>,
    /// The record's number within the session and the destination, from 1, without a gap.
    pub line: Option<u64>,
    /// The command tag (`ps`).
    pub command_tag: Option<Text<'a>>,
    /// When the session began, as written.
    pub session_start: Option<Text<'a>>,
    /// The virtual transaction.
    pub virtual_transaction: Option<Text<'a>>,
    /// The transaction; 0 when it has none.
    pub transaction: Option<u64>,
    /// `LOG`, `ERROR`; in the server's language.
    pub severity: Option<Text<'a>>,
    /// The five characters of SQLSTATE. jsonlog leaves `00000` out: it is filled in.
    pub sqlstate: Option<Text<'a>>,
    /// The message.
    pub message: Text<'a>,
    /// DETAIL.
    pub detail: Option<Text<'a>>,
    /// HINT.
    pub hint: Option<Text<'a>>,
    /// The internal query that led to the error.
    pub internal_query: Option<Text<'a>>,
    /// CONTEXT.
    pub context: Option<Text<'a>>,
    /// The statement that led to the error (`query`, `statement`).
    pub statement: Option<Text<'a>>,
    /// Where in the server's source, with `log_error_verbosity = verbose`.
    pub location: Option<Text<'a>>,
    /// `application_name`; what the client calls itself.
    pub application_name: Option<Text<'a>>,
    /// `client backend`, `autovacuum worker`.
    pub backend_type: Option<Text<'a>>,
    /// The parallel group's leader.
    pub leader_pid: Option<u32>,
    /// The query's identifier, signed.
    pub query_id: Option<i64>,
}

/// Decodes a record that the splitter gave. `None` when the fields are not those of the form.
///
/// For [`Format::Stderr`] this reads `log_line_prefix` anew each time: use a [`Decoder`] where there are many records.
pub fn decode<'a>(format: &Format, bytes: &'a [u8]) -> Option<Record<'a>> {
    match format {
        Format::Csvlog { columns } => csvlog::decode(*columns, bytes),
        Format::Jsonlog => jsonlog::decode(bytes),
        Format::Stderr { prefix } => stderr::Reader::new(prefix).decode(bytes),
        Format::RdsStderr => stderr::Reader::new(stderr::RDS_PREFIX).decode(bytes),
        Format::PgauditlogtofileCsv => logtofile::decode_csv(bytes),
        Format::PgauditlogtofileJson => logtofile::decode_json(bytes),
        Format::CloudSql => cloud_sql::decode(bytes),
    }
}

/// Decodes records of one form.
#[derive(Clone, Debug)]
pub struct Decoder {
    format: Format,
    /// For stderr.
    reader: Option<stderr::Reader>,
}

impl Decoder {
    /// For records of this form.
    pub fn new(format: Format) -> Self {
        let reader = match &format {
            Format::Stderr { prefix } => Some(stderr::Reader::new(prefix)),
            Format::RdsStderr => Some(stderr::Reader::new(stderr::RDS_PREFIX)),
            _ => None,
        };
        Self { format, reader }
    }

    /// Decodes a record that the splitter gave. `None` when the fields are not those of the form.
    pub fn decode<'a>(&self, bytes: &'a [u8]) -> Option<Record<'a>> {
        match &self.reader {
            Some(reader) => reader.decode(bytes),
            None => decode(&self.format, bytes),
        }
    }
}

/// The other end of a connection.
#[derive(Debug, Default)]
pub(super) struct Client<'a> {
    /// An address, a name, `[local]`.
    pub(super) host: Option<Text<'a>>,
    /// The port.
    pub(super) port: Option<u16>,
}

impl<'a> Client<'a> {
    /// From `host:port` or `[local]`. An IPv6 address has colons of its own: what follows the last one is the port, which the
    /// server always writes for an address.
    pub(super) fn read(text: Text<'a>) -> Self {
        let port = memrchr(b':', &text)
            .and_then(|colon| Some((colon, u16::try_from(number(text.get(colon + 1..)?)?).ok()?)));
        let Some((colon, port)) = port else {
            return Self {
                host: Some(text),
                port: None,
            };
        };
        let host = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.get(..colon).unwrap_or_default()),
            Cow::Owned(mut text) => {
                text.truncate(colon);
                Cow::Owned(text)
            }
        };
        Self {
            host: Some(host),
            port: Some(port),
        }
    }
}
