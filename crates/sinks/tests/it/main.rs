//! Delivery from a real journal: to sinks that follow a script, to strict stubs of what cannot be had, to real receivers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]
#![allow(
    clippy::result_large_err,
    reason = "an answer of a stub is one of axum's"
)]

mod broken;
mod cloud;
mod datadog;
mod docs;
mod engine;
mod kill;
mod official;
mod rsyslog;
mod splunk;
mod stub;
mod support;
