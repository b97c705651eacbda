//! Which columns the existing policies tell tenants apart by.

use super::names;
use pgattest_model::Collected;
use pgattest_model::facts::{Column, DatabaseFacts, Oid, Policy};
use pgattest_model::ident::quote_ident;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Column names by which this database's policies tell tenants apart.
///
/// A name counts once for each table whose policies use it, and is taken when at least half of those tables use it: one policy
/// on `owner_id` does not make every `owner_id` a tenant column. Names that say tenant are taken alone when there are any.
/// A table's own key (`id`), columns whose type no key has, and columns that are only compared with constants
/// (`status = 'open'`, `deleted_at IS NULL`) do not count.
pub(super) fn tenant_columns(database: &DatabaseFacts, carried: &[&Column]) -> BTreeSet<String> {
    let (
        Collected::Here {
            value: policies, ..
        },
        Collected::Here { value: used, .. },
    ) = (&database.policies, &database.policy_columns)
    else {
        return BTreeSet::new();
    };
    let columns: HashMap<(Oid, i16), &Column> = carried
        .iter()
        .map(|column| ((column.relation, column.number), *column))
        .collect();
    let policies: HashMap<Oid, &Policy> =
        policies.iter().map(|policy| (policy.oid, policy)).collect();

    let mut tables_by_name: BTreeMap<&str, BTreeSet<Oid>> = BTreeMap::new();
    for usage in used {
        let Some(policy) = policies
            .get(&usage.policy)
            .filter(|policy| policy.relation == usage.relation)
        else {
            continue;
        };
        let Some(column) = columns.get(&(usage.relation, usage.column)) else {
            continue;
        };
        if can_hold_a_tenant(column) && is_compared(policy, &column.name) {
            tables_by_name
                .entry(&column.name)
                .or_default()
                .insert(usage.relation);
        }
    }
    let tables: BTreeSet<Oid> = tables_by_name.values().flatten().copied().collect();
    let taken: Vec<&str> = tables_by_name
        .iter()
        .filter(|(name, using)| {
            using.len() * 2 >= tables.len() || names::tier(name) == Some(names::Tier::Tenant)
        })
        .map(|(name, _)| *name)
        .collect();
    let speaking: BTreeSet<String> = taken
        .iter()
        .filter(|name| names::tier(name).is_some())
        .map(|name| (*name).to_owned())
        .collect();
    if speaking.is_empty() {
        taken.into_iter().map(str::to_owned).collect()
    } else {
        speaking
    }
}

/// Types of flags, times, amounts and documents: none of them names a tenant.
const OTHER_TYPES: [&str; 11] = [
    "boolean",
    "timestamp",
    "date",
    "time",
    "interval",
    "json",
    "bytea",
    "double",
    "real",
    "numeric",
    "tsvector",
];

fn can_hold_a_tenant(column: &Column) -> bool {
    column.name != "id"
        && !OTHER_TYPES
            .iter()
            .any(|other| column.type_name.starts_with(other))
}

/// Whether a policy compares the column with something that may differ from session to session.
fn is_compared(policy: &Policy, column: &str) -> bool {
    let name = quote_ident(column);
    [&policy.using_expression, &policy.check_expression]
        .into_iter()
        .any(|expression| after_each(expression, &name).any(|rest| !is_constant_test(rest)))
}

/// What follows each place where the name stands as a whole word of the expression and is not the name of a function.
///
/// A place inside a string literal counts too: it can only make a column count that would not, which ends in a finding that
/// says "inferred".
fn after_each<'a>(expression: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '"' || c == '$';
    expression
        .match_indices(name)
        .filter_map(move |(at, found)| {
            let before = expression.get(..at)?.chars().next_back();
            let rest = expression.get(at + found.len()..)?;
            (!before.is_some_and(is_word) && !rest.starts_with(|c| is_word(c) || c == '('))
                .then_some(rest)
        })
}

/// Whether what follows a column tests it against a constant or for NULL, in the form the server writes expressions:
/// `status = 'open'::text`, `(level)::integer > 3`, `deleted_at IS NULL`.
fn is_constant_test(rest: &str) -> bool {
    let rest = without_cast(rest);
    if ["IS NULL", "IS NOT NULL"]
        .iter()
        .any(|test| rest.starts_with(test))
    {
        return true;
    }
    let compared = ["=", "<>", ">=", "<=", ">", "<", "~~*", "~~", "~"]
        .iter()
        .find_map(|operator| rest.strip_prefix(operator));
    compared.is_some_and(|operand| {
        let mut operand = operand.trim_start_matches([' ', '(']);
        for of_a_list in ["ANY", "ALL", "ARRAY["] {
            operand = operand
                .strip_prefix(of_a_list)
                .unwrap_or(operand)
                .trim_start_matches([' ', '(']);
        }
        operand.starts_with(|c: char| c == '\'' || c == '-' || c.is_ascii_digit())
    })
}

/// Skips closing parentheses and casts: `)::character varying = ..` leaves `= ..`.
fn without_cast(mut rest: &str) -> &str {
    loop {
        rest = rest.trim_start_matches([')', ' ']);
        let Some(cast) = rest.strip_prefix("::") else {
            return rest;
        };
        rest = cast.trim_start_matches(|c: char| {
            c.is_alphanumeric() || matches!(c, '_' | '"' | '.' | ' ' | ',')
        });
        rest = rest
            .strip_prefix('(')
            .and_then(|length| length.split_once(')'))
            .map_or(rest, |(_, after)| after);
        rest = rest.strip_prefix("[]").unwrap_or(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::{after_each, is_constant_test};

    fn compared(expression: &str, name: &str) -> bool {
        after_each(expression, name).any(|rest| !is_constant_test(rest))
    }

    #[test]
    fn a_column_compared_with_the_session_counts() {
        for expression in [
            "(tenant_id = (current_setting('app.current_tenant'::text))::integer)",
            "((tenant_id)::text = current_setting('app.current_tenant'::text))",
            "((current_setting('app.tenant'::text))::uuid = tenant_id)",
            "(tenant_id = ( SELECT (current_setting('app.tenant'::text))::integer AS current_setting))",
            "(tenant_id IN ( SELECT memberships.org FROM memberships))",
            "((tenant_id)::character varying(36) = CURRENT_USER)",
            "app.may_see(tenant_id)",
            "((tenant_id IS NOT NULL) AND (tenant_id = app.tenant()))",
        ] {
            assert!(compared(expression, "tenant_id"), "{expression}");
        }
    }

    #[test]
    fn a_column_compared_with_constants_does_not() {
        for expression in [
            "(status = 'open'::text)",
            "((status)::text = 'open'::text)",
            "((status)::text = ANY ((ARRAY['open'::character varying])::text[]))",
            "(status IS NULL)",
            "(status > 3)",
            "((status)::numeric(10,2) > (-3)::numeric)",
            "(other_status = current_setting('x'::text))",
            "(status_id = current_setting('x'::text))",
        ] {
            assert!(!compared(expression, "status"), "{expression}");
        }
    }

    #[test]
    fn quoted_names_are_whole_words_too() {
        assert!(compared(
            "(\"Tenant\"\"Id\" = app.tenant())",
            "\"Tenant\"\"Id\""
        ));
        assert!(!compared("(\"my tenant\" = app.tenant())", "tenant"));
        assert!(compared("(\"my tenant\" = app.tenant())", "\"my tenant\""));
    }
}
