//! What a collector was told to do, as its journal says it: names, kinds and places, never a secret.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A configuration. A journal of a version that did not write it says nothing of it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Where it ships to, by name.
    pub sinks: BTreeMap<String, ToldSink>,
    /// The names of the rules that look, in the order of the alphabet.
    pub rules: Vec<String>,
    /// The places that alerts go to.
    pub alerts: Vec<String>,
    /// The archive that it makes; `None`: it makes none.
    pub archive: Option<ToldArchive>,
    /// Who else is asked to confirm the journal's head: witnesses and time-stamping authorities, by name.
    pub anchors: Vec<String>,
}

/// A sink of a configuration.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ToldSink {
    /// The kind: `splunk-hec`.
    pub kind: String,
    /// Where to, for people: a host, a bucket, a file.
    pub place: String,
    /// Seconds within which it has to confirm a canary's record; `None`: nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_seconds: Option<u32>,
}

/// An archive of a configuration.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ToldArchive {
    /// Where it is.
    pub place: String,
    /// Days that every record is kept at least.
    pub retention_days: u32,
    /// Days after which records have to go; `None`: they may stay.
    pub maximum_days: Option<u32>,
}
