//! A record as a message.

use super::MESSAGE_OVERHEAD;
use crate::record::{Item, Record};
use chrono::DateTime;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The session, where there is one: a session's records stay in one partition. What has none goes by its instance.
pub(super) fn key(record: &Record) -> Cow<'_, str> {
    match &record.session {
        Some(session) => Cow::Borrowed(session),
        None => Cow::Borrowed(&record.instance),
    }
}

/// The message. The value is the record as it is, without its line end; all else is in headers, as text.
pub(super) fn message(item: &Item) -> rskafka::record::Record {
    let record = &item.record;
    let headers: BTreeMap<String, Vec<u8>> = record
        .fields()
        .into_iter()
        // The value is never lossy here.
        .filter(|(name, _)| name != "lossy")
        .map(|(name, value)| {
            let text = match value {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            (name, text.into_bytes())
        })
        .collect();
    rskafka::record::Record {
        key: Some(key(record).as_bytes().to_vec()),
        value: Some(item.encoded.clone()),
        headers,
        timestamp: DateTime::from_timestamp_millis(record.at()).unwrap_or_default(),
    }
}

/// Bytes that a message takes in a batch, at most.
pub(super) fn size(message: &rskafka::record::Record) -> usize {
    MESSAGE_OVERHEAD.max(message.approximate_size().saturating_add(128))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;

    #[test]
    fn a_message_holds_the_bytes_and_says_the_rest_in_headers() {
        let mut record = sample(41, "");
        record.bytes = b"caf\xe9\n".to_vec();
        let item = Item {
            encoded: record.payload().to_vec(),
            record,
        };
        let message = message(&item);
        assert_eq!(message.value.unwrap(), b"caf\xe9");
        assert_eq!(message.key.unwrap(), b"6907c5a2.1f3");
        assert_eq!(message.headers["seq"], b"41");
        assert_eq!(message.headers["instance"], b"production");
        assert!(!message.headers.contains_key("lossy"));
        assert_eq!(message.timestamp.timestamp_millis(), 1_767_225_600_123);
    }

    #[test]
    fn what_has_no_session_goes_by_its_instance() {
        let mut record = sample(41, "");
        record.session = None;
        assert_eq!(key(&record), "production");
    }
}
