//! What `pgattest prove logging` answers, for programs.

use super::Class;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The format's name and version.
pub const SCHEMA: &str = "pgattest.prove-logging/1";

/// Canaries, and where each arrived.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// `pgattest.prove-logging/1`.
    pub schema: String,
    /// pgattest's version.
    pub tool_version: String,
    /// The server, as it was connected to.
    pub target: String,
    /// The exit code: 0 everything that is required was found in time, 1 something was not or a secret can be read, 2 it cannot be told.
    pub exit_code: u8,
    /// One for each canary and place.
    pub lines: Vec<ProofLine>,
    /// Classes that could not be tried.
    pub not_tried: Vec<NotTried>,
    /// What is worth knowing of how it was looked.
    pub notes: Vec<String>,
}

/// One canary in one place.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ProofLine {
    /// What was done.
    pub class: Class,
    /// The random mark by which its record is known.
    pub mark: String,
    /// Where it was looked for: `log`, `journal`, or a sink's name.
    pub place: String,
    /// What kind of place that is.
    pub kind: PlaceKind,
    /// Whether it has to be there.
    pub required: bool,
    /// How it was found.
    pub outcome: ProofOutcome,
    /// Wrong fields; why it cannot be told; why it is known not to be there.
    pub why: Vec<String>,
    /// Its record's number in the journal.
    pub record: Option<u64>,
    /// How long after the statement it was seen there, in milliseconds. An upper bound: the first look is when everything has been done,
    /// and a sink is known by the journal's next watermark. Null when it was not.
    pub after_ms: Option<u64>,
    /// How long it was given, in seconds from the statement on.
    pub deadline_seconds: u32,
    /// Whether the made-up secret can be read there. In the server's own log it may be; anywhere else it must not.
    pub secret_readable: bool,
}

/// A kind of place.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceKind {
    /// The server's own log.
    Log,
    /// The collector's journal.
    Journal,
    /// What a sink has confirmed.
    Sink,
}

/// How a canary was found in a place.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofOutcome {
    /// In time, with every field right.
    Found,
    /// With fields that are wrong.
    Wrong,
    /// Not before the deadline.
    Missing,
    /// It cannot be told.
    Unknown,
}

/// A class that could not be tried.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NotTried {
    /// What was not done.
    pub class: Class,
    /// Whether it has to be.
    pub required: bool,
    /// Why not, and what would let it.
    pub why: String,
}

/// The JSON schema of [`Proof`].
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Proof);
    schema.insert(
        "$id".to_owned(),
        "https://pgattest.dev/schema/prove-logging-1.schema.json".into(),
    );
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
