//! One database, or what the cluster shares, as taking a privilege needs it: names of objects, every grant, who inherits whom.

use crate::planning::Planning;
use pgattest_access::RoleGraph;
use pgattest_model::facts::{Acl, AclClass, DatabaseFacts, Oid, PUBLIC, RelationKind};
use pgattest_model::ident::{quote_ident, quote_parameter};
use pgattest_model::{Collected, Missing, ObservationId};
use std::collections::HashMap;

/// An object as `GRANT` and `REVOKE` name it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Target {
    /// `TABLE`, `FOREIGN SERVER` ..
    pub(crate) keyword: &'static str,
    /// Name as SQL.
    pub(crate) name: String,
    /// The name of its schema, where it is in one.
    pub(crate) schema: Option<String>,
}

/// What privileges are on: a column's are with its relation's, a parameter has a name and no number.
pub(crate) type Key = (AclClass, Oid, String);

/// Where privileges are taken.
pub(crate) struct Place<'a> {
    /// `None`: what the cluster shares.
    pub(crate) database: Option<&'a DatabaseFacts>,
    /// Who inherits whom there.
    pub(crate) graph: RoleGraph,
    /// The grants, and who made them.
    pub(crate) from: ObservationId,
    rows: HashMap<Key, Vec<&'a Acl>>,
    targets: HashMap<(AclClass, Oid), Target>,
    columns: HashMap<(Oid, i16), &'a str>,
    schemas: HashMap<&'a str, Oid>,
}

/// What a grant is filed under.
pub(crate) fn key(acl: &Acl) -> Key {
    match acl.class {
        AclClass::Column => (AclClass::Relation, acl.object, String::new()),
        AclClass::Parameter => (AclClass::Parameter, 0, acl.name.clone()),
        class => (class, acl.object, String::new()),
    }
}

fn all<T>(rows: &Collected<Vec<T>>) -> &[T] {
    match rows {
        Collected::Here { value, .. } => value,
        Collected::Missing(_) => &[],
    }
}

impl<'a> Place<'a> {
    /// One database. An object whose name could not be read has none, and nothing is then taken on it.
    pub(crate) fn inside(
        planning: &Planning<'a>,
        database: &'a DatabaseFacts,
    ) -> Result<Self, Missing> {
        let facts = planning.context.facts;
        let acls = database.acls.here()?;
        let databases = facts.databases.here()?;
        let owner = databases
            .iter()
            .find(|row| row.oid == database.oid)
            .map_or(0, |row| row.owner);
        let graph = planning.context.role_graph()?.within_database(owner);
        let mut rows = by_object(acls.value.iter());
        let mut targets = inside(database);
        // The database's own privileges can be taken from inside, in one transaction with those on its schemas.
        let own = facts.shared_acls.here()?.value.iter();
        rows.extend(by_object(own.filter(|acl| {
            acl.class == AclClass::Database && acl.object == database.oid
        })));
        let name = quote_ident(&database.name);
        targets.insert(
            (AclClass::Database, database.oid),
            target("DATABASE", name, None),
        );
        Ok(Self {
            database: Some(database),
            graph,
            from: acls.from.clone(),
            rows,
            targets,
            columns: all(&database.columns)
                .iter()
                .map(|column| ((column.relation, column.number), column.name.as_str()))
                .collect(),
            schemas: all(&database.schemas)
                .iter()
                .map(|schema| (schema.name.as_str(), schema.oid))
                .collect(),
        })
    }

    /// Databases, tablespaces and parameters.
    pub(crate) fn shared(planning: &Planning<'a>) -> Result<Self, Missing> {
        let facts = planning.context.facts;
        let acls = facts.shared_acls.here()?;
        let mut targets = HashMap::new();
        for row in all(&facts.databases) {
            let name = quote_ident(&row.name);
            targets.insert(
                (AclClass::Database, row.oid),
                target("DATABASE", name, None),
            );
        }
        for row in all(&facts.tablespaces) {
            let name = quote_ident(&row.name);
            targets.insert(
                (AclClass::Tablespace, row.oid),
                target("TABLESPACE", name, None),
            );
        }
        Ok(Self {
            database: None,
            graph: planning.context.role_graph()?.clone(),
            from: acls.from.clone(),
            rows: by_object(acls.value.iter()),
            targets,
            columns: HashMap::new(),
            schemas: HashMap::new(),
        })
    }

    /// Every grant, in the order of their objects.
    pub(crate) fn rows(&self) -> Vec<&'a Acl> {
        let mut rows: Vec<&Acl> = self.rows.values().flatten().copied().collect();
        rows.sort_by_key(|acl| (key(acl), acl.column, acl.grantor, acl.grantee));
        rows
    }

    /// The grants on the object that this one is on; for a relation, those on its columns, too.
    pub(crate) fn beside(&self, acl: &Acl) -> &[&'a Acl] {
        self.rows.get(&key(acl)).map_or(&[], Vec::as_slice)
    }

    /// The grants on one object that is not a parameter.
    pub(crate) fn on(&self, class: AclClass, object: Oid) -> &[&'a Acl] {
        self.rows
            .get(&(class, object, String::new()))
            .map_or(&[], Vec::as_slice)
    }

    /// What a grant is on. `None` where the facts do not have its name.
    pub(crate) fn target(&self, acl: &Acl) -> Option<Target> {
        let (class, object, _) = key(acl);
        if let Some(target) = self.targets.get(&(class, object)) {
            return Some(target.clone());
        }
        match class {
            AclClass::Parameter => Some(target("PARAMETER", quote_parameter(&acl.name), None)),
            AclClass::LargeObject => Some(target("LARGE OBJECT", object.to_string(), None)),
            AclClass::Type if !acl.name.is_empty() => Some(target("TYPE", acl.name.clone(), None)),
            _ => None,
        }
    }

    /// The column that a grant on a column is on, as SQL; the empty string for a grant on the whole. `None` where the facts do not
    /// have its name.
    pub(crate) fn column(&self, acl: &Acl) -> Option<String> {
        if acl.column == 0 {
            return Some(String::new());
        }
        if let Some(name) = self.columns.get(&(acl.object, acl.column)) {
            return Some(quote_ident(name));
        }
        // Of the server's own relations no columns are listed; the grant says it: `pg_catalog.pg_authid.rolname`.
        let relation = self.target(acl)?.name;
        let column = acl.name.strip_prefix(&relation)?.strip_prefix('.')?;
        Some(column.to_owned())
    }

    /// Whether a role that is no superuser can name what is in this schema.
    pub(crate) fn may_look_into(&self, role: Oid, schema: &str) -> bool {
        let Some(&oid) = self.schemas.get(schema) else {
            return false;
        };
        if schema == "pg_catalog" {
            return true;
        }
        let everyone = self.on(AclClass::Schema, oid).iter();
        let mut everyone = everyone.filter(|acl| acl.grantee == PUBLIC);
        everyone.any(|acl| acl.has("USAGE"))
            || self.holds_besides_public(role, AclClass::Schema, oid, "USAGE")
    }

    /// Whether a role holds a privilege without `SET ROLE` and without what PUBLIC holds. Superusers aside.
    pub(crate) fn holds_besides_public(
        &self,
        role: Oid,
        class: AclClass,
        object: Oid,
        privilege: &str,
    ) -> bool {
        /// Since PostgreSQL 14: they look into every schema.
        const EVERY_SCHEMA: [&str; 2] = ["pg_read_all_data", "pg_write_all_data"];
        let acts_as = self.graph.inherits(role);
        let predefined = class == AclClass::Schema
            && privilege == "USAGE"
            && EVERY_SCHEMA.iter().any(|name| {
                let role = self.graph.named(name);
                role.is_some_and(|role| acts_as.contains(role.oid))
            });
        predefined
            || self
                .on(class, object)
                .iter()
                .any(|acl| acl.has(privilege) && acts_as.contains(acl.grantee))
    }

    /// The name of the database, for an action.
    pub(crate) fn name(&self) -> Option<&'a str> {
        self.database.map(|database| database.name.as_str())
    }
}

fn by_object<'a>(acls: impl Iterator<Item = &'a Acl>) -> HashMap<Key, Vec<&'a Acl>> {
    let mut rows: HashMap<Key, Vec<&Acl>> = HashMap::new();
    for acl in acls {
        rows.entry(key(acl)).or_default().push(acl);
    }
    rows
}

const fn target(keyword: &'static str, name: String, schema: Option<String>) -> Target {
    Target {
        keyword,
        name,
        schema,
    }
}

fn inside(database: &DatabaseFacts) -> HashMap<(AclClass, Oid), Target> {
    let mut targets = HashMap::new();
    for row in all(&database.restricted_relations) {
        let schema = Some(row.schema_name.clone());
        targets.insert(
            (AclClass::Relation, row.oid),
            target("TABLE", row.sql_name(), schema),
        );
    }
    for row in all(&database.relations) {
        let keyword = match row.kind {
            RelationKind::Sequence => "SEQUENCE",
            _ => "TABLE",
        };
        let schema = Some(row.schema_name.clone());
        targets.insert(
            (AclClass::Relation, row.oid),
            target(keyword, row.sql_name(), schema),
        );
    }
    for row in all(&database.restricted_functions) {
        let schema = Some(row.schema_name.clone());
        targets.insert(
            (AclClass::Function, row.oid),
            target("FUNCTION", row.sql_name(), schema),
        );
    }
    for row in all(&database.functions) {
        // `GRANT` knows no aggregates: they are functions. One with ORDER BY among its arguments cannot be named there at all.
        if row.kind == "a" && row.arguments.contains("ORDER BY") {
            continue;
        }
        let keyword = match row.kind.as_str() {
            "p" => "PROCEDURE",
            _ => "FUNCTION",
        };
        let schema = Some(row.schema_name.clone());
        targets.insert(
            (AclClass::Function, row.oid),
            target(keyword, row.sql_name(), schema),
        );
    }
    macro_rules! named {
        ($group:ident, $class:ident, $keyword:literal) => {
            for row in all(&database.$group) {
                let name = quote_ident(&row.name);
                targets.insert((AclClass::$class, row.oid), target($keyword, name, None));
            }
        };
    }
    named!(schemas, Schema, "SCHEMA");
    named!(languages, Language, "LANGUAGE");
    named!(
        foreign_data_wrappers,
        ForeignDataWrapper,
        "FOREIGN DATA WRAPPER"
    );
    named!(foreign_servers, ForeignServer, "FOREIGN SERVER");
    targets
}
