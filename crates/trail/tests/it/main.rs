//! The audit trail's tests, one binary.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see that helpers are tests"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "other people's tools are the second opinion"
)]

mod capture;
mod completeness;
mod detect;
mod journal;
