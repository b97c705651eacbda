//! The audit trail's tests, one binary.

mod journal;
