//! `apply/verification.json` of an evidence package: whether a plan held.

use pgattest_model::Held;
use pgattest_model::plan::Closes;
use schemars::JsonSchema;
use serde::Serialize;

/// The version of this contract.
pub const SCHEMA: &str = "pgattest.verification/1";

/// A plan's claims against the verdicts before and after it.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(title = "pgattest verification")]
pub struct Document<'a> {
    /// The version of this contract.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: &'static str,
    /// The digest that the plan names itself by, hexadecimal.
    pub plan: &'a str,
    /// Whether every claim holds and nothing that passed fails.
    pub held: bool,
    /// Findings that the plan claimed to close, and that are gone.
    pub closed: Vec<Finding<'a>>,
    /// Findings that it claimed to close, and that are not seen to be gone.
    pub not_closed: Vec<Finding<'a>>,
    /// Checks that passed before and fail now.
    pub broken: &'a [String],
    /// Findings that were not there before, of checks that did not pass before.
    pub appeared: Vec<Finding<'a>>,
}

/// One finding.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Finding<'a> {
    /// The check.
    pub check: &'a str,
    /// The kind of its subject.
    pub kind: &'static str,
    /// The database it lives in; null for what the cluster shares.
    pub database: Option<&'a str>,
    /// Its subject.
    pub subject: &'a str,
    /// Its name across audits.
    pub fingerprint: &'a str,
}

/// Renders the document. Ends with a newline.
pub fn render(plan: &str, held: &Held) -> String {
    let document = Document {
        schema: SCHEMA,
        plan,
        held: held.is_good(),
        closed: findings(&held.closed),
        not_closed: findings(&held.not_closed),
        broken: &held.broken,
        appeared: findings(&held.appeared),
    };
    // Strings and booleans always have a form in JSON.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

/// The schema of the document.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Document<'static>)
}

fn findings(list: &[Closes]) -> Vec<Finding<'_>> {
    list.iter()
        .map(|closes| Finding {
            check: &closes.check,
            kind: closes.subject.kind.as_str(),
            database: closes.subject.database.as_deref(),
            subject: &closes.subject.name,
            fingerprint: &closes.fingerprint.0,
        })
        .collect()
}
