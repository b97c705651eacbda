//! The archive's tests, one binary.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see that helpers are tests"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "other people's engines are the second opinion"
)]

mod compacting;
mod damage;
mod faults;
mod making;
mod oracle;
mod questions;
mod s3;
mod support;
mod task;
mod unused;
