//! The whole tool, as its users run it: the binary against real servers.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see that helpers are tests"
)]

mod access;
mod auditor_role;
mod canary;
mod change_package;
mod changing;
mod errors;
mod grants;
mod hardened;
mod hba;
mod help;
mod hostile;
mod init;
mod ledger;
mod matrix;
mod permissive;
mod plan;
mod prove;
mod prove_logging;
mod secrets;
mod servers;
mod small_collector;
mod story;
mod support;
mod tamper;
mod terminal;
mod trail_archive;
mod trail_audit;
mod trail_beside;
mod trail_desk;
mod trail_faults;
mod trail_keys;
mod trail_operate;
mod trail_rows;
mod trail_run;
mod trail_s3;
mod trail_sinks;
mod trail_unused;
mod validators;
mod waivers;
mod zip_file;
