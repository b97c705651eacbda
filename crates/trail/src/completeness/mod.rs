//! What the log proves of its own completeness.
//!
//! PostgreSQL numbers the records of each session and destination from 1 without a gap. So a missing record shows, and so does a
//! forged one. What no number shows (the end of a session, a whole session, what was never logged) is looked for by other means,
//! and each result says how far it reaches.
//!
//! The engine is pure: records and leaves in, findings out. It reads no clock; time is the records' and the leaves' own. Its state can
//! be saved after any record and gone on with later. What it remembers grows with open sessions, findings and hours, not with
//! records.
//!
//! | module | subject |
//! |---|---|
//! | [`input`] | what is told beside the trail: settings, live sessions, row counts |
//! | [`tracker`] | the engine |
//! | [`sessions`] | line numbers, ends without a disconnection |
//! | [`holes`] | missing line numbers, until records that come late fill them |
//! | [`connections`] | how each connection ended |
//! | [`auditing`] | when pgaudit or the log was weakened |
//! | [`settings`] | which setting a record says was changed |
//! | [`volume`] | hours of silence, clocks set back |
//! | [`collector`] | the collector's own gaps |
//! | [`changes`] | rows changed against rows audited |
//! | [`result`] | [`Completeness`], in text and JSON |
//! | [`summary`] | what an auditor would ask of a period |
//! | [`source`] | feeding it from a journal or from log files |

pub mod auditing;
pub mod changes;
pub mod collector;
pub mod connections;
mod copied;
mod holes;
pub mod input;
pub mod result;
pub mod sessions;
pub mod settings;
pub mod source;
pub mod summary;
mod text;
pub mod tracker;
mod unfinished;
pub mod volume;

pub use input::Options;
pub use result::{Completeness, Finding, Kind, Weight, schema};
pub use source::{Period, SourceError};
pub use summary::Summary;
pub use tracker::{State, Tracker};
