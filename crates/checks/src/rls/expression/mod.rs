//! What a policy's expression comes out as, for a row of one tenant in a session of another or of none.
//!
//! The server deparses the expression (`pg_get_expr`); this module reads that text and evaluates it in three-valued logic, with
//! failure as the fourth outcome. The answer is the set of outcomes that are possible. What is not understood can come out as
//! anything: an answer may be wide, never wrong. One convention: a call whose body is not known is taken not to fail.

mod evaluate;
mod link;
mod outcomes;
mod parse;
mod scenario;
mod token;
mod tree;
mod value;

pub use outcomes::Outcomes;
pub use scenario::{Scenario, Session, Sources, State, Tenant};

use std::collections::BTreeSet;
use tree::Expr;

/// An expression that was read. Reading never fails: a part that is not understood stays opaque.
#[derive(Clone, Debug)]
pub struct Expression(Expr);

impl Expression {
    /// Reads an expression as the server writes it.
    pub fn read(text: &str) -> Self {
        Self(parse::expression(text))
    }

    /// Reads the body of a function that is one `SELECT` or `RETURN` of an expression; `None` when it is anything else.
    pub fn read_body(text: &str) -> Option<Self> {
        parse::body(text).map(Self)
    }

    /// What the expression can come out as, as a condition.
    pub fn outcomes(&self, scenario: &Scenario<'_>) -> Outcomes {
        evaluate::condition(&self.0, scenario)
    }

    /// Adds the settings and functions that the expression compares the tenant column with: they say who the tenant is.
    pub fn link(&self, table: &str, tenant_column: &str, sources: &mut Sources) {
        link::link(&self.0, table, tenant_column, sources);
    }

    /// Calls and queries whose results are not known from the expression, as written; each once, in order.
    pub fn unknown_parts(&self, sources: &Sources) -> Vec<String> {
        link::unknown_parts(&self.0, sources)
    }

    /// The application's own settings that it reads, itself or in functions whose bodies are known. In lower case.
    pub fn settings(&self, sources: &Sources) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        link::settings(&self.0, sources, &mut found);
        found
    }
}
