//! How the server is asked about each class of object.

use pgattest_access::Right;
use pgattest_model::facts::AclClass;

/// One `has_*_privilege` function and the objects it is asked about.
pub(super) struct Class {
    pub(super) name: &'static str,
    pub(super) kind: AclClass,
    /// Whether it is asked whether any column has the right.
    pub(super) any_column: bool,
    /// Object identifier, column number and name of the object the answer belongs to.
    pub(super) key: &'static str,
    /// The call with `{}` for the right.
    pub(super) function: &'static str,
    /// Rows `o`, with a condition that more can be added to.
    pub(super) from: &'static str,
    pub(super) rights: Vec<Right>,
}

const TABLES: &str = "pg_class o WHERE o.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')";

impl Class {
    /// All that this major has a function for.
    pub(super) fn of(major: u32) -> Vec<Self> {
        use Right as R;
        let mut table = vec![
            R::Select,
            R::Insert,
            R::Update,
            R::Delete,
            R::Truncate,
            R::References,
            R::Trigger,
        ];
        if major >= 17 {
            table.push(R::Maintain);
        }
        let column = vec![R::Select, R::Insert, R::Update, R::References];
        let simple = |name, kind, function, from, rights| Self {
            name,
            kind,
            any_column: false,
            key: "o.oid, 0, ''",
            function,
            from,
            rights,
        };
        let mut classes = vec![
            simple("table", AclClass::Relation, "has_table_privilege(r.oid, o.oid, {})", TABLES, table),
            simple(
                "sequence",
                AclClass::Relation,
                "has_sequence_privilege(r.oid, o.oid, {})",
                "pg_class o WHERE o.relkind = 'S'",
                vec![R::Usage, R::Select, R::Update],
            ),
            Self {
                key: "o.oid, o.attnum, ''",
                ..simple(
                    "column",
                    AclClass::Column,
                    "has_column_privilege(r.oid, o.oid, o.attnum, {})",
                    "(SELECT c.oid, a.attnum FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT a.attisdropped AND a.attnum > -2) o WHERE true",
                    column.clone(),
                )
            },
            Self {
                any_column: true,
                ..simple(
                    "any column",
                    AclClass::Relation,
                    "has_any_column_privilege(r.oid, o.oid, {})",
                    TABLES,
                    column,
                )
            },
            simple(
                "function",
                AclClass::Function,
                "has_function_privilege(r.oid, o.oid, {})",
                "pg_proc o WHERE true",
                vec![R::Execute],
            ),
            simple(
                "schema",
                AclClass::Schema,
                "has_schema_privilege(r.oid, o.oid, {})",
                "pg_namespace o WHERE o.nspname !~ '^pg_(toast_)?temp_'",
                vec![R::Usage, R::Create],
            ),
            simple(
                "database",
                AclClass::Database,
                "has_database_privilege(r.oid, o.oid, {})",
                "pg_database o WHERE true",
                vec![R::Create, R::Connect, R::Temporary],
            ),
            // The row type of a table is known where somebody granted on it; array types, and from 17 multiranges, through
            // what they are made of.
            Self {
                key: "o.base, 0, ''",
                ..simple(
                    "type",
                    AclClass::Type,
                    "has_type_privilege(r.oid, o.oid, {})",
                    if major >= 17 {
                        "(SELECT t.oid, coalesce(m.rngtypid, e.oid, t.oid) AS base
                          FROM pg_type t LEFT JOIN pg_type e ON e.typarray = t.oid
                          LEFT JOIN pg_range m ON m.rngmultitypid = coalesce(e.oid, t.oid)
                          LEFT JOIN pg_class c ON c.oid = coalesce(e.typrelid, t.typrelid)
                          WHERE c.oid IS NULL OR c.relkind = 'c' OR coalesce(e.typacl, t.typacl) IS NOT NULL) o WHERE true"
                    } else {
                        "(SELECT t.oid, coalesce(e.oid, t.oid) AS base
                          FROM pg_type t LEFT JOIN pg_type e ON e.typarray = t.oid
                          LEFT JOIN pg_class c ON c.oid = coalesce(e.typrelid, t.typrelid)
                          WHERE c.oid IS NULL OR c.relkind = 'c' OR coalesce(e.typacl, t.typacl) IS NOT NULL) o WHERE true"
                    },
                    vec![R::Usage],
                )
            },
            simple(
                "language",
                AclClass::Language,
                "has_language_privilege(r.oid, o.oid, {})",
                "pg_language o WHERE true",
                vec![R::Usage],
            ),
            simple(
                "foreign-data wrapper",
                AclClass::ForeignDataWrapper,
                "has_foreign_data_wrapper_privilege(r.oid, o.oid, {})",
                "pg_foreign_data_wrapper o WHERE true",
                vec![R::Usage],
            ),
            simple(
                "foreign server",
                AclClass::ForeignServer,
                "has_server_privilege(r.oid, o.oid, {})",
                "pg_foreign_server o WHERE true",
                vec![R::Usage],
            ),
            simple(
                "tablespace",
                AclClass::Tablespace,
                "has_tablespace_privilege(r.oid, o.oid, {})",
                "pg_tablespace o WHERE true",
                vec![R::Create],
            ),
        ];
        if major >= 15 {
            classes.push(Self {
                key: "0, 0, o.parname",
                ..simple(
                    "parameter",
                    AclClass::Parameter,
                    "has_parameter_privilege(r.oid, o.parname, {})",
                    "(SELECT 16384 AS oid, parname FROM pg_parameter_acl
                      UNION ALL SELECT 16384, 'nobody.granted_this') o WHERE true",
                    vec![R::Set, R::AlterSystem],
                )
            });
        }
        if major >= 18 {
            classes.push(simple(
                "large object",
                AclClass::LargeObject,
                "has_largeobject_privilege(r.oid, o.oid, {})",
                "pg_largeobject_metadata o WHERE o.lomacl IS NOT NULL",
                vec![R::Select, R::Update],
            ));
        }
        classes
    }
}
