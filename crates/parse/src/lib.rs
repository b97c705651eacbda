//! Text to values. Pure, and never panics: bad input is an error with its place.

pub mod acl;
pub mod are;
pub mod audit_log;
pub mod auth_file;
pub mod conf;
pub mod connection_log;
pub mod hba;
pub mod ident;
pub mod policy;
pub mod sql;
