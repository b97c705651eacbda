//! Where the audit trail is shipped to: one file a sink, and what delivers to all of them.
//!
//! ```text
//! journal ─source─▶ records ─encode─▶ batch within the sink's limits ─deliver─▶ answer ─▶ cursor, watermark leaf
//!                                                                            └▶ back-off, bisection, dead letter
//! ```
//!
//! A sink ([`Sink`]) knows one protocol: how a record looks on the wire, how much a batch may hold, and what an answer means.
//! The [`engine`] knows everything else: where each sink stands, what is tried again and when, what is given up and where that is
//! written down. Delivery is at-least-once; every record carries its number, by which duplicates are told at query time.

pub mod alert;
mod aws;
pub mod bucket;
pub mod config;
pub mod engine;
pub mod evidence;
mod http;
pub mod kms;
pub mod record;
mod secret;
pub mod sink;
mod tls;

pub mod cloudwatch;
pub mod datadog;
pub mod file;
pub mod kafka;
pub mod otlp;
pub mod relp;
pub mod s3;
pub mod splunk;
pub mod stdout;
pub mod syslog;

pub use aws::AwsOptions;
pub use config::{Config, Name, Sinks};
pub use engine::{Delivery, Options};
pub use evidence::SinkEvidence;
pub use http::HttpOptions;
pub use record::{Batch, Item, Part, Record, What, WholeBlock};
pub use secret::{Secret, SecretFrom};
pub use sink::{Answer, Limits, OpenError, Refusal, Sink, Task};
pub use tls::TlsOptions;
