//! A record as the message of a log event.

use crate::record::Record;
use base64::Engine;

/// The message: the fields that every sink has, and the text. CloudWatch Logs Insights finds each of them by name:
/// `stats count_distinct(seq) by instance`.
///
/// A message is UTF-8, a log is not always: where the text lost something, `message_base64` holds the bytes as they are.
pub(super) fn encode(record: &Record) -> Vec<u8> {
    let mut fields = record.fields();
    fields.insert("message".into(), record.text().into_owned().into());
    if record.is_lossy() {
        let exact = base64::engine::general_purpose::STANDARD.encode(record.payload());
        fields.insert("message_base64".into(), exact.into());
    }
    serde_json::Value::Object(fields).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;

    #[test]
    fn bytes_that_are_no_text_are_kept_as_they_are() {
        let mut record = sample(9, "caf\u{e9}");
        let said = String::from_utf8(encode(&record)).unwrap();
        assert!(!said.contains("base64"), "{said}");

        record.bytes = b"caf\xe9, \"x\"\n".to_vec();
        let said: serde_json::Value = serde_json::from_slice(&encode(&record)).unwrap();
        assert_eq!(said["message"], "caf\u{fffd}, \"x\"");
        assert_eq!(said["lossy"], true);
        let exact = base64::engine::general_purpose::STANDARD
            .decode(said["message_base64"].as_str().unwrap())
            .unwrap();
        assert_eq!(exact, b"caf\xe9, \"x\"");
    }
}
