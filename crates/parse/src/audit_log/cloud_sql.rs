//! Google Cloud's Data Access audit log of Cloud SQL and `AlloyDB`: one `LogEntry` a line, whose request is a `PgAuditEntry`.
//!
//! Google cuts long statements and parameters into chunks, each in an entry of its own, in any order: [`Chunks`] puts them together.
//! A record that is decoded from one entry has what that entry has. Other kinds of entries are no records of this form.

use super::clock;
use super::record::Record;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How the names of the two types of entry end.
const TYPE: &str = ".audit.v1.PgAuditEntry";

/// What pgaudit said, as Google has taken it apart.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Entry {
    /// Google's identifier of the entry.
    pub insert_id: String,
    /// When, in RFC 3339.
    pub timestamp: String,
    /// `project:instance`, or what the resource is called.
    pub instance: String,
    /// The client's address, when Google has it.
    pub caller: Option<String>,
    /// The session's number.
    pub session: String,
    /// The role.
    pub user: String,
    /// The database.
    pub database: String,
    /// `SESSION` or `OBJECT`.
    pub audit_type: String,
    /// `READ`.
    pub class: String,
    /// `SELECT`.
    pub command: String,
    /// `TABLE`.
    pub object_type: String,
    /// The object.
    pub object: String,
    /// The statement, or the part of it in this chunk.
    pub statement: String,
    /// The parameters, or the part of them in this chunk.
    pub parameter: String,
    /// The statement's number within the session.
    pub statement_id: u64,
    /// The number of the statement within the statement.
    pub substatement_id: u64,
    /// Which chunk, from 1.
    pub chunk: u64,
    /// Of how many.
    pub chunks: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogEntry<'a> {
    #[serde(default, borrow)]
    insert_id: Cow<'a, str>,
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    #[serde(default, borrow)]
    resource: Resource<'a>,
    #[serde(borrow)]
    proto_payload: Payload<'a>,
}

#[derive(Default, Deserialize)]
struct Resource<'a> {
    #[serde(default, borrow)]
    labels: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    #[serde(borrow)]
    request: Request<'a>,
    #[serde(default, borrow)]
    request_metadata: Metadata<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(default, borrow)]
    caller_ip: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(rename = "@type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    audit_class: Cow<'a, str>,
    #[serde(borrow)]
    audit_type: Cow<'a, str>,
    #[serde(default)]
    chunk_count: Number,
    #[serde(default)]
    chunk_index: Number,
    #[serde(default, borrow)]
    command: Cow<'a, str>,
    #[serde(default, borrow)]
    database: Cow<'a, str>,
    #[serde(default)]
    database_session_id: Number,
    #[serde(default, borrow)]
    object: Cow<'a, str>,
    #[serde(default, borrow)]
    object_type: Cow<'a, str>,
    #[serde(default, borrow)]
    parameter: Cow<'a, str>,
    #[serde(default, borrow)]
    statement: Cow<'a, str>,
    #[serde(default)]
    statement_id: Number,
    #[serde(default)]
    substatement_id: Number,
    #[serde(default, borrow)]
    user: Cow<'a, str>,
}

/// Protobuf's JSON writes 64 bits as a string, and leaves zero out.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(untagged)]
enum Number {
    Bare(u64),
    Quoted(#[serde(deserialize_with = "from_text")] u64),
    #[default]
    Absent,
}

fn from_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

impl Number {
    fn or(self, absent: u64) -> u64 {
        match self {
            Self::Bare(number) | Self::Quoted(number) => number,
            Self::Absent => absent,
        }
    }
}

impl Entry {
    /// Reads a line. `None` when it is no entry of pgaudit's.
    pub fn read(line: &[u8]) -> Option<Self> {
        let entry: LogEntry<'_> = serde_json::from_slice(line).ok()?;
        let request = entry.proto_payload.request;
        if !request.kind.ends_with(TYPE)
            || !matches!(request.audit_type.as_ref(), "SESSION" | "OBJECT")
        {
            return None;
        }
        let label = |name: &str| {
            entry
                .resource
                .labels
                .get(name)
                .map(|value| value.clone().into_owned())
        };
        Some(Self {
            insert_id: entry.insert_id.into_owned(),
            timestamp: entry.timestamp.into_owned(),
            instance: label("database_id")
                .or_else(|| label("instance_id"))
                .unwrap_or_default(),
            caller: entry
                .proto_payload
                .request_metadata
                .caller_ip
                .map(Cow::into_owned),
            session: request.database_session_id.or(0).to_string(),
            user: request.user.into_owned(),
            database: request.database.into_owned(),
            audit_type: request.audit_type.into_owned(),
            class: request.audit_class.into_owned(),
            command: request.command.into_owned(),
            object_type: request.object_type.into_owned(),
            object: request.object.into_owned(),
            statement: request.statement.into_owned(),
            parameter: request.parameter.into_owned(),
            statement_id: request.statement_id.or(0),
            substatement_id: request.substatement_id.or(0),
            chunk: request.chunk_index.or(1).max(1),
            chunks: request.chunk_count.or(1).max(1),
        })
    }

    /// As a record whose message is what pgaudit wrote.
    pub fn into_record(self) -> Record<'static> {
        let time_ms = clock::milliseconds(self.timestamp.as_bytes());
        let message = self.message();
        let owned = |text: String| {
            Some(Cow::Owned(text.into_bytes())).filter(|text: &Cow<'_, [u8]>| !text.is_empty())
        };
        Record {
            time: Cow::Owned(self.timestamp.into_bytes()),
            time_ms,
            user: owned(self.user),
            database: owned(self.database),
            host: self.caller.and_then(owned),
            session: owned(self.session),
            message: Cow::Owned(message),
            ..Record::default()
        }
    }

    fn message(&self) -> Vec<u8> {
        let mut message = format!(
            "AUDIT: {},{},{}",
            self.audit_type, self.statement_id, self.substatement_id
        )
        .into_bytes();
        for text in [&self.class, &self.command, &self.object_type, &self.object] {
            push(&mut message, text);
        }
        for text in [&self.statement, &self.parameter] {
            push(&mut message, reason(text));
        }
        message
    }
}

/// Google writes pgaudit's reasons in brackets.
fn reason(text: &str) -> &str {
    match text {
        "[none]" => "<none>",
        "[not logged]" => "<not logged>",
        "[previously logged]" => "<previously logged>",
        "[long param suppressed]" => "<long param suppressed>",
        text => text,
    }
}

/// A comma and a field, quoted when pgaudit would.
fn push(message: &mut Vec<u8>, text: &str) {
    message.push(b',');
    if text.contains([',', '"', '\n', '\r']) {
        message.push(b'"');
        message.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        message.push(b'"');
    } else {
        message.extend_from_slice(text.as_bytes());
    }
}

/// The length of the record that `line` is.
pub(super) fn measure(line: &[u8]) -> Option<usize> {
    Entry::read(line).map(|_| line.len())
}

/// Decodes a record.
pub(super) fn decode(bytes: &[u8]) -> Option<Record<'static>> {
    Entry::read(bytes).map(Entry::into_record)
}

/// Puts chunks together.
#[derive(Debug, Default)]
pub struct Chunks {
    waiting: BTreeMap<Key, BTreeMap<u64, Entry>>,
}

/// What the chunks of one entry have in common.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Key {
    instance: String,
    session: String,
    statement: (u64, u64),
    object: (String, String),
    said: (String, String, String),
    chunks: u64,
}

impl Chunks {
    /// Takes an entry in; gives the whole one when this was its last chunk. A chunk that comes twice counts once.
    pub fn add(&mut self, entry: Entry) -> Option<Entry> {
        if entry.chunks <= 1 {
            return Some(entry);
        }
        let key = Key {
            instance: entry.instance.clone(),
            session: entry.session.clone(),
            statement: (entry.statement_id, entry.substatement_id),
            object: (entry.object_type.clone(), entry.object.clone()),
            said: (
                entry.audit_type.clone(),
                entry.class.clone(),
                entry.command.clone(),
            ),
            chunks: entry.chunks,
        };
        let chunks = entry.chunks;
        let waiting = self.waiting.entry(key.clone()).or_default();
        waiting.insert(entry.chunk, entry);
        let whole =
            u64::try_from(waiting.len()).ok()? == chunks && waiting.keys().copied().eq(1..=chunks);
        if !whole {
            return None;
        }
        let mut parts = self.waiting.remove(&key)?.into_values();
        let mut first = parts.next()?;
        for part in parts {
            first.statement.push_str(&part.statement);
            first.parameter.push_str(&part.parameter);
        }
        first.chunks = 1;
        Some(first)
    }

    /// The chunks that have waited in vain, those of one entry together, in order.
    pub fn finish(self) -> Vec<Vec<Entry>> {
        self.waiting
            .into_values()
            .map(|parts| parts.into_values().collect())
            .collect()
    }
}
