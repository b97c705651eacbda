//! `[tenancy]` and `[[classification]]`.

use super::PolicyError;
use super::source::Reading;
use super::value::{require, wrong};
use pgattest_model::policy::{Classification, NamedKind, Tenancy};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;
use toml::Spanned;

/// How tenants are told apart.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TenancySection {
    /// Whether the cluster serves one tenant only, so that there is nobody to isolate from anybody. Excludes the keys beside it.
    #[schemars(with = "Option<bool>")]
    single_tenant: Option<Spanned<bool>>,
    /// The setting that holds the current tenant.
    #[schemars(with = "Option<String>", extend("examples" = ["app.current_tenant"]), regex(pattern = r"\."))]
    setting: Option<Spanned<String>>,
    /// The column that holds a row's tenant. Without it: inferred from the policies and column names that exist.
    #[schemars(with = "Option<String>", extend("examples" = ["tenant_id"]))]
    column: Option<Spanned<String>>,
    /// Relations that are multi-tenant although they lack the column, as `schema.name` or `database.schema.name`, quoted as
    /// SQL would.
    #[serde(default)]
    #[schemars(with = "BTreeSet<String>", extend("examples" = [["public.events"]]), inner(regex(pattern = r"\.")))]
    tables: Vec<Spanned<String>>,
    /// Relations shared by every tenant on purpose, although they carry the column.
    #[serde(default)]
    #[schemars(with = "BTreeSet<String>", extend("examples" = [["public.plans"]]), inner(regex(pattern = r"\.")))]
    shared: Vec<Spanned<String>>,
}

/// Columns of one class of data.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassificationEntry {
    /// What the data is, in the organisation's own word.
    #[schemars(extend("examples" = ["pii", "cardholder", "health"]))]
    class: String,
    /// Columns, as `schema.table.column` or `database.schema.table.column`; `*` as the column is every column.
    #[schemars(with = "BTreeSet<String>", extend("examples" = [["public.customers.email"]]), inner(regex(pattern = r"\..*\.")))]
    columns: Vec<Spanned<String>>,
}

impl TenancySection {
    pub(super) fn into_tenancy(self, reading: &mut Reading<'_>) -> Result<Tenancy, PolicyError> {
        let names_tenants =
            self.column.is_some() || self.setting.is_some() || !self.tables.is_empty();
        let single_tenant = match self.single_tenant {
            Some(declared) if *declared.get_ref() && names_tenants => {
                return Err(wrong(
                    declared.span(),
                    "one tenant only, and yet tenants are told apart",
                    "remove it, or the keys beside it",
                ));
            }
            Some(declared) => declared.into_inner(),
            None => false,
        };
        let setting = self.setting.map(setting_name).transpose()?;
        let tables = relations(self.tables)?;
        let shared = relations(self.shared)?;
        Ok(Tenancy {
            single_tenant,
            setting: setting.map(Spanned::into_inner),
            column: self
                .column
                .map(|column| reading.one(NamedKind::ColumnName, "tenancy.column", column)),
            tables: reading.list(NamedKind::Relation, "tenancy.tables", tables),
            shared: reading.list(NamedKind::Relation, "tenancy.shared", shared),
        })
    }
}

impl ClassificationEntry {
    pub(super) fn into_classification(
        self,
        reading: &mut Reading<'_>,
    ) -> Result<Classification, PolicyError> {
        let columns = self
            .columns
            .into_iter()
            .map(column_name)
            .collect::<Result<_, _>>()?;
        Ok(Classification {
            class: self.class,
            columns: reading.list(NamedKind::Column, "classification.columns", columns),
        })
    }
}

fn setting_name(value: Spanned<String>) -> Result<Spanned<String>, PolicyError> {
    require(
        value,
        |text| text.contains('.'),
        "a tenant setting has a prefix and a dot",
        "app.current_tenant",
    )
}

fn relations(values: Vec<Spanned<String>>) -> Result<Vec<Spanned<String>>, PolicyError> {
    values
        .into_iter()
        .map(|value| {
            require(
                value,
                |text| text.contains('.'),
                "a relation is named with its schema",
                "public.orders",
            )
        })
        .collect()
}

fn column_name(value: Spanned<String>) -> Result<Spanned<String>, PolicyError> {
    require(
        value,
        |text| text.matches('.').count() >= 2,
        "a column is named with its schema and table",
        "public.customers.ssn",
    )
}
