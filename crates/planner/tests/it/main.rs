//! Plans against real servers.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "clippy.toml allows it in tests, but does not see that helpers are tests; tests talk to servers, the crate does not"
)]

mod hba;
