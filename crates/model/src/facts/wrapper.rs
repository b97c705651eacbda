//! The functions that `pgattest grants` makes.

use super::Oid;

/// Stands before a `GRANT` that shows a role more than pgattest needs: there is a way that does not.
pub const BETTER_THAN_A_GRANT: &str = "/* run the SQL of `pgattest grants`, or: */";

/// One function with the name of a wrapper of ours. Whether it is one is told by `fault`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wrapper {
    /// The function.
    pub function: Oid,
    /// Its name in schema `pgattest`, without the schema.
    pub name: String,
    /// Why what it returns is not to be trusted, one clause; `None` when it is exactly the function that this version of
    /// pgattest prints for this server.
    pub fault: Option<String>,
}
