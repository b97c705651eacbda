//! What each role owns inside the databases, by kind.

use super::listing::counted;
use crate::context::Context;
use pgattest_model::facts::{DatabaseFacts, Oid, RelationKind};
use pgattest_model::ident::quote_ident;
use pgattest_model::{Missing, ObservationId};
use std::collections::{BTreeMap, BTreeSet};

/// Kinds of property, the weightiest first: an example is of the first kind that there is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Table,
    Schema,
    View,
    Function,
}

impl Kind {
    const fn noun(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Schema => "schema",
            Self::View => "view",
            Self::Function => "function",
        }
    }
}

/// What one role owns.
#[derive(Debug, Default)]
pub(super) struct Property {
    counts: BTreeMap<Kind, usize>,
    databases: BTreeSet<String>,
    /// The first by kind, database and name.
    example: Option<(Kind, String, String)>,
    pub(super) observations: BTreeSet<ObservationId>,
}

impl Property {
    /// Whether there is a table or a schema among it: what protects rows hangs on those.
    pub(super) fn has_data(&self) -> bool {
        self.counts.contains_key(&Kind::Table) || self.counts.contains_key(&Kind::Schema)
    }

    /// `3 tables and 1 schema in database shop, public.orders among them`. The names are SQL.
    pub(super) fn words(&self) -> String {
        let counts: Vec<String> = self
            .counts
            .iter()
            .map(|(kind, count)| counted(*count, kind.noun()))
            .collect();
        let counts = match counts.split_last() {
            Some((last, first)) if !first.is_empty() => {
                format!("{} and {last}", first.join(", "))
            }
            _ => counts.concat(),
        };
        let total: usize = self.counts.values().sum();
        let one = self.databases.len() == 1;
        let place = match self.databases.first() {
            Some(only) if one => format!("in database {}", quote_ident(only)),
            _ => format!("in {} databases", self.databases.len()),
        };
        let example = self
            .example
            .as_ref()
            .map(|(_, database, name)| {
                let database = if one {
                    String::new()
                } else {
                    format!(" of database {}", quote_ident(database))
                };
                let among = if total == 1 { "" } else { " among them" };
                format!(", {name}{database}{among}")
            })
            .unwrap_or_default();
        format!("{counts} {place}{example}")
    }

    /// Adds what somebody owns besides.
    pub(super) fn absorb(&mut self, other: &Self) {
        for (kind, count) in &other.counts {
            *self.counts.entry(*kind).or_default() += count;
        }
        self.databases.extend(other.databases.iter().cloned());
        self.observations.extend(other.observations.iter().cloned());
        self.offer(other.example.clone());
    }

    fn add(&mut self, kind: Kind, database: &str, name: impl Fn() -> String, from: &ObservationId) {
        *self.counts.entry(kind).or_default() += 1;
        if !self.databases.contains(database) {
            self.databases.insert(database.to_owned());
        }
        if !self.observations.contains(from) {
            self.observations.insert(from.clone());
        }
        // Most objects are not the example: their names are not put together.
        let heavier = self.example.as_ref().is_none_or(|(held, ..)| kind <= *held);
        if heavier {
            self.offer(Some((kind, database.to_owned(), name())));
        }
    }

    fn offer(&mut self, example: Option<(Kind, String, String)>) {
        if let Some(example) = example
            && self.example.as_ref().is_none_or(|held| example < *held)
        {
            self.example = Some(example);
        }
    }
}

/// What every role owns, and the databases that could not be looked into. What an extension made is left out, and so are
/// sequences: they come with tables.
pub(super) fn by_owner(
    context: &Context<'_>,
) -> Result<(BTreeMap<Oid, Property>, Vec<Missing>), Missing> {
    context.facts.databases.here()?;
    let mut owned = BTreeMap::new();
    let mut not_seen = Vec::new();
    for database in &context.facts.inside {
        if let Err(missing) = add(database, &mut owned) {
            not_seen.push(missing);
        }
    }
    Ok((owned, not_seen))
}

fn add(database: &DatabaseFacts, owned: &mut BTreeMap<Oid, Property>) -> Result<(), Missing> {
    let schemas = database.schemas.here()?;
    let relations = database.relations.here()?;
    let functions = database.functions.here()?;
    for schema in schemas
        .iter()
        .filter(|schema| schema.extension == 0 && !schema.is_system)
    {
        let property = owned.entry(schema.owner).or_default();
        let name = || quote_ident(&schema.name);
        property.add(Kind::Schema, &database.name, name, schemas.from);
    }
    for relation in relations.iter().filter(|relation| relation.extension == 0) {
        let kind = match relation.kind {
            RelationKind::Table | RelationKind::Partitioned | RelationKind::Foreign => Kind::Table,
            RelationKind::View | RelationKind::MaterializedView => Kind::View,
            RelationKind::Sequence => continue,
        };
        let property = owned.entry(relation.owner).or_default();
        property.add(kind, &database.name, || relation.sql_name(), relations.from);
    }
    for function in functions.iter().filter(|function| function.extension == 0) {
        let property = owned.entry(function.owner).or_default();
        let name = || function.sql_name();
        property.add(Kind::Function, &database.name, name, functions.from);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Kind, Property};
    use pgattest_model::ObservationId;

    #[test]
    fn what_is_owned_reads_as_a_sentence() {
        let from = ObservationId::cluster("relations");
        let mut one = Property::default();
        one.add(Kind::View, "shop", || "a.v".to_owned(), &from);
        assert_eq!(one.words(), "1 view in database shop, a.v");
        assert!(!one.has_data());
        one.add(Kind::Table, "shop", || "b.t".to_owned(), &from);
        one.add(Kind::Table, "shop", || "b.s".to_owned(), &from);
        one.add(Kind::Schema, "shop", || "a".to_owned(), &from);
        assert_eq!(
            one.words(),
            "2 tables, 1 schema and 1 view in database shop, b.s among them"
        );
        let mut two = Property::default();
        two.add(Kind::Table, "My \"db\"", || "c.t".to_owned(), &from);
        two.absorb(&one);
        assert_eq!(
            two.words(),
            "3 tables, 1 schema and 1 view in 2 databases, c.t of database \"My \"\"db\"\"\" among them"
        );
        assert!(two.has_data());
    }
}
