//! Text to values. Pure, and never panics: bad input is an error with its place.

pub mod policy;
