//! A plan: its file, and its renderings for people, for pull requests, for psql, and for managed services.
//!
//! The file is the plan; everything else is for reading, or for those who make the changes by other means than pgattest. Nothing
//! here decides anything: order, statements and risks are the planner's.

pub mod aws;
pub mod html;
mod json;
mod managed;
pub mod markdown;
pub mod sql;
pub mod terraform;
pub mod text;
mod view;

pub use json::{PlanError, SCHEMA, digest, read, schema, write};
