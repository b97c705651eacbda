//! What the organisation intends, so that a check can tell a decision from an accident.

use std::collections::BTreeSet;

/// The policy. Absent sections are `None` or empty; the checks infer, and the report says "inferred".
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Policy {
    /// Name of the organisation, for the report's title.
    pub organization: Option<String>,
    /// `[access]`.
    pub access: Access,
    /// `[tenancy]`.
    pub tenancy: Tenancy,
    /// `[logging]`.
    pub logging: Logging,
    /// `[transport]`.
    pub transport: Transport,
}

/// Who may hold what.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Access {
    /// Roles approved to be superuser. `None`: only the bootstrap superuser is taken as approved.
    pub superusers: Option<BTreeSet<String>>,
    /// Roles approved to bypass row-level security. `None`: none but superusers.
    pub bypass_rls: Option<BTreeSet<String>>,
    /// Login roles approved to run programs or touch files on the server. `None`: none but superusers.
    pub server_files: Option<BTreeSet<String>>,
}

/// How tenants are told apart.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tenancy {
    /// Whether the cluster serves one tenant only, so that there is nobody to isolate from anybody.
    pub single_tenant: bool,
    /// The setting that holds the current tenant: `app.current_tenant`.
    pub setting: Option<String>,
    /// The column that holds a row's tenant. `None`: inferred from existing policies.
    pub column: Option<String>,
    /// Relations that are multi-tenant although they lack the column, as `schema.name` or `database.schema.name`.
    pub tables: BTreeSet<String>,
    /// Relations shared by every tenant on purpose, although they carry the column.
    pub shared: BTreeSet<String>,
}

/// What must be logged.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Logging {
    /// pgaudit classes required. `None`: `ddl`, `write`, `role`.
    pub classes: Option<BTreeSet<String>>,
    /// Days that logs must be kept. `None`: 365.
    pub retention_days: Option<u32>,
}

/// How connections must be protected.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Transport {
    /// `TLSv1.2` or `TLSv1.3`. `None`: `TLSv1.2`.
    pub minimum_tls: Option<String>,
    /// Networks in CIDR form whose addresses a `pg_hba` rule may admit even though they are wide.
    pub trusted_networks: BTreeSet<String>,
}
