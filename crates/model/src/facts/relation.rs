//! Relations, their columns and what they stand on.

use super::Oid;
use super::field::{flag, json};
use serde::Deserialize;

/// One table, view, materialized view, foreign table or sequence.
#[derive(Clone, Debug, Deserialize)]
pub struct Relation {
    /// Object identifier.
    pub oid: Oid,
    /// Schema.
    pub schema: Oid,
    /// Schema's name.
    pub schema_name: String,
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: RelationKind,
    /// Owner.
    pub owner: Oid,
    /// `p` permanent, `u` unlogged, `t` temporary.
    pub persistence: String,
    /// `ENABLE ROW LEVEL SECURITY`.
    #[serde(deserialize_with = "flag")]
    pub row_security: bool,
    /// `FORCE ROW LEVEL SECURITY`.
    #[serde(deserialize_with = "flag")]
    pub force_row_security: bool,
    /// Whether it is a partition of another table.
    #[serde(deserialize_with = "flag")]
    pub is_partition: bool,
    /// `security_invoker=true` and the like, as stored.
    #[serde(deserialize_with = "json")]
    pub options: Vec<String>,
    /// The planner's estimate of rows; -1 when it was never analysed.
    pub estimated_rows: f64,
    /// The extension that owns it; 0 when none does.
    pub extension: Oid,
}

impl Relation {
    /// `schema.name`, quoted where it must be.
    pub fn sql_name(&self) -> String {
        crate::ident::qualified(&self.schema_name, &self.name)
    }

    /// Whether a boolean storage option is on. PostgreSQL takes `true`, `on`, `yes`, `1` and their beginnings.
    pub fn option_is_on(&self, option: &str) -> bool {
        self.options.iter().any(|stored| {
            stored.split_once('=').is_some_and(|(name, value)| {
                name == option
                    && matches!(
                        value.to_ascii_lowercase().as_str(),
                        "true" | "tru" | "tr" | "t" | "on" | "yes" | "ye" | "y" | "1"
                    )
            })
        })
    }

    /// Whether rows are stored under this name: tables and partitioned tables, on which RLS can be enabled.
    pub const fn can_have_policies(&self) -> bool {
        matches!(self.kind, RelationKind::Table | RelationKind::Partitioned)
    }
}

/// `pg_class.relkind`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[allow(missing_docs, reason = "each is the relation it names")]
pub enum RelationKind {
    #[serde(rename = "r")]
    Table,
    #[serde(rename = "p")]
    Partitioned,
    #[serde(rename = "v")]
    View,
    #[serde(rename = "m")]
    MaterializedView,
    #[serde(rename = "f")]
    Foreign,
    #[serde(rename = "S")]
    Sequence,
}

impl RelationKind {
    /// The word in SQL and in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Partitioned => "partitioned table",
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Foreign => "foreign table",
            Self::Sequence => "sequence",
        }
    }
}

/// One column.
#[derive(Clone, Debug, Deserialize)]
pub struct Column {
    /// The relation.
    pub relation: Oid,
    /// `attnum`, from 1.
    pub number: i16,
    /// Name.
    pub name: String,
    /// `format_type`: `numeric(10,2)`.
    pub type_name: String,
    /// `NOT NULL`.
    #[serde(deserialize_with = "flag")]
    pub not_null: bool,
    /// Whether it has a default or is generated.
    #[serde(deserialize_with = "flag")]
    pub has_default: bool,
    /// `s` stored, `v` virtual (18), empty when not generated.
    pub generated: String,
    /// What its type is a domain over, through all domains between and without a length: `character varying`. Empty when its type
    /// is none, and in observations made before this was asked.
    #[serde(default)]
    pub domain_over: String,
}

/// One child of one parent.
#[derive(Clone, Debug, Deserialize)]
pub struct Inheritance {
    /// The partition or child.
    pub child: Oid,
    /// The parent.
    pub parent: Oid,
}

/// How many rows of a table were changed since the server began to count.
#[derive(Clone, Debug, Deserialize)]
pub struct RowCounter {
    /// The table.
    pub oid: Oid,
    /// Schema and name, quoted as the server quotes them in its log.
    pub name: String,
    /// Rows inserted, updated and deleted, those of transactions that were rolled back among them.
    pub changed: u64,
    /// When the database's counters were last reset, in seconds since 1970; `never`.
    pub reset: String,
    /// Whether the server counts: `track_counts`.
    #[serde(deserialize_with = "flag")]
    pub counting: bool,
}

/// One column and a sequence that goes with it.
#[derive(Clone, Debug, Deserialize)]
pub struct ColumnSequence {
    /// The sequence.
    pub sequence: Oid,
    /// The column's relation.
    pub relation: Oid,
    /// `attnum`, from 1.
    pub column: i16,
    /// How they belong together. A `serial` column has two rows.
    pub relationship: SequenceUse,
}

/// How a sequence belongs to a column.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum SequenceUse {
    /// `OWNED BY`: it has the table's owner and goes with the column.
    Owned,
    /// Owned, and made by `GENERATED .. AS IDENTITY`: whoever inserts needs no privilege on it.
    Identity,
    /// The column's default uses it: whoever inserts needs a privilege on it.
    Default,
}

/// One index.
#[derive(Clone, Debug, Deserialize)]
pub struct Index {
    /// Object identifier.
    pub oid: Oid,
    /// The table, partitioned table or materialized view.
    pub relation: Oid,
    /// Name; the schema is the relation's.
    pub name: String,
    /// Access method: `btree`.
    pub method: String,
    /// `attnum` of the first column; 0 for an expression.
    pub leading_column: i16,
    /// Whether it holds only the rows that a condition picks.
    #[serde(deserialize_with = "flag")]
    pub partial: bool,
    /// Whether queries may use it: not so while it is built, and after a concurrent build failed.
    #[serde(deserialize_with = "flag")]
    pub valid: bool,
}

/// One relation that a view or materialized view reads.
#[derive(Clone, Debug, Deserialize)]
pub struct ViewDependency {
    /// The view.
    pub view: Oid,
    /// What it reads.
    pub reads: Oid,
}
