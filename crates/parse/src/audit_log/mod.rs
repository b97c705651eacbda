//! The server's log as an audit trail: bytes to records, records to fields, fields to what pgaudit and the authentication said.
//!
//! Bytes are kept as they are: a log holds what clients sent, in any encoding. Nothing here fails and nothing is skipped: what
//! cannot be a record is a [`Cut::Torn`] piece with a reason, and all pieces together are the log, byte for byte.
//!
//! | module | subject |
//! |---|---|
//! | [`format`] | which form a log has, by its content |
//! | [`split`] | where records begin and end |
//! | [`record`] | the fields of a record, one type for every form |
//! | [`pgaudit`] | the record within a record |
//! | [`cloud_sql`] | Google's entries, and their chunks put together |
//! | [`authentication`] | who tried to come in, and how it ended |
//! | [`redact`] | secrets taken out, before anything is written |

pub mod authentication;
mod clock;
pub mod cloud_sql;
mod csvlog;
pub mod format;
mod jsonlog;
mod logtofile;
mod object;
pub mod pgaudit;
pub mod record;
pub mod redact;
mod scan;
pub mod split;
mod stderr;

pub use format::{Detected, Format};
pub use record::{Decoder, Record, decode};
pub use split::{Cut, Splitter, TornReason};
