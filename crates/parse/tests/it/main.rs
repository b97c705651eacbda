//! The parsers against real servers' own views of the same files.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "clippy.toml allows it in tests, but does not see that helpers are tests; tests write the files that servers read"
)]

mod audit_log;
mod conf;
mod connection_log;
mod disk;
mod hba;
mod ident;
mod redact;
