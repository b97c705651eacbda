//! How tenants are told apart.

use super::Inferred;
use pgattest_checks::Context;
use pgattest_model::ident::quote_ident;
use std::collections::{BTreeMap, BTreeSet};

/// The call that policies ask the session with, as the server deparses it.
const CALL: &str = "current_setting('";

/// Adds what the policies and the tables say.
pub(super) fn infer(context: &Context<'_>, inferred: &mut Inferred) {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut types = BTreeSet::new();
    for database in &context.facts.inside {
        for table in context
            .tenancy()
            .tables(database, context.policy)
            .unwrap_or_default()
        {
            if table.relation.is_partition {
                continue;
            }
            let database = quote_ident(&database.name);
            inferred
                .tenant_tables
                .push(format!("{database}.{}", table.relation.sql_name()));
            if let Some(column) = table.column {
                *names.entry(column.name.clone()).or_default() += 1;
                types.insert(column.type_name.clone());
            }
        }
    }
    inferred.tenant_tables.sort();
    inferred.tenant_types = types.into_iter().collect();
    // With two names nobody knows which is meant; the audit goes on inferring each where it is.
    if names.len() == 1 {
        inferred.tenant_column = names.into_keys().next();
    }
    inferred.tenant_setting = setting(context);
}

/// The custom setting that most policies ask.
fn setting(context: &Context<'_>) -> Option<String> {
    let mut asked: BTreeMap<&str, usize> = BTreeMap::new();
    for database in &context.facts.inside {
        let Ok(policies) = database.policies.here() else {
            continue;
        };
        for policy in policies.value {
            for expression in [&policy.using_expression, &policy.check_expression] {
                for (at, _) in expression.match_indices(CALL) {
                    let rest = expression.get(at + CALL.len()..).unwrap_or_default();
                    let name = rest.split('\'').next().unwrap_or_default();
                    if is_custom(name) {
                        *asked.entry(name).or_default() += 1;
                    }
                }
            }
        }
    }
    asked
        .into_iter()
        .max_by(|(a, m), (b, n)| m.cmp(n).then_with(|| b.cmp(a)))
        .map(|(name, _)| name.to_owned())
}

/// Whether a name is one that an application makes up: parts with a dot between.
fn is_custom(name: &str) -> bool {
    let mut parts = name.split('.');
    let is_word = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
    };
    name.contains('.') && parts.all(is_word)
}

#[cfg(test)]
mod tests {
    use super::is_custom;

    #[test]
    fn a_custom_setting_has_a_dot_and_plain_words() {
        for (name, custom) in [
            ("app.current_tenant", true),
            ("role", false),
            ("a.b.c", true),
            ("a..b", false),
            ("a.b c", false),
        ] {
            assert_eq!(is_custom(name), custom, "{name}");
        }
    }
}
