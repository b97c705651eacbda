//! FUN: functions.

mod callers;
mod definer_search_path;

pub use definer_search_path::DefinerSearchPath;
