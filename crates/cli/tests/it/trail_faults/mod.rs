//! `pgattest trail run` beside a real server, while one of them is killed, loses files, or has no room: nothing is lost that a file
//! still held, nothing is sealed or archived twice, and what the source lost is told.

#![allow(
    clippy::print_stdout,
    reason = "the seed and the counts are for whoever looks into a failure"
)]

mod clock;
mod delivery;
mod loss;
mod ordeal;
mod rights;
mod scene;
mod sealed;
mod source;
mod volumes;
