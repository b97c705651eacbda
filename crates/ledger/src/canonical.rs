//! Canonical JSON (RFC 8785): one spelling for each value.
//!
//! A file that is read is written again and compared, so a byte that means
//! nothing (a blank, an escape, a duplicate key) cannot be changed unseen.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The largest integer that a double, and so canonical JSON, holds exactly.
const LARGEST_INTEGER: u64 = (1 << 53) - 1;

/// Why a value has no canonical form, or bytes are not in it.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// The value cannot be written as JSON, or the bytes cannot be read as it.
    #[error("not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The bytes are JSON, but not the one spelling of it.
    #[error("not canonical JSON: byte {offset} is not as RFC 8785 writes it")]
    Spelling {
        /// The first byte that differs, from 0.
        offset: usize,
    },
    /// A number that canonical JSON would silently round.
    #[error("the integer {0} cannot be kept exactly; pass it as a string")]
    InexactInteger(String),
}

/// The canonical bytes of `value`.
pub fn to_bytes(value: &impl Serialize) -> Result<Vec<u8>, CanonicalError> {
    let value = serde_json::to_value(value)?;
    refuse_inexact(&value)?;
    let bytes = serde_json_canonicalizer::to_vec(&value)?;
    // What a reader would refuse (nesting too deep for its parser) is not written.
    from_bytes::<Value>(&bytes)?;
    Ok(bytes)
}

/// The canonical text of `value`.
pub fn to_string(value: &impl Serialize) -> Result<String, CanonicalError> {
    let bytes = to_bytes(value)?;
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        CanonicalError::Spelling { offset }
    })
}

/// Reads `bytes`, which have to be canonical, as a `T`.
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CanonicalError> {
    let value: Value = serde_json::from_slice(bytes)?;
    let again = serde_json_canonicalizer::to_vec(&value)?;
    if let Some(offset) = first_difference(bytes, &again) {
        return Err(CanonicalError::Spelling { offset });
    }
    Ok(serde_json::from_value(value)?)
}

/// The first place at which two byte strings differ.
pub fn first_difference(left: &[u8], right: &[u8]) -> Option<usize> {
    if left == right {
        return None;
    }
    let common = left.iter().zip(right).take_while(|(l, r)| l == r).count();
    Some(common)
}

fn refuse_inexact(value: &Value) -> Result<(), CanonicalError> {
    match value {
        Value::Number(number) => {
            let exact = match (number.as_u64(), number.as_i64()) {
                (Some(positive), _) => positive <= LARGEST_INTEGER,
                (None, Some(negative)) => negative.unsigned_abs() <= LARGEST_INTEGER,
                (None, None) => true,
            };
            if exact {
                Ok(())
            } else {
                Err(CanonicalError::InexactInteger(number.to_string()))
            }
        }
        Value::Array(items) => items.iter().try_for_each(refuse_inexact),
        Value::Object(fields) => fields.values().try_for_each(refuse_inexact),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{CanonicalError, from_bytes, to_string};
    use serde_json::{Value, json};

    #[track_caller]
    fn refused(text: &str) {
        assert!(from_bytes::<Value>(text.as_bytes()).is_err(), "{text}");
    }

    #[test]
    fn keys_numbers_and_escapes_follow_the_rfc() {
        // RFC 8785, sections 3.2.2 and 3.2.3.
        let value: Value = serde_json::from_str(
            r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],
                "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
                "literals":[null,true,false]}"#,
        )
        .unwrap();
        assert_eq!(
            to_string(&value).unwrap(),
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
             \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
        );
        let value = json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
        assert_eq!(
            to_string(&value).unwrap(),
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}"
        );
    }

    #[test]
    fn what_is_written_can_be_read() {
        let value = json!({"a": [1, -2, 0.1, 1e300, "x\n"], "b": {}});
        let text = to_string(&value).unwrap();
        assert_eq!(from_bytes::<Value>(text.as_bytes()).unwrap(), value);
    }

    #[test]
    fn a_second_spelling_is_refused() {
        refused(r#"{"a":1} "#);
        refused(r#"{ "a":1}"#);
        refused(r#"{"b":1,"a":2}"#);
        refused(r#"{"a":1,"a":1}"#);
        refused(r#"{"a":1.0}"#);
        refused(r#"{"a":-0}"#);
        refused(r#"{"a":1e2}"#);
        refused(r#"{"a":"\u0041"}"#);
        refused(r#"{"a":"\/"}"#);
        refused(r#"{"a":9007199254740993}"#);
        refused(r#"{"a":"\ud800"}"#);
        refused("{\"a\":1}\u{0}");
        refused("\u{feff}{}");
        refused("");
        refused(&"[".repeat(100_000));
    }

    #[test]
    fn an_integer_that_would_be_rounded_is_refused_when_written() {
        let identifier = 7_412_345_678_901_234_567_u64;
        assert!(matches!(
            to_string(&json!({"system_identifier": identifier})),
            Err(CanonicalError::InexactInteger(text)) if text == identifier.to_string()
        ));
        assert!(to_string(&json!([i64::MIN])).is_err());
        assert_eq!(
            to_string(&json!(9_007_199_254_740_991_i64)).unwrap(),
            "9007199254740991"
        );
    }

    #[test]
    fn nesting_that_no_reader_accepts_is_not_written() {
        let mut value = json!(0);
        for _ in 0..200 {
            value = json!([value]);
        }
        assert!(to_string(&value).is_err());
    }
}
