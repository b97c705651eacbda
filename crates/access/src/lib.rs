//! Pure engines over facts: the role graph, effective privileges, ways to superuser, and `pg_hba.conf` first match.
//!
//! All answer what the server would answer, from what was collected: no connection, no clock, no environment. Where the facts
//! cannot decide (a host name, an oddly built regular expression, an object nobody listed) the answer says so and never turns
//! into "no".

pub mod escalation;
pub mod hba;
pub mod ident;
pub mod privileges;
pub mod roles;

pub use privileges::{Object, Privileges, Right, Rights};
pub use roles::{Hop, How, Path, RoleGraph, RoleSet, Route, Step, View};
