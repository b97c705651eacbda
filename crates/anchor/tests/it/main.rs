//! Anchors: from somebody else's witness, from `openssl ts`, and from second keys that `openssl` and moto have.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see that helpers are tests"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "the witness and the authority are other people's programs"
)]

mod second;
mod stamping;
mod support;
mod witnessing;
