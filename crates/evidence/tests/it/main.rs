//! The evidence package as a whole: real files, real keys, other people's tools.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see that helpers are tests"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "ssh-keygen and Python are the second opinion"
)]

mod faults;
mod keys;
mod ledger;
mod round_trip;
mod support;
mod tamper;
mod third_party;
