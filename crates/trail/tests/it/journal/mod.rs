//! The journal: what is written is read back, whatever happened in between.

mod faults;
mod lost_flush;
mod model;
mod proofs;
mod pruning;
mod rotation;
mod round_trip;
mod support;
mod tamper;
mod third_party;
