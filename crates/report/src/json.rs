//! The public, versioned contract: `"schema": "pgattest.audit/1"`.
//!
//! `docs/schema/audit-1.schema.json` is generated from [`Document`]. Within version 1 fields may be added; none is
//! removed, renamed or given another meaning. A reader ignores fields that it does not know.

mod build;
mod diff;
mod document;
mod escape;
mod waivers;

pub(crate) use escape::pretty;

pub use diff::{Difference, ParseError, diff};
pub use document::{
    Check, Checklist, Control, Criterion, CriterionCheck, DiagnosticWord, Document, Finding,
    FindingCounts, NotVisible, Observation, Outcome, Place, PolicyDiagnostic, PolicySource,
    Population, SeverityWord, Subject, SubjectKind, Summary, Target, Tool, Unseen, VerdictCounts,
    VerdictWord, Waiver, WaiverCounts, WaiverWord,
};

use pgattest_model::Audit;
use schemars::generate::SchemaSettings;

/// The value of `schema` in every document of this version.
pub const SCHEMA: &str = "pgattest.audit/1";

/// Renders an audit as JSON: indented, in a fixed order, ASCII escapes for invisible characters, and a newline at the end.
/// The same audit gives the same bytes.
pub fn render(audit: &Audit) -> String {
    pretty(&build::document(audit))
}

/// The JSON Schema (2020-12) of [`render`]'s output. Ends with a newline.
pub fn schema() -> String {
    let generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    pretty(&generator.into_root_schema_for::<Document<'static>>())
}
