//! Who looks at whose row.

use super::Expression;
use std::collections::{BTreeMap, BTreeSet};

/// One of two tenants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tenant {
    /// The tenant of the session, when it has one.
    Own,
    /// Another one.
    Foreign,
}

/// What is known about a setting of the session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It was never set: `current_setting` fails, or returns NULL when it was told to.
    Unset,
    /// It is the empty string: what `SET LOCAL` leaves behind when its transaction has ended.
    Empty,
    /// It names this tenant.
    Is(Tenant),
    /// It may be anything.
    Anything,
}

/// The settings of a session.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// Settings and functions that say who the tenant is.
    pub tenant: State,
    /// The application's other settings.
    pub others: State,
}

impl Session {
    /// A session of a tenant.
    pub const TENANT: Self = Self {
        tenant: State::Is(Tenant::Own),
        others: State::Anything,
    };
    /// A session in which nobody has set anything.
    pub const UNSET: Self = Self {
        tenant: State::Unset,
        others: State::Unset,
    };
    /// A session whose transaction with `SET LOCAL` of the tenant has ended.
    pub const EMPTIED: Self = Self {
        tenant: State::Empty,
        others: State::Unset,
    };
}

/// Where a database's policies take the tenant from, and what is known about the functions that they call.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Settings that say who the tenant is, in lower case.
    pub settings: BTreeSet<String>,
    /// Functions that do, as the server writes them.
    pub functions: BTreeSet<String>,
    /// Functions without arguments whose whole body is known.
    pub bodies: BTreeMap<String, Expression>,
    /// Settings that have a value in every session, because the server or the database is configured so.
    pub configured: BTreeSet<String>,
}

/// A row and a session.
#[derive(Clone, Copy, Debug)]
pub struct Scenario<'a> {
    /// The table's name, without its schema.
    pub table: &'a str,
    /// The column that holds the row's tenant; `None` when none is known.
    pub tenant_column: Option<&'a str>,
    /// Columns of the table that are never NULL.
    pub not_null: &'a BTreeSet<String>,
    /// Whose row it is.
    pub row: Tenant,
    /// Who looks at it.
    pub session: Session,
    /// What is known about settings and functions.
    pub sources: &'a Sources,
}
