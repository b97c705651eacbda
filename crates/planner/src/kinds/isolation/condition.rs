//! The condition that limits rows to the tenant of the session.

use crate::planning::Planning;
use pgattest_checks::rls::tenant_settings;
use pgattest_checks::tenancy::TenantTable;
use pgattest_model::facts::{Column, DatabaseFacts};
use pgattest_model::ident::{quote_ident, quote_literal};

/// A condition that no row fulfils unless the session names the row's tenant.
#[derive(Clone, Debug)]
pub(super) struct TenantCondition {
    /// `tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid`.
    pub(super) sql: String,
    /// The setting that names the tenant.
    pub(super) setting: String,
}

impl TenantCondition {
    /// The condition for a table, or what somebody has to say first; one sentence, no period.
    pub(super) fn new(
        planning: &Planning<'_>,
        database: &DatabaseFacts,
        table: &TenantTable<'_>,
    ) -> Result<Self, String> {
        let name = table.relation.sql_name();
        let Some(column) = table.column else {
            return Err(format!(
                "write a policy that limits {name} to the rows of one tenant, which it has no column for, then enable and force row-level security"
            ));
        };
        let setting = setting(planning, database, column)?;
        // A cast to a domain has the length of what it is over, and its NOT NULL and CHECK would be errors.
        let compared = if column.domain_over.is_empty() {
            &column.type_name
        } else {
            &column.domain_over
        };
        let Some(cast) = cast(compared) else {
            return Err(format!(
                "write a policy for {name}: its tenant column {} is of type {}, which no setting can be compared with safely",
                quote_ident(&column.name),
                column.type_name
            ));
        };
        Ok(Self {
            sql: format!(
                "{} = NULLIF(current_setting({}, true), ''){cast}",
                quote_ident(&column.name),
                quote_literal(&setting).trim_start()
            ),
            setting,
        })
    }
}

/// The setting that names the tenant: declared, or the one that existing policies compare such a column with.
fn setting(
    planning: &Planning<'_>,
    database: &DatabaseFacts,
    column: &Column,
) -> Result<String, String> {
    let context = &planning.context;
    if let Some(declared) = &context.policy.tenancy.setting {
        // The server takes a name without a dot for one of its own settings, and finds none.
        return if declared.contains('.') {
            Ok(declared.clone())
        } else {
            Err(format!(
                "give tenancy.setting in pgattest.toml a name with a prefix, as in app.current_tenant: {declared} cannot be a setting of the application's own"
            ))
        };
    }
    let found = tenant_settings(context, database, &column.name).unwrap_or_default();
    let mut names = found.into_iter();
    match (names.next(), names.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(
            "declare tenancy.setting in pgattest.toml: nothing tells which setting names the session's tenant"
                .to_owned(),
        ),
        (Some(one), Some(other)) => Err(format!(
            "declare tenancy.setting in pgattest.toml: existing policies take the tenant from {one} and from {other}"
        )),
    }
}

/// What makes a setting's text a value of the column's type; empty for text. A cast to a type with a length would cut the value
/// off, and one to a type with a precision would round it: a tenant would become another. `None` for types that name no tenant.
fn cast(type_name: &str) -> Option<String> {
    const NO_TENANT: [&str; 14] = [
        "bit",
        "json",
        "xml",
        "point",
        "bool",
        "timestamp",
        "time",
        "interval",
        "real",
        "double",
        "bytea",
        "\"char\"",
        "tsvector",
        "money",
    ];
    let is_users = type_name.contains('.');
    if type_name.ends_with(']')
        || (!is_users && NO_TENANT.iter().any(|no| type_name.starts_with(no)))
    {
        return None;
    }
    if is_users {
        return Some(format!("::{type_name}"));
    }
    let bare = type_name.split('(').next().unwrap_or(type_name);
    Some(match bare {
        "text" | "character varying" | "name" => String::new(),
        "character" | "bpchar" => "::bpchar".to_owned(),
        other => format!("::{other}"),
    })
}

#[cfg(test)]
mod tests {
    use super::cast;

    #[test]
    fn a_setting_becomes_the_columns_type_and_is_never_cut_off_or_rounded() {
        for (column, expected) in [
            ("uuid", Some("::uuid")),
            ("bigint", Some("::bigint")),
            ("text", Some("")),
            ("character varying(20)", Some("")),
            ("character(36)", Some("::bpchar")),
            ("numeric(10,2)", Some("::numeric")),
            ("public.citext", Some("::public.citext")),
            ("shop.\"Tenant (id)\"", Some("::shop.\"Tenant (id)\"")),
            ("uuid[]", None),
            ("bit(8)", None),
            ("jsonb", None),
            ("timestamp with time zone", None),
        ] {
            assert_eq!(cast(column).as_deref(), expected, "{column}");
        }
    }
}
