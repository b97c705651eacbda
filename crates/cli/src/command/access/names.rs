//! What objects are called.

use pgattest_access::Object;
use pgattest_model::facts::{
    Acl, AclClass, Column, DatabaseFacts, Facts, Function, Oid, Relation, Schema,
};
use pgattest_model::ident::quote_ident;
use pgattest_model::{Collected, Missing};
use std::collections::{HashMap, HashSet};

/// The names of one database's objects, or of the shared ones.
#[derive(Default)]
pub(super) struct Names<'a> {
    relations: HashMap<Oid, &'a Relation>,
    columns: HashMap<(Oid, i16), &'a Column>,
    functions: HashMap<Oid, &'a Function>,
    schemas: HashMap<Oid, &'a Schema>,
    untrusted: HashSet<Oid>,
    /// Names of everything that has a name and nothing more.
    plain: HashMap<(AclClass, Oid), &'a str>,
}

/// One object in words.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// `table`, `function` ...
    pub(super) kind: &'static str,
    /// As SQL.
    pub(super) sql: String,
    /// The schema it is in, where that is known.
    pub(super) schema: Option<Oid>,
}

impl<'a> Names<'a> {
    pub(super) fn shared(facts: &'a Facts) -> Self {
        let mut names = Self::default();
        if let Collected::Here { value, .. } = &facts.databases {
            let rows = value.iter().map(|row| (row.oid, row.name.as_str()));
            names.add(AclClass::Database, rows);
        }
        if let Collected::Here { value, .. } = &facts.tablespaces {
            let rows = value.iter().map(|row| (row.oid, row.name.as_str()));
            names.add(AclClass::Tablespace, rows);
        }
        names
    }

    /// The names in one database, and what of them was not seen.
    pub(super) fn inside(facts: &'a DatabaseFacts) -> (Self, Vec<Missing>) {
        let mut names = Self::default();
        let mut missing = Vec::new();
        let mut seen = |result: Result<(), Missing>| missing.extend(result.err());
        seen(facts.relations.here().map(|rows| {
            names.relations = rows.value.iter().map(|row| (row.oid, row)).collect();
        }));
        seen(facts.columns.here().map(|rows| {
            let rows = rows.value.iter();
            names.columns = rows.map(|row| ((row.relation, row.number), row)).collect();
        }));
        seen(facts.functions.here().map(|rows| {
            names.functions = rows.value.iter().map(|row| (row.oid, row)).collect();
        }));
        seen(facts.schemas.here().map(|rows| {
            names.schemas = rows.value.iter().map(|row| (row.oid, row)).collect();
        }));
        seen(facts.languages.here().map(|rows| {
            let untrusted = rows.value.iter().filter(|row| !row.trusted);
            names.untrusted = untrusted.map(|row| row.oid).collect();
            let rows = rows.value.iter().map(|row| (row.oid, row.name.as_str()));
            names.add(AclClass::Language, rows);
        }));
        seen(facts.foreign_data_wrappers.here().map(|rows| {
            let rows = rows.value.iter().map(|row| (row.oid, row.name.as_str()));
            names.add(AclClass::ForeignDataWrapper, rows);
        }));
        seen(facts.foreign_servers.here().map(|rows| {
            let rows = rows.value.iter().map(|row| (row.oid, row.name.as_str()));
            names.add(AclClass::ForeignServer, rows);
        }));
        (names, missing)
    }

    /// What an object is called. The rows are its ACL entries, which name what no other group lists; an object without any
    /// name is called by its identifier.
    pub(super) fn of(&self, object: Object<'_>, rows: &[&Acl]) -> Named {
        let given = rows
            .first()
            .map(|row| row.name.as_str())
            .filter(|name| !name.is_empty());
        let otherwise = || given.map_or_else(|| format!("(oid {})", object.oid), str::to_owned);
        let unlocated = |kind, sql| Named {
            kind,
            sql,
            schema: None,
        };
        match object.class {
            AclClass::Relation => match self.relations.get(&object.oid) {
                Some(relation) => Named {
                    kind: relation.kind.as_str(),
                    sql: relation.sql_name(),
                    schema: Some(relation.schema),
                },
                None => unlocated("relation", otherwise()),
            },
            AclClass::Column => match self.relations.get(&object.oid) {
                Some(relation) => Named {
                    kind: "column",
                    sql: format!("{}.{}", relation.sql_name(), self.column(object)),
                    schema: Some(relation.schema),
                },
                None => unlocated("column", otherwise()),
            },
            AclClass::Function => match self.functions.get(&object.oid) {
                Some(function) => Named {
                    kind: match function.kind.as_str() {
                        "p" => "procedure",
                        "a" => "aggregate",
                        _ => "function",
                    },
                    sql: function.sql_name(),
                    schema: Some(function.schema),
                },
                None => unlocated("function", otherwise()),
            },
            AclClass::Schema => {
                let schema = self.schemas.get(&object.oid);
                unlocated(
                    "schema",
                    schema.map_or_else(otherwise, |schema| quote_ident(&schema.name)),
                )
            }
            AclClass::LargeObject => unlocated("large object", object.oid.to_string()),
            AclClass::Parameter => unlocated("parameter", object.parameter.to_owned()),
            class => {
                let name = self.plain.get(&(class, object.oid));
                unlocated(
                    kind(class),
                    name.map_or_else(otherwise, |name| quote_ident(name)),
                )
            }
        }
    }

    /// Whether it is a language in which only superusers write, whatever was granted.
    pub(super) fn is_untrusted(&self, language: Oid) -> bool {
        self.untrusted.contains(&language)
    }

    /// Every column of every relation.
    pub(super) fn all_columns(&self) -> impl Iterator<Item = Object<'_>> {
        self.columns
            .keys()
            .map(|(relation, number)| Object::column(*relation, *number))
    }

    /// A schema's name as SQL.
    pub(super) fn schema(&self, oid: Oid) -> String {
        self.schemas.get(&oid).map_or_else(
            || format!("(oid {oid})"),
            |schema| quote_ident(&schema.name),
        )
    }

    fn column(&self, object: Object<'_>) -> String {
        match (
            self.columns.get(&(object.oid, object.column)),
            object.column,
        ) {
            (Some(column), _) => quote_ident(&column.name),
            (None, -1) => "ctid".to_owned(),
            (None, -2) => "xmin".to_owned(),
            (None, -3) => "cmin".to_owned(),
            (None, -4) => "xmax".to_owned(),
            (None, -5) => "cmax".to_owned(),
            (None, -6) => "tableoid".to_owned(),
            (None, number) => format!("(column {number})"),
        }
    }

    fn add(&mut self, class: AclClass, rows: impl Iterator<Item = (Oid, &'a str)>) {
        self.plain
            .extend(rows.map(|(oid, name)| ((class, oid), name)));
    }
}

/// A class in the words that name its kind, where it has only one.
pub(super) const fn kind(class: AclClass) -> &'static str {
    match class {
        AclClass::Relation => "relation",
        AclClass::Column => "column",
        AclClass::Function => "function",
        AclClass::Schema => "schema",
        AclClass::Type => "type",
        AclClass::Language => "language",
        AclClass::ForeignDataWrapper => "foreign-data wrapper",
        AclClass::ForeignServer => "foreign server",
        AclClass::LargeObject => "large object",
        AclClass::Database => "database",
        AclClass::Tablespace => "tablespace",
        AclClass::Parameter => "parameter",
    }
}

#[cfg(test)]
mod tests {
    use super::Names;
    use pgattest_access::Object;

    #[test]
    fn what_has_no_name_is_called_by_its_identifier() {
        let names = Names::default();
        assert_eq!(names.of(Object::relation(16_400), &[]).sql, "(oid 16400)");
        assert_eq!(names.of(Object::parameter("work_mem"), &[]).sql, "work_mem");
    }
}
