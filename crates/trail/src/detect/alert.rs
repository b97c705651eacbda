//! An alert.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// How many record numbers an alert carries; `count` has all of them.
pub const RECORDS: usize = 1_000;

/// How bad it is.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look some day.
    Low,
    /// Worth a look this week.
    Medium,
    /// Worth a look today.
    High,
    /// Worth waking somebody.
    Critical,
}

/// What a rule has to say of some records.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Alert {
    /// `pgattest.alert/1`.
    pub schema: String,
    /// The same records and the same rule give the same identifier: whoever gets an alert twice knows it by this.
    pub id: String,
    /// The rule.
    pub rule: String,
    /// What the rule looks for.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// When, by the last record's time, in milliseconds since 1970; absent when no record tells.
    pub at: Option<i64>,
    /// The same as text, UTC.
    pub time: String,
    /// Whose log it is, as the collector calls it.
    pub instance: Option<String>,
    /// What happened, in a sentence.
    pub detail: String,
    /// What the records have in common, by field.
    pub key: BTreeMap<String, String>,
    /// The last record's fields: user, database, host, application, session, statement (the beginning of it).
    pub record: BTreeMap<String, String>,
    /// The numbers of the records, the first thousand.
    pub records: Vec<u64>,
    /// How many records there are.
    pub count: u64,
    /// The proof that the last record is in the journal, when there is one to be had yet.
    pub proof: Option<serde_json::Value>,
}

impl Alert {
    /// The identifier of an alert with these records.
    pub fn identify(rule: &str, records: &[u64], key: &BTreeMap<String, String>) -> String {
        let mut hash = Sha256::new();
        hash.update(b"pgattest.alert/1\0");
        hash.update(rule.as_bytes());
        for record in records {
            hash.update([0]);
            hash.update(record.to_be_bytes());
        }
        for (name, value) in key {
            hash.update([1]);
            hash.update(name.as_bytes());
            hash.update([0]);
            hash.update(value.as_bytes());
        }
        let mut text = hex::encode(hash.finalize());
        text.truncate(32);
        text
    }

    /// One line of JSON, with its line end.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// The JSON schema of [`Alert`].
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Alert);
    schema.insert(
        "$id".to_owned(),
        "https://pgattest.dev/schema/alert-1.schema.json".into(),
    );
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
