//! `[access]`.

use super::source::Reading;
use pgattest_model::policy::{Access, NamedKind};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;
use toml::Spanned;

type Names = Vec<Spanned<String>>;

/// Who may hold what. Roles and databases go by their bare names, without quotes of SQL.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessSection {
    /// Roles approved to be superuser. Without it: only the bootstrap superuser.
    #[schemars(with = "Option<BTreeSet<String>>", extend("examples" = [["postgres"]]))]
    superusers: Option<Names>,
    /// Roles approved to bypass row-level security. Without it: none but superusers.
    #[schemars(with = "Option<BTreeSet<String>>", extend("examples" = [["backup"]]))]
    bypass_rls: Option<Names>,
    /// Login roles approved to run programs or touch files on the server. Without it: none but superusers.
    #[schemars(with = "Option<BTreeSet<String>>")]
    server_files: Option<Names>,
    /// Roles approved to have CREATEROLE. Without it: none but superusers.
    #[schemars(with = "Option<BTreeSet<String>>")]
    create_role: Option<Names>,
    /// Roles approved to have CREATEDB. Without it: none but superusers.
    #[schemars(with = "Option<BTreeSet<String>>")]
    create_database: Option<Names>,
    /// Logins that exist for replication or backup only, approved to have REPLICATION. Without it: none are known.
    #[schemars(with = "Option<BTreeSet<String>>", extend("examples" = [["replicator"]]))]
    replication: Option<Names>,
    /// Roles approved to hand rights on: memberships WITH ADMIN OPTION, privileges WITH GRANT OPTION. Without it: none but
    /// superusers.
    #[schemars(with = "Option<BTreeSet<String>>")]
    administrators: Option<Names>,
    /// Roles approved to read or write every table (`pg_read_all_data`, `pg_write_all_data`). Without it: none but
    /// superusers.
    #[schemars(with = "Option<BTreeSet<String>>")]
    all_data: Option<Names>,
    /// Roles approved to hold the predefined roles of monitoring and maintenance. Without it: none but superusers.
    #[schemars(with = "Option<BTreeSet<String>>")]
    monitoring: Option<Names>,
    /// Login roles approved to own databases, schemas and tables and to change them: those that run migrations. Without it:
    /// none but superusers.
    #[schemars(with = "Option<BTreeSet<String>>", extend("examples" = [["migrator"]]))]
    schema_owners: Option<Names>,
    /// Superusers approved to log in, for emergencies. Without it: only the bootstrap superuser.
    #[schemars(with = "Option<BTreeSet<String>>")]
    break_glass: Option<Names>,
    /// Whether every password must have an end (`VALID UNTIL`).
    #[serde(default)]
    passwords_expire: bool,
    /// Schemas, as `schema` or `database.schema`, that PUBLIC is meant to use.
    #[serde(default)]
    #[schemars(with = "BTreeSet<String>", extend("examples" = [["shop.api"]]))]
    public_schemas: Names,
    /// Databases that PUBLIC is meant to connect to.
    #[serde(default)]
    #[schemars(with = "BTreeSet<String>")]
    public_databases: Names,
}

impl AccessSection {
    pub(super) fn into_access(self, reading: &mut Reading<'_>) -> Access {
        let mut roles = |key, names: Option<Names>| {
            names.map(|names| reading.list(NamedKind::Role, key, names))
        };
        Access {
            superusers: roles("access.superusers", self.superusers),
            bypass_rls: roles("access.bypass_rls", self.bypass_rls),
            server_files: roles("access.server_files", self.server_files),
            create_role: roles("access.create_role", self.create_role),
            create_database: roles("access.create_database", self.create_database),
            replication: roles("access.replication", self.replication),
            administrators: roles("access.administrators", self.administrators),
            all_data: roles("access.all_data", self.all_data),
            monitoring: roles("access.monitoring", self.monitoring),
            schema_owners: roles("access.schema_owners", self.schema_owners),
            break_glass: roles("access.break_glass", self.break_glass),
            passwords_expire: self.passwords_expire,
            public_schemas: reading.list(
                NamedKind::Schema,
                "access.public_schemas",
                self.public_schemas,
            ),
            public_databases: reading.list(
                NamedKind::Database,
                "access.public_databases",
                self.public_databases,
            ),
        }
    }
}
