//! The collector against real servers.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod bytes;
mod common;
mod damage;
mod every_major;
mod hostile_names;
mod privileges;
mod scale;
mod secrets;
mod topology;
