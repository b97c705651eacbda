//! What a repair has to know that the checks know already.

use super::expression::{Expression, Sources};
use crate::context::Context;
use crate::tenancy::plain_name;
use pgattest_model::Missing;
use pgattest_model::facts::{DatabaseFacts, Oid};
use pgattest_model::ident::qualified;
use std::collections::{BTreeMap, BTreeSet};

/// The settings, in lower case, that the policies of one database compare a tenant column of this name with, themselves or
/// through a function that does nothing but read a setting. Spellings of one name are one column. Row-level security need not be
/// enabled on the policies' tables.
pub fn tenant_settings(
    context: &Context<'_>,
    database: &DatabaseFacts,
    column: &str,
) -> Result<BTreeSet<String>, Missing> {
    let policies = database.policies.here()?;
    let functions = database.policy_functions.here()?;
    let tables = context
        .tenancy()
        .tables(database, context.policy)
        .unwrap_or_default();
    let columns: BTreeMap<Oid, (&str, &str)> = tables
        .iter()
        .filter_map(|table| {
            let name = table.column?.name.as_str();
            (plain_name(name) == plain_name(column))
                .then_some((table.relation.oid, (table.relation.name.as_str(), name)))
        })
        .collect();
    let mut sources = Sources::default();
    for function in functions.value {
        if let Some(body) = Expression::read_body(&function.setting_read) {
            sources
                .bodies
                .insert(qualified(&function.schema_name, &function.name), body);
        }
    }
    for policy in policies.value {
        let Some((table, column)) = columns.get(&policy.relation) else {
            continue;
        };
        for text in [&policy.using_expression, &policy.check_expression] {
            Expression::read(text).link(table, column, &mut sources);
        }
    }
    Ok(sources.settings)
}

/// Whether a condition, as the server writes it, is true for every row and session; one that is not understood is not.
pub fn is_always_true(condition: &str) -> bool {
    super::predicate::is_constant_true(condition)
}
