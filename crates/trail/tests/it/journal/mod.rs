//! The journal: what is written is read back, whatever happened in between.

mod round_trip;
mod support;
