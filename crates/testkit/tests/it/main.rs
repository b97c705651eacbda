//! The testkit against itself: every test here starts real servers.

#![expect(
    clippy::disallowed_methods,
    reason = "psql and openssl are the second opinion"
)]

mod cluster;
mod pooler;
mod settings;
mod sql;
mod standby;
mod tls;
mod traces;
