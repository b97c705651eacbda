//! Row-level security.

mod audience;
mod child_grants;
mod condition;
mod policy_conditions;
mod row_security;
mod targets;
mod tenant_indexes;
mod views;
mod what_if;

pub use child_grants::ChildGrants;
pub use policy_conditions::PolicyConditions;
pub use row_security::RowSecurity;
pub use tenant_indexes::TenantIndexes;
pub use views::Views;

use crate::kind::Kind;

/// In the order they propose.
pub(super) static KINDS: &[&dyn Kind] = &[
    &TenantIndexes,
    &PolicyConditions,
    &RowSecurity,
    &Views,
    &ChildGrants,
];
