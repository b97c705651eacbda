//! Against real servers, and against libpq itself.

// clippy spares only functions marked as tests, not their helpers; and here psql and openssl are
// started, to compare with.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod beside_sql;
mod files;
mod hosts;
mod libpq;
mod login;
mod other_role;
mod pooler;
mod probe;
mod probe_bad_peers;
mod resolve;
mod session;
mod support;
mod tls;
