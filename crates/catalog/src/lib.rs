//! The catalog queries and the decoders of what they return.
//!
//! Pure: text in, text or facts out. One file of SQL a fact group (`sql/<group>.sql`), one row in [`GROUPS`]; the columns of
//! each query are the fields of the row type in `pgattest_model::facts` that [`decode`] reads it into.
//!
//! The way through this crate: [`GROUPS`] says what is asked, [`render`] gives the statement for one server version,
//! [`copy_statement`] makes it a raw CSV result, [`decode`] turns the recorded results into facts, and [`transcript`] writes
//! the record down and reads it back.
//!
//! A role that may see little asks some groups through functions that run as a superuser: [`Wrapper`] says which, [`auditor`]
//! prints the SQL that makes them, and [`Routes`] decides whether those that stand in a database are to be trusted.

pub mod auditor;
mod decode;
mod groups;
mod render;
mod rows;
pub mod trail;
pub mod transcript;
pub mod wire;
mod wrapper;

pub use decode::decode;
pub use groups::{GROUPS, Group, Scope, door, groups_of};
pub use render::{copy_statement, copy_statement_unconverted, render};
pub use rows::count_rows;
pub use wrapper::{Routes, SCHEMA, Wrapper};
