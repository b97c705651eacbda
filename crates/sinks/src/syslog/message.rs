//! A record as a message of RFC 5424.

use crate::record::Record;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// How messages look.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Style {
    /// The facility's number: 13 is "log audit".
    pub facility: u8,
    /// APP-NAME.
    pub app_name: String,
    /// The identifier of the structured data. 32473 is the enterprise number of examples (RFC 5612): put your own organisation's.
    pub sd_id: String,
    /// Bytes of a message. What is longer goes in parts. The receiver's own limit must not be lower: it would cut off.
    pub message_bytes: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            facility: 13,
            app_name: "pgattest".into(),
            sd_id: "pgattest@32473".into(),
            message_bytes: 8 * 1024,
        }
    }
}

/// The least that a message may be limited to: what every receiver takes (RFC 5425, 4.3.1).
pub(crate) const LEAST: usize = 2_048;
/// Severity: informational.
const SEVERITY: u16 = 6;

impl Style {
    /// The message, without framing.
    ///
    /// The text is UTF-8 without a byte order mark: receivers keep the mark as part of the text.
    pub(crate) fn message(&self, record: &Record) -> Vec<u8> {
        let priority = u16::from(self.facility.min(23)) * 8 + SEVERITY;
        let mut text = format!(
            "<{priority}>1 {} {} {} {} {} [{}",
            crate::record::rfc3339(record.at()),
            name(&record.instance, 255),
            name(&self.app_name, 48),
            name(record.session.as_deref().unwrap_or_default(), 128),
            name(record.what.name(), 32),
            sd_name(&self.sd_id),
        );
        for (key, value) in record.fields() {
            let value = match value {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            // Writing into a string does not fail.
            let _ = write!(text, " {key}=\"{}\"", escaped(&value));
        }
        text.push_str("] ");
        text.push_str(&record.text());
        text.into_bytes()
    }
}

/// A field of the header: printable ASCII without blanks, `-` when nothing is left.
fn name(text: &str, longest: usize) -> String {
    let name: String = text
        .chars()
        .map(|c| if c.is_ascii_graphic() { c } else { '_' })
        .take(longest)
        .collect();
    if name.is_empty() { "-".into() } else { name }
}

/// SD-NAME: neither `=`, nor blank, nor `]`, nor `"`; at most 32 characters.
fn sd_name(text: &str) -> String {
    name(text, 32).replace(['=', ']', '"'], "_")
}

/// PARAM-VALUE: `"`, `\` and `]` are escaped (RFC 5424, 6.3.3); control characters are blanks.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '"' | '\\' | ']' => {
                text.push('\\');
                text.push(c);
            }
            c if c.is_control() => text.push(' '),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;

    #[test]
    fn a_message_has_all_that_tells_records_apart() {
        let message = Style::default().message(&sample(41, "select 1"));
        assert_eq!(
            String::from_utf8(message).unwrap(),
            "<110>1 2026-01-01T00:00:00.123Z production pgattest 6907c5a2.1f3 record [pgattest@32473 seq=\"41\" block=\"7\" instance=\"production\" session=\"6907c5a2.1f3\" time=\"2026-01-01T00:00:00.123Z\" format=\"csvlog\" kind=\"record\"] select 1"
        );
    }

    #[test]
    fn a_hostile_name_forges_no_structured_data() {
        let mut record = sample(1, "x");
        record.instance = "a b\n\"] [evil@1 x=\"\\".into();
        record.session = Some(String::new());
        let message = String::from_utf8(Style::default().message(&record)).unwrap();
        assert!(message.contains(" a_b_\"]_[evil@1_x=\"\\ pgattest - record ["));
        assert!(
            message.contains(r#"instance="a b \"\] [evil@1 x=\"\\""#),
            "{message}"
        );
    }
}
