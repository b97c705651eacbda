//! What is delivered: records of the journal, each with what tells it from every other.

use std::borrow::Cow;
use std::sync::Arc;

/// What an item is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What {
    /// A record of the server's log.
    Record,
    /// Bytes of the log that are no record, with the reason's name: `cut-short`, `glued`, `fields`, `foreign`.
    Torn(&'static str),
    /// A checkpoint of the journal's tree: the signed note. A copy outside makes rewriting the journal visible.
    Checkpoint,
    /// A trial of `trail sinks --test`.
    Canary,
}

impl What {
    /// Its name in fields and labels: `record`, `torn`, `checkpoint`, `canary`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Torn(_) => "torn",
            Self::Checkpoint => "checkpoint",
            Self::Canary => "canary",
        }
    }
}

/// Which part of a record that was too long for the sink.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Part {
    /// From 1.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

/// A record, or a part of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Its number in the journal: with `instance` (and `part`) what duplicates are told by. For a checkpoint the tree's size.
    pub number: u64,
    /// The block that holds it.
    pub block: u64,
    /// The instance's name.
    pub instance: Arc<str>,
    /// The session, `6907c5a2.1f3`; `None` when the record does not say.
    pub session: Option<String>,
    /// When it was logged, in milliseconds since 1970; `None` when the record does not say, or not clearly.
    pub logged_at: Option<i64>,
    /// When its block was sealed, in milliseconds since 1970.
    pub sealed_at: i64,
    /// The form's name: `csvlog`, `jsonlog`.
    pub format: &'static str,
    /// What it is.
    pub what: What,
    /// Which part; `None` when it is whole.
    pub part: Option<Part>,
    /// The bytes as they stand in the journal, the line end included. A part holds its share of them.
    pub bytes: Vec<u8>,
}

impl Record {
    /// When it happened as far as anybody knows, in milliseconds since 1970: when it was logged, else when it was sealed.
    pub fn at(&self) -> i64 {
        self.logged_at.unwrap_or(self.sealed_at)
    }

    /// The text without its line end. Bytes that are no UTF-8 become U+FFFD; [`Self::is_lossy`] then says so, and the journal has
    /// them as they were.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.payload())
    }

    /// The bytes without the line end. What ends a part that is not the last one belongs to the text.
    pub fn payload(&self) -> &[u8] {
        if self.part.is_some_and(|part| part.index < part.of) {
            return &self.bytes;
        }
        let bytes = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        bytes.strip_suffix(b"\r").unwrap_or(bytes)
    }

    /// Whether [`Self::text`] differs from the bytes.
    pub fn is_lossy(&self) -> bool {
        std::str::from_utf8(self.payload()).is_err()
    }

    /// Everything but the text, as fields: `seq`, `block`, `instance`, `session`, `time` (RFC 3339), `format`, `kind`, and where they
    /// apply `torn` (the reason), `part`, `parts`, `lossy`. The same names in every sink.
    pub fn fields(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut fields = serde_json::Map::new();
        fields.insert("seq".into(), self.number.into());
        fields.insert("block".into(), self.block.into());
        fields.insert("instance".into(), self.instance.as_ref().into());
        if let Some(session) = &self.session {
            fields.insert("session".into(), session.as_str().into());
        }
        fields.insert("time".into(), rfc3339(self.at()).into());
        fields.insert("format".into(), self.format.into());
        fields.insert("kind".into(), self.what.name().into());
        if let What::Torn(reason) = self.what {
            fields.insert("torn".into(), reason.into());
        }
        if let Some(part) = self.part {
            fields.insert("part".into(), part.index.into());
            fields.insert("parts".into(), part.of.into());
        }
        if self.is_lossy() {
            fields.insert("lossy".into(), true.into());
        }
        fields
    }

    /// [`Self::fields`] and `message`, the text: the JSON object that sinks without a form of their own deliver.
    pub fn json(&self) -> serde_json::Value {
        let mut fields = self.fields();
        fields.insert("message".into(), self.text().into_owned().into());
        serde_json::Value::Object(fields)
    }
}

/// An item of a batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Item {
    /// The record.
    pub record: Record,
    /// What [`crate::Sink::encode`] made of it.
    pub encoded: Vec<u8>,
}

/// A batch: never empty, in order of the numbers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    /// The items.
    pub items: Vec<Item>,
    /// The block itself, for a sink that takes whole blocks.
    pub block: Option<Arc<WholeBlock>>,
}

/// A block of the journal as it is stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WholeBlock {
    /// Its leaf's index in the tree.
    pub leaf_index: u64,
    /// Its manifest.
    pub manifest: pgattest_trail::leaf::BlockLeaf,
    /// The frame as it stands in the segment: `manifest.stored` bytes with the digest `manifest.stored_sha256`.
    pub frame: Vec<u8>,
    /// A checkpoint that covers it: the signed note, the newest there was when the batch was made.
    pub checkpoint: String,
}

/// A time in milliseconds since 1970 as RFC 3339 in UTC, with milliseconds. Times beyond what can be written become the earliest one.
pub fn rfc3339(milliseconds: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

#[cfg(test)]
pub(crate) fn sample(number: u64, text: &str) -> Record {
    Record {
        number,
        block: 7,
        instance: "production".into(),
        session: Some("6907c5a2.1f3".into()),
        logged_at: Some(1_767_225_600_123),
        sealed_at: 1_767_225_601_000,
        format: "csvlog",
        what: What::Record,
        part: None,
        bytes: format!("{text}\n").into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_the_same_everywhere() {
        let mut record = sample(41, "a \"b\"");
        record.part = Some(Part { index: 2, of: 2 });
        record.bytes.insert(0, 0xff);
        assert_eq!(
            record.json().to_string(),
            r#"{"seq":41,"block":7,"instance":"production","session":"6907c5a2.1f3","time":"2026-01-01T00:00:00.123Z","format":"csvlog","kind":"record","part":2,"parts":2,"lossy":true,"message":"�a \"b\""}"#
        );
    }

    #[test]
    fn a_time_that_no_calendar_has_is_no_panic() {
        assert_eq!(rfc3339(i64::MAX), "1970-01-01T00:00:00.000Z");
    }
}
