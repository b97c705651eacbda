//! The plan file: `"schema": "pgattest.plan/1"`.
//!
//! `docs/schema/plan-1.schema.json` is generated from [`Document`]. A plan is immutable: `digest` is the SHA-256 of everything else
//! in the file, as canonical JSON (RFC 8785), so layout does not count and every value does. Whoever reads a plan refuses what it
//! does not understand whole: half a plan is another plan.

mod document;
mod from_model;
mod to_model;

use crate::json::pretty;
use document::Document;
use pgattest_model::Plan;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The value of `schema` in every plan file of this version.
pub const SCHEMA: &str = "pgattest.plan/1";

/// Writes a plan: indented, in a fixed order, ASCII escapes for invisible characters, and a newline at the end. The same plan gives
/// the same bytes.
pub fn write(plan: &Plan) -> String {
    pretty(&sealed(plan))
}

/// The digest that stands in the plan's file: SHA-256, hex.
pub fn digest(plan: &Plan) -> String {
    sealed(plan).digest
}

/// Reads a plan file: the plan and its digest.
///
/// # Errors
///
/// What is no plan, was made by another version, or is not as it was made, see [`PlanError`].
pub fn read(text: &str) -> Result<(Plan, String), PlanError> {
    let value: Value = serde_json::from_str(text).map_err(PlanError::NotJson)?;
    match value.get("schema") {
        Some(Value::String(schema)) if schema == SCHEMA => {}
        Some(Value::String(schema)) if schema.starts_with("pgattest.plan/") => {
            return Err(PlanError::OtherVersion(schema.clone()));
        }
        Some(other) => return Err(PlanError::NotAPlan(format!("its `schema` is {other}"))),
        None => return Err(PlanError::NotAPlan("it has no `schema`".to_owned())),
    }
    let claimed = match value.get("digest") {
        Some(Value::String(claimed)) => claimed.clone(),
        _ => return Err(PlanError::NotAPlan("it has no `digest`".to_owned())),
    };
    if digest_of(&value) != claimed {
        return Err(PlanError::Edited);
    }
    // Again from the text, so that an error has a place; this also refuses a key that stands there twice.
    let document: Document = serde_json::from_str(text).map_err(PlanError::Shape)?;
    let understood = serde_json::to_value(&document).unwrap_or_default();
    if let Some(path) = difference(&value, &understood) {
        return Err(PlanError::NotUnderstood(path));
    }
    let plan = to_model::plan(document)?;
    Ok((plan, claimed))
}

/// Why a plan file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// No JSON.
    #[error("the plan is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// JSON, but something else.
    #[error("this is not a plan: {0}")]
    NotAPlan(String),
    /// A plan of a version that this program does not know.
    #[error("the plan is written as `{0}`, and this version of pgattest reads `{SCHEMA}`")]
    OtherVersion(String),
    /// The digest is not that of the content.
    #[error(
        "the plan was changed after it was made: its content does not have the digest that it states"
    )]
    Edited,
    /// The digest is right and the content is not of the schema.
    #[error("the plan is not of its schema: {0}")]
    Shape(#[source] serde_json::Error),
    /// It holds more than this version understands.
    #[error("the plan holds something that this version of pgattest does not know, at `{0}`")]
    NotUnderstood(String),
    /// A value that nothing in a plan can have.
    #[error("the plan has `{value}` as {what}")]
    Value {
        /// What it should be.
        what: &'static str,
        /// What it is.
        value: String,
    },
}

impl PlanError {
    /// What to do next.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NotJson(_) | Self::NotAPlan(_) => {
                "name the file that `pgattest plan --out FILE` wrote"
            }
            Self::OtherVersion(_) | Self::NotUnderstood(_) => {
                "use the version of pgattest that made the plan, or plan again with this one"
            }
            Self::Edited | Self::Shape(_) | Self::Value { .. } => {
                "a plan is not edited: change the policy, or leave checks out with --only and --except, and run `pgattest plan` again"
            }
        }
    }
}

/// The JSON Schema (2020-12) of a plan file. Ends with a newline.
pub fn schema() -> String {
    let generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    pretty(&generator.into_root_schema_for::<Document>())
}

fn sealed(plan: &Plan) -> Document {
    let mut document = from_model::document(plan);
    document.digest = serde_json::to_value(&document)
        .map(|value| digest_of(&value))
        .unwrap_or_default();
    document
}

/// SHA-256 of the canonical JSON of everything but `digest`.
fn digest_of(value: &Value) -> String {
    let mut value = value.clone();
    if let Value::Object(members) = &mut value {
        members.shift_remove("digest");
    }
    // Fails for numbers beyond what JSON can say only, of which a value read from JSON has none: then no digest is right.
    serde_json_canonicalizer::to_vec(&value)
        .map(|bytes| hex::encode(Sha256::digest(bytes)))
        .unwrap_or_default()
}

/// Where two values differ first, as a JSON pointer.
fn difference(read: &Value, understood: &Value) -> Option<String> {
    match (read, understood) {
        (Value::Object(read), Value::Object(understood)) => {
            let missing = read.keys().find(|key| !understood.contains_key(*key));
            if let Some(key) = missing {
                return Some(format!("/{key}"));
            }
            understood
                .iter()
                .find_map(|(key, value)| match read.get(key) {
                    None => Some(format!("/{key}")),
                    Some(other) => difference(other, value).map(|rest| format!("/{key}{rest}")),
                })
        }
        (Value::Array(read), Value::Array(understood)) if read.len() == understood.len() => read
            .iter()
            .zip(understood)
            .enumerate()
            .find_map(|(at, (read, understood))| {
                difference(read, understood).map(|rest| format!("/{at}{rest}"))
            }),
        _ => (read != understood).then(String::new),
    }
}

#[cfg(test)]
mod tests;
