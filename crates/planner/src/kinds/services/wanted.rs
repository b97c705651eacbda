//! What a service is to hold in a database, by the policy.

use super::database::Inside;
use pgattest_model::ObjectPattern;
use pgattest_model::facts::{AclClass, Function, Oid, Relation, RelationKind, SequenceUse};
use pgattest_model::ident::quote_ident;
use pgattest_model::policy::Service;
use std::collections::{BTreeMap, BTreeSet};

/// Privileges on one object.
pub(super) struct Want {
    /// Kind of object, as ACLs know it.
    pub(super) class: AclClass,
    /// The object.
    pub(super) oid: Oid,
    /// As GRANT lists them.
    pub(super) rights: &'static [&'static str],
    /// `TABLE`, `SEQUENCE`, `SCHEMA`, `FUNCTION`, `PROCEDURE`.
    pub(super) keyword: &'static str,
    /// The object as SQL.
    pub(super) name: String,
}

pub(super) const READ: &[&str] = &["SELECT"];
pub(super) const WRITE: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE"];
pub(super) const NUMBERS: &[&str] = &["USAGE", "SELECT"];
pub(super) const USAGE: &[&str] = &["USAGE"];
pub(super) const EXECUTE: &[&str] = &["EXECUTE"];

/// What the policy says of one service and one database.
pub(super) struct Declared {
    read: Vec<ObjectPattern>,
    write: Vec<ObjectPattern>,
    execute: Vec<ObjectPattern>,
}

impl Declared {
    pub(super) fn of(service: &Service, database: &str) -> Self {
        let here = |names: &BTreeSet<String>| {
            names
                .iter()
                .filter_map(|name| ObjectPattern::parse(name))
                .filter(|pattern| pattern.is_in(database))
                .collect()
        };
        Self {
            read: here(&service.read),
            write: here(&service.write),
            execute: here(&service.execute),
        }
    }

    /// What the service is to hold: schemas, then relations, then functions, each in the order of the facts.
    pub(super) fn wants(&self, inside: &Inside<'_>) -> Vec<Want> {
        let numbers = self.numbers(inside);
        let relations: Vec<Want> = inside
            .relations
            .iter()
            .filter_map(|relation| {
                let rights = self.rights(relation).or_else(|| {
                    let is_used = numbers.contains(&relation.oid);
                    is_used.then_some(NUMBERS)
                })?;
                let keyword = match relation.kind {
                    RelationKind::Sequence => "SEQUENCE",
                    _ => "TABLE",
                };
                let name = relation.sql_name();
                Some(want(
                    AclClass::Relation,
                    relation.oid,
                    rights,
                    keyword,
                    name,
                ))
            })
            .collect();
        let functions: Vec<Want> = inside
            .functions
            .iter()
            .filter(|function| self.calls(function))
            .filter_map(|function| {
                let (keyword, name) = callable(function)?;
                Some(want(
                    AclClass::Function,
                    function.oid,
                    EXECUTE,
                    keyword,
                    name,
                ))
            })
            .collect();
        let mut all = self.schemas(inside);
        all.extend(relations);
        all.extend(functions);
        all
    }

    /// Schemas whose future objects are declared too, with what they are to give: the word of `ALTER DEFAULT PRIVILEGES` and the
    /// privileges.
    pub(super) fn futures(
        &self,
    ) -> BTreeMap<&str, BTreeMap<&'static str, &'static [&'static str]>> {
        let mut futures: BTreeMap<&str, BTreeMap<_, _>> = BTreeMap::new();
        // Writing holds what reading does: it comes last and stays.
        for (patterns, class, rights) in [
            (&self.read, "TABLES", READ),
            (&self.write, "TABLES", WRITE),
            (&self.write, "SEQUENCES", NUMBERS),
            (&self.execute, "FUNCTIONS", EXECUTE),
        ] {
            for pattern in patterns.iter().filter(|pattern| pattern.name.is_none()) {
                futures
                    .entry(pattern.schema.as_str())
                    .or_default()
                    .insert(class, rights);
            }
        }
        futures
    }

    /// Schemas that are declared as a whole, and those of which something is.
    fn schemas(&self, inside: &Inside<'_>) -> Vec<Want> {
        let named_relation = |pattern: &ObjectPattern, relation: &Relation| {
            pattern.covers(&relation.schema_name, &relation.name)
        };
        let named_function = |pattern: &ObjectPattern, function: &Function| {
            pattern.covers(&function.schema_name, &function.name)
        };
        let of_relations = self.read.iter().chain(&self.write).filter(|pattern| {
            pattern.name.is_none()
                || inside
                    .relations
                    .iter()
                    .any(|one| named_relation(pattern, one))
        });
        let of_functions = self.execute.iter().filter(|pattern| {
            pattern.name.is_none()
                || inside
                    .functions
                    .iter()
                    .any(|one| named_function(pattern, one))
        });
        let names: BTreeSet<&str> = of_relations
            .chain(of_functions)
            .map(|pattern| pattern.schema.as_str())
            .collect();
        inside
            .schemas
            .iter()
            .filter(|schema| !schema.is_system && names.contains(schema.name.as_str()))
            .map(|schema| {
                let name = quote_ident(&schema.name);
                want(AclClass::Schema, schema.oid, USAGE, "SCHEMA", name)
            })
            .collect()
    }

    /// What the policy gives on a relation by its name or schema.
    fn rights(&self, relation: &Relation) -> Option<&'static [&'static str]> {
        let covers = |patterns: &[ObjectPattern], by_name_only: bool| {
            patterns.iter().any(|pattern| {
                pattern.covers(&relation.schema_name, &relation.name)
                    && (pattern.name.is_some() || !by_name_only)
            })
        };
        let is_extensions = relation.extension != 0;
        let writes = covers(&self.write, is_extensions);
        let reads = covers(
            &self.read,
            is_extensions || relation.kind == RelationKind::Sequence,
        );
        match (relation.kind, writes, reads) {
            (RelationKind::Sequence, true, _) => Some(NUMBERS),
            (RelationKind::MaterializedView, true, _) | (_, false, true) => Some(READ),
            (_, true, _) => Some(WRITE),
            (_, false, false) => None,
        }
    }

    fn calls(&self, function: &Function) -> bool {
        self.execute.iter().any(|pattern| {
            pattern.covers(&function.schema_name, &function.name)
                && (pattern.name.is_some() || function.extension == 0)
        })
    }

    /// Sequences that columns of written relations use; those of a table that is written through a view among them: the server
    /// asks for them whoever writes. An identity column asks nobody.
    fn numbers(&self, inside: &Inside<'_>) -> BTreeSet<Oid> {
        let mut written: BTreeSet<Oid> = inside
            .relations
            .iter()
            .filter(|relation| self.rights(relation) == Some(WRITE))
            .map(|relation| relation.oid)
            .collect();
        let mut reads: BTreeMap<Oid, Vec<Oid>> = BTreeMap::new();
        for row in inside.views {
            reads.entry(row.view).or_default().push(row.reads);
        }
        let mut open: Vec<Oid> = written.iter().copied().collect();
        while let Some(relation) = open.pop() {
            for under in reads.get(&relation).into_iter().flatten() {
                if written.insert(*under) {
                    open.push(*under);
                }
            }
        }
        inside
            .sequences
            .iter()
            .filter(|row| row.relationship != SequenceUse::Identity)
            .filter(|row| written.contains(&row.relation))
            .map(|row| row.sequence)
            .collect()
    }
}

/// A function as GRANT names it; `None` for an aggregate whose arguments GRANT cannot write.
pub(super) fn callable(function: &Function) -> Option<(&'static str, String)> {
    match function.kind.as_str() {
        "p" => Some(("PROCEDURE", function.sql_name())),
        "a" if function.arguments.contains("ORDER BY") => None,
        _ => Some(("FUNCTION", function.sql_name())),
    }
}

const fn want(
    class: AclClass,
    oid: Oid,
    rights: &'static [&'static str],
    keyword: &'static str,
    name: String,
) -> Want {
    Want {
        class,
        oid,
        rights,
        keyword,
        name,
    }
}
