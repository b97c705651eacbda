//! Anchors, from somebody else's witness and from `openssl ts`.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see that helpers are tests"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "the witness and the authority are other people's programs"
)]

mod stamping;
mod support;
mod witnessing;
