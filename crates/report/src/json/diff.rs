//! What differs between a stored document and one recomputed from the same observations.
//!
//! Strict: every difference counts except those in [`IGNORED`], also a field that this version does not know. Checks,
//! controls, findings and observations are matched by their names, so that one missing entry is one difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use pgattest_model::ident::visible;
use serde_json::{Map, Value};

use super::SCHEMA;

/// Paths that may differ: a package is verified by other versions of the tool than the one that made it.
const IGNORED: [&str; 1] = ["/tool/version"];
/// Characters shown of a value.
const SHOWN: usize = 120;

/// One thing that the stored document says and the recomputed one does not, or the other way round.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// Where, as a JSON pointer; entries of lists by name: `/checks/ROL-01/verdict`.
    pub path: String,
    /// What, in words: `ROL-01: stored pass, recomputed fail`.
    pub words: String,
}

/// A document that cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// It is not JSON.
    #[error("the {which} document is not JSON")]
    Json {
        /// `stored` or `recomputed`.
        which: &'static str,
        /// What is wrong and where.
        #[source]
        source: serde_json::Error,
    },
    /// It is JSON, but not of this contract.
    #[error(
        "the {which} document has `\"schema\": {found}`, expected `\"{SCHEMA}\"`: use the version of pgattest that made it"
    )]
    Schema {
        /// `stored` or `recomputed`.
        which: &'static str,
        /// What it says instead; `null` when it says nothing.
        found: String,
    },
}

/// Every difference between two documents of this contract, in the order of the stored one. Empty only when they agree.
pub fn diff(stored: &str, recomputed: &str) -> Result<Vec<Difference>, ParseError> {
    let old = parse("stored", stored)?;
    let new = parse("recomputed", recomputed)?;
    let mut comparison = Comparison::default();
    comparison.values(&Place::default(), &old, &new);
    if old == new && stored != recomputed {
        comparison.found(
            &Place::default(),
            "same values in other bytes: whitespace, escapes, the order of fields, or a field given twice",
        );
    }
    Ok(comparison.differences)
}

fn parse(which: &'static str, text: &str) -> Result<Value, ParseError> {
    let value: Value =
        serde_json::from_str(text).map_err(|source| ParseError::Json { which, source })?;
    match value.get("schema") {
        Some(Value::String(schema)) if schema == SCHEMA => Ok(value),
        other => Err(ParseError::Schema {
            which,
            found: shown(other.unwrap_or(&Value::Null)),
        }),
    }
}

/// Where the comparison stands: a pointer for machines, a name for people, and the fields since that name.
#[derive(Clone, Default)]
struct Place {
    pointer: String,
    name: String,
    fields: String,
}

impl Place {
    fn field(&self, key: &str) -> Self {
        let pointer = format!(
            "{}/{}",
            self.pointer,
            key.replace('~', "~0").replace('/', "~1")
        );
        let dot = if self.fields.is_empty() { "" } else { "." };
        Self {
            pointer,
            name: self.name.clone(),
            fields: format!("{}{dot}{key}", self.fields),
        }
    }

    fn entry(&self, key: &str, list: &str) -> Self {
        let name = match list {
            "checks" if self.name.is_empty() => key.to_owned(),
            "checks" => format!("{}, {key}", self.name),
            "findings" => format!("{}, finding {key}", self.name),
            "checklist" => format!("point `{key}` of the checklist"),
            "controls" => format!("control `{key}`"),
            "criteria" => format!("criterion {key}"),
            _ => format!("observation {key}"),
        };
        Self {
            name,
            fields: String::new(),
            ..self.field(key)
        }
    }

    fn words(&self) -> String {
        let place = match (self.name.as_str(), self.fields.as_str()) {
            ("", "") => "the document".to_owned(),
            ("", fields) => format!("`{fields}`"),
            // The verdict is what an entry is about.
            (name, "" | "verdict") => name.to_owned(),
            (name, fields) => format!("{name}, `{fields}`"),
        };
        visible(&place)
    }
}

#[derive(Default)]
struct Comparison {
    differences: Vec<Difference>,
}

impl Comparison {
    fn found(&mut self, place: &Place, what: impl fmt::Display) {
        if !IGNORED.contains(&place.pointer.as_str()) {
            self.differences.push(Difference {
                path: place.pointer.clone(),
                words: format!("{}: {what}", place.words()),
            });
        }
    }

    fn values(&mut self, place: &Place, old: &Value, new: &Value) {
        match (old, new) {
            _ if old == new => {}
            (Value::Object(old), Value::Object(new)) => self.objects(place, old, new),
            (Value::Array(old), Value::Array(new)) => self.lists(place, old, new),
            _ => self.found(
                place,
                format_args!("stored {}, recomputed {}", shown(old), shown(new)),
            ),
        }
    }

    fn objects(&mut self, place: &Place, old: &Map<String, Value>, new: &Map<String, Value>) {
        for (key, value) in old {
            let place = place.field(key);
            match new.get(key) {
                Some(other) => self.values(&place, value, other),
                None => self.found(
                    &place,
                    format_args!("stored {}, not recomputed", shown(value)),
                ),
            }
        }
        for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
            self.found(
                &place.field(key),
                format_args!("recomputed {}, not stored", shown(value)),
            );
        }
    }

    fn lists(&mut self, place: &Place, old: &[Value], new: &[Value]) {
        let list = place
            .pointer
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        match key_of(&list).and_then(|key| Some((by_name(old, key)?, by_name(new, key)?))) {
            Some((old_named, new_named)) => self.named(place, &list, &old_named, &new_named),
            None => self.positional(place, old, new),
        }
    }

    fn named(&mut self, place: &Place, list: &str, old: &[(&str, &Value)], new: &[(&str, &Value)]) {
        let before = self.differences.len();
        let recomputed: BTreeMap<&str, &Value> = new.iter().copied().collect();
        let stored: BTreeSet<&str> = old.iter().map(|(name, _)| *name).collect();
        for (name, value) in old {
            let place = place.entry(name, list);
            match recomputed.get(name) {
                Some(other) => self.values(&place, value, other),
                None => self.found(&place, "stored, not recomputed"),
            }
        }
        for (name, _) in new.iter().filter(|(name, _)| !stored.contains(name)) {
            self.found(&place.entry(name, list), "recomputed, not stored");
        }
        if before == self.differences.len() {
            // The lists differ, yet no entry does.
            self.found(place, "the same entries in another order");
        }
    }

    fn positional(&mut self, place: &Place, old: &[Value], new: &[Value]) {
        for (index, (old, new)) in old.iter().zip(new).enumerate() {
            self.values(&place.field(&index.to_string()), old, new);
        }
        for (index, value) in old.iter().enumerate().skip(new.len()) {
            self.found(
                &place.field(&index.to_string()),
                format_args!("stored {}, not recomputed", shown(value)),
            );
        }
        for (index, value) in new.iter().enumerate().skip(old.len()) {
            self.found(
                &place.field(&index.to_string()),
                format_args!("recomputed {}, not stored", shown(value)),
            );
        }
    }
}

/// The field that names the entries of a list.
fn key_of(list: &str) -> Option<&'static str> {
    match list {
        "checks" | "criteria" | "observations" => Some("id"),
        "findings" => Some("fingerprint"),
        "checklist" | "controls" => Some("name"),
        _ => None,
    }
}

/// The entries with their names; `None` when one has none or two have the same, and only their positions tell them apart.
fn by_name<'a>(list: &'a [Value], key: &str) -> Option<Vec<(&'a str, &'a Value)>> {
    let named: Vec<(&str, &Value)> = list
        .iter()
        .map(|entry| Some((entry.get(key)?.as_str()?, entry)))
        .collect::<Option<_>>()?;
    let names: BTreeSet<&str> = named.iter().map(|(name, _)| *name).collect();
    (names.len() == named.len()).then_some(named)
}

/// A value on one line: words bare, anything else as JSON, cut when long.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(word)
            if !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_') =>
        {
            word.replace('_', " ")
        }
        other => other.to_string(),
    };
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    visible(&shown)
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}
