//! Capture, on crafted files: what rotation, truncation, deletion and crashes do to a journal.

mod deletion;
mod desk;
mod memory;
mod rotation;
mod troubles;
mod truncation;
