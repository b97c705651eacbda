//! The words of an audit, as types.
//!
//! Pure: no clock, no environment, no filesystem, no network. Everything else in pgattest speaks in these types; GLOSSARY.md
//! has one line for each word.

pub mod assessment;
pub mod collected;
pub mod control;
pub mod criterion;
pub mod crosswalk;
pub mod date;
pub mod diagnostic;
pub mod facts;
pub mod finding;
pub mod held;
pub mod ident;
pub mod meta;
pub mod observation;
pub mod pattern;
pub mod plan;
pub mod policy;
pub mod severity;
pub mod verdict;
pub mod version;
pub mod waiver;

pub use assessment::{
    Assessment, Audit, CheckResult, ControlResult, NotVisible, Run, TargetIdentity,
};
pub use collected::{Collected, Missing, Seen};
pub use control::{Control, ControlStatus};
pub use criterion::Criterion;
pub use crosswalk::Crosswalk;
pub use date::{Date, instant};
pub use diagnostic::{Diagnostic, DiagnosticLevel};
pub use facts::Facts;
pub use finding::{Finding, Fingerprint, Subject, SubjectKind};
pub use held::Held;
pub use meta::{Area, Meta, Responsibility};
pub use observation::{Observation, ObservationId, Outcome};
pub use pattern::ObjectPattern;
pub use plan::Plan;
pub use policy::{Place, Policy};
pub use severity::Severity;
pub use verdict::{Population, Status, Verdict};
pub use version::ServerVersion;
pub use waiver::{Covered, Covers, Waiver, WaiverResult, WaiverState};
