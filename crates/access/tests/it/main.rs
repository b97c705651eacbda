//! The engines against real servers.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see that helpers are tests"
)]

mod escalation;
mod hba;
mod knock;
mod privileges;
mod roles;
mod set_role;
