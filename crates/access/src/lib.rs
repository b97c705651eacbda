//! Pure engines over facts: the role graph and `pg_hba.conf` first match.
//!
//! Both answer what the server would answer, from what was collected: no connection, no clock, no environment. Where the
//! facts cannot decide (a host name, an oddly built regular expression) the answer says so and never turns into "no".

pub mod hba;
pub mod roles;

pub use roles::{Hop, Path, RoleGraph, RoleSet};
