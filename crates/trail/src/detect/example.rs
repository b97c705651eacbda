//! Records that stand beside a rule and for which it has to fire, or not.

use super::engine::{Engine, Memory};
use super::rule::Rule;
use jiff::Timestamp;
use pgattest_parse::audit_log::Record;
use serde::Deserialize;
use std::borrow::Cow;

/// An example.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What it shows.
    pub name: String,
    /// How many alerts it has to raise.
    pub fires: usize,
    /// The records, in order.
    pub records: Vec<ExampleRecord>,
}

/// A record, by the names of the log's columns.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExampleRecord {
    /// RFC 3339.
    #[serde(deserialize_with = "moment")]
    at: Timestamp,
    user: Option<String>,
    database: Option<String>,
    host: Option<String>,
    session: Option<String>,
    command_tag: Option<String>,
    #[serde(default = "success")]
    sqlstate: String,
    message: String,
    detail: Option<String>,
    query: Option<String>,
    #[serde(default = "client")]
    backend_type: String,
    /// So many times, a second apart.
    #[serde(default = "once")]
    times: u32,
}

fn moment<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(serde::de::Error::custom)
}

fn success() -> String {
    "00000".to_owned()
}

fn client() -> String {
    "client backend".to_owned()
}

fn once() -> u32 {
    1
}

impl Rule {
    /// Runs the rule's own examples, each from nothing. The error names the first one that is not as it says.
    pub fn check_examples(&self) -> Result<(), String> {
        for example in &self.examples {
            let mut engine = Engine::new(vec![self.clone()], Memory::default())
                .map_err(|error| error.to_string())?;
            let mut fired = 0;
            let mut number = 0;
            for record in &example.records {
                for time in 0..i64::from(record.times) {
                    fired += engine.decoded(number, &record.build(time * 1000)).len();
                    number += 1;
                }
            }
            if fired != example.fires {
                return Err(format!(
                    "rule `{}`, example `{}`: {fired} alerts, not {}",
                    self.id, example.name, example.fires
                ));
            }
        }
        Ok(())
    }
}

impl ExampleRecord {
    fn build(&self, later: i64) -> Record<'_> {
        let bytes = |text: &'_ Option<String>| -> Option<Cow<'_, [u8]>> {
            text.as_ref()
                .map(|text| Cow::Owned(text.clone().into_bytes()))
        };
        let is_error = !self.sqlstate.starts_with("00");
        Record {
            time_ms: Some(self.at.as_millisecond() + later),
            time: Cow::Owned(self.at.to_string().into_bytes()),
            user: bytes(&self.user),
            database: bytes(&self.database),
            host: bytes(&self.host),
            session: bytes(&self.session).or(Some(Cow::Borrowed(b"6b03e095.2466"))),
            command_tag: bytes(&self.command_tag),
            severity: Some(Cow::Borrowed(if is_error {
                b"FATAL".as_slice()
            } else {
                b"LOG"
            })),
            sqlstate: Some(Cow::Borrowed(self.sqlstate.as_bytes())),
            message: Cow::Borrowed(self.message.as_bytes()),
            detail: bytes(&self.detail),
            statement: bytes(&self.query),
            backend_type: Some(Cow::Borrowed(self.backend_type.as_bytes())),
            ..Record::default()
        }
    }
}
