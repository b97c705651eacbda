//! Row-level security: which tables have it, whom it binds, what its policies let through and what goes around it.

mod below_views;
mod constant_policies;
mod copied_rows;
mod definer_views;
pub mod expression;
mod fails_open;
mod family;
mod grants;
mod leakproof_functions;
mod materialized_copies;
mod open_children;
mod open_when_emptied;
mod open_when_unset;
mod policies_without_rls;
mod policy_set;
mod predicate;
mod published_rows;
mod repair;
mod replaceable_functions;
mod row_security_off;
mod silent_deny;
mod tautologies;
mod tenant_tables;
mod unbarred_views;
mod unforced_tables;
mod weak_checks;

pub use constant_policies::ConstantPolicies;
pub use copied_rows::CopiedRows;
pub use definer_views::{DefinerViews, ViewLeak, view_leaks};
pub use family::Family;
pub use grants::{Bound, Grants, listed};
pub use leakproof_functions::LeakproofFunctions;
pub use materialized_copies::MaterializedCopies;
pub use open_children::OpenChildren;
pub use open_when_emptied::OpenWhenEmptied;
pub use open_when_unset::OpenWhenUnset;
pub use policies_without_rls::PoliciesWithoutRls;
pub use published_rows::PublishedRows;
pub use repair::{is_always_true, tenant_settings};
pub use replaceable_functions::ReplaceableFunctions;
pub use row_security_off::RowSecurityOff;
pub use silent_deny::SilentDeny;
pub use tautologies::Tautologies;
pub use tenant_tables::TenantTables;
pub use unbarred_views::UnbarredViews;
pub use unforced_tables::UnforcedTables;
pub use weak_checks::WeakChecks;

use crate::context::Context;
use pgattest_model::Missing;
use pgattest_model::facts::{DatabaseFacts, Policy, PolicyCommand, Relation};

/// Joins the fact groups that a check needs in each database: what could be joined, and why the rest could not.
fn in_each<'a, T>(
    context: &Context<'a>,
    join: impl Fn(&'a DatabaseFacts) -> Result<T, Missing>,
) -> Result<(Vec<T>, Vec<Missing>), Missing> {
    context.facts.databases.here()?;
    let mut here = Vec::new();
    let mut missing = Vec::new();
    for database in &context.facts.inside {
        match join(database) {
            Ok(joined) => here.push(joined),
            Err(why) => missing.push(why),
        }
    }
    Ok((here, missing))
}

/// Whether row-level security is anything its users would act on: not on tables that an extension made and updates.
const fn is_protected(relation: &Relation) -> bool {
    relation.row_security && relation.can_have_policies() && relation.extension == 0
}

/// Whether a policy has a say when a statement does this.
fn covers(policy: &Policy, command: PolicyCommand) -> bool {
    policy.command == PolicyCommand::All || policy.command == command
}
