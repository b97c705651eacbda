//! What the organisation intends, so that a check can tell a decision from an accident.

use crate::waiver::Waiver;
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
    /// `[extensions]`.
    pub extensions: Extensions,
    /// `[egress]`.
    pub egress: Egress,
    /// `[[classification]]`.
    pub classification: Vec<Classification>,
    /// `[[service]]`.
    pub services: Vec<Service>,
    /// `[[waiver]]`.
    pub waivers: Vec<Waiver>,
    /// Every name above that something in the cluster should have, with its place in the file, in the order of the keys.
    pub names: Vec<Named>,
}

/// Where something is written in the policy file.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
    /// Line of the first byte, from 1.
    pub line: usize,
    /// Characters before it in its line, plus 1.
    pub column: usize,
}

/// A name that the policy approves or declares.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    /// What should have the name.
    pub kind: NamedKind,
    /// The key it stands under: `access.superusers`.
    pub key: &'static str,
    /// The name, as written.
    pub name: String,
    /// Where.
    pub place: Place,
}

/// What a name in the policy is the name of.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum NamedKind {
    /// A role, its bare name.
    Role,
    /// `schema` or `database.schema`.
    Schema,
    /// A database, its bare name.
    Database,
    /// `schema.name` or `database.schema.name`.
    Relation,
    /// `schema.table.column` or `database.schema.table.column`; `*` as the column is every column.
    Column,
    /// The bare name of a column of any relation.
    ColumnName,
    /// Functions and procedures of one name, whatever their arguments: `schema.name` or `database.schema.name`.
    Function,
    /// An extension, its bare name.
    Extension,
    /// `name` or `database.name`.
    Publication,
}

impl NamedKind {
    /// The word used in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Schema => "schema",
            Self::Database => "database",
            Self::Relation => "relation",
            Self::Column | Self::ColumnName => "column",
            Self::Function => "function",
            Self::Extension => "extension",
            Self::Publication => "publication",
        }
    }
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
    /// Roles approved to have CREATEROLE. `None`: none but superusers.
    pub create_role: Option<BTreeSet<String>>,
    /// Roles approved to have CREATEDB. `None`: none but superusers.
    pub create_database: Option<BTreeSet<String>>,
    /// Logins that exist for replication or backup only, approved to have REPLICATION. `None`: none are known.
    pub replication: Option<BTreeSet<String>>,
    /// Roles approved to hand rights on: memberships WITH ADMIN OPTION, privileges WITH GRANT OPTION. `None`: none but superusers.
    pub administrators: Option<BTreeSet<String>>,
    /// Roles approved to read or write every table (`pg_read_all_data`, `pg_write_all_data`). `None`: none but superusers.
    pub all_data: Option<BTreeSet<String>>,
    /// Roles approved to hold the predefined roles of monitoring and maintenance. `None`: none but superusers.
    pub monitoring: Option<BTreeSet<String>>,
    /// Login roles approved to own databases, schemas and tables and to change them: those that run migrations.
    /// `None`: none but superusers.
    pub schema_owners: Option<BTreeSet<String>>,
    /// Superusers approved to log in, for emergencies. `None`: only the bootstrap superuser.
    pub break_glass: Option<BTreeSet<String>>,
    /// Whether every password must have an end (`VALID UNTIL`).
    pub passwords_expire: bool,
    /// Schemas, as `schema` or `database.schema`, that PUBLIC is meant to use.
    pub public_schemas: BTreeSet<String>,
    /// Databases that PUBLIC is meant to connect to.
    pub public_databases: BTreeSet<String>,
}

/// A program that logs in, and what it may do. What is not named it may not do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Service {
    /// The login role, its bare name.
    pub role: String,
    /// Databases it connects to, bare names.
    pub databases: BTreeSet<String>,
    /// Whether it makes temporary tables there.
    pub temporary: bool,
    /// Relations it reads: `schema.name`, `schema.*`, or either with `database.` before it; quoted as SQL would. Each is an
    /// [`crate::ObjectPattern`].
    pub read: BTreeSet<String>,
    /// Relations it inserts into, updates and deletes from; it reads them too, and takes numbers from the sequences that their
    /// columns use. Named like `read`.
    pub write: BTreeSet<String>,
    /// Functions and procedures it calls, by name without arguments; named like `read`.
    pub execute: BTreeSet<String>,
    /// Statements that must work for it, tried in a transaction that is rolled back.
    pub statements: Vec<String>,
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
    /// Days after which a canary is too old to show that logging works. `None`: 31.
    pub canary_days: Option<u32>,
    /// Seconds within which a record must have left the machine. `None`: 300.
    pub shipping_seconds: Option<u32>,
    /// What takes the server's standard error when the logging collector is off: `journald`, `the container runtime`.
    /// `None`: nobody said.
    pub captured_by: Option<String>,
}

/// How connections must be protected.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Transport {
    /// `TLSv1.2` or `TLSv1.3`. `None`: `TLSv1.2`.
    pub minimum_tls: Option<String>,
    /// Networks in CIDR form whose addresses a `pg_hba` rule may admit even though they are wide.
    pub trusted_networks: BTreeSet<String>,
    /// Names that the server's certificate must carry. Empty: the name that was connected to.
    pub certificate_names: BTreeSet<String>,
    /// Days that the certificate must still be valid. `None`: 30.
    pub certificate_days: Option<u32>,
}

/// What may be installed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Extensions {
    /// Extensions approved. `None`: those that come with PostgreSQL and are trusted, and pgaudit.
    pub approved: Option<BTreeSet<String>>,
}

/// What may leave the cluster.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Egress {
    /// Publications approved, as `name` or `database.name`. `None`: nobody said.
    pub publications: Option<BTreeSet<String>>,
}

/// Columns that hold data to be protected beyond the rest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Classification {
    /// What the data is: `pii`, `cardholder`, `health`. The organisation's own word.
    pub class: String,
    /// Columns, as `schema.table.column` or `database.schema.table.column`; `*` as the column is every column.
    pub columns: BTreeSet<String>,
}
