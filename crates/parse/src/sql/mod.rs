//! SQL as words: a tokeniser that takes whatever a log holds, and patterns over its tokens.
//!
//! Comments, quoting, case, escapes and line ends are what an evader has: none of them survives here. It is no parser: a statement
//! that the server would refuse is cut into tokens all the same, and nothing fails.

mod pattern;
mod token;

pub use pattern::{Pattern, PatternError};
pub use token::{Token, readings, tokens};
