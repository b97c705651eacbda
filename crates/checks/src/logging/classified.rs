//! Columns that the policy file calls classified.

use pgattest_model::Policy;
use pgattest_model::facts::{Column, DatabaseFacts, Oid, Relation};
use pgattest_model::ident::quote_ident;
use pgattest_model::{Missing, ObservationId};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The classified columns of one relation.
pub(super) struct ClassifiedRelation<'a> {
    pub(super) relation: &'a Relation,
    /// In the order of their numbers.
    pub(super) columns: Vec<&'a Column>,
}

/// The classified columns of one database.
pub(super) struct Classified<'a> {
    /// By relation, in the order of the facts.
    pub(super) relations: Vec<ClassifiedRelation<'a>>,
    /// Entries of the policy that name something here.
    pub(super) matched: BTreeSet<&'a str>,
    pub(super) seen_in: Vec<ObservationId>,
}

impl<'a> Classified<'a> {
    /// What the policy classifies in this database. Entries name `schema.table.column` or `database.schema.table.column`, as SQL
    /// would, with `*` for every column.
    pub(super) fn of(policy: &'a Policy, database: &'a DatabaseFacts) -> Result<Self, Missing> {
        let relations = database.relations.here()?;
        let columns = database.columns.here()?;
        let entries: BTreeSet<&str> = policy
            .classification
            .iter()
            .flat_map(|one| &one.columns)
            .map(String::as_str)
            .collect();
        let by_oid: HashMap<Oid, &Relation> = relations
            .value
            .iter()
            .map(|relation| (relation.oid, relation))
            .collect();
        let prefix = format!("{}.", quote_ident(&database.name));
        let mut matched = BTreeSet::new();
        let mut found: BTreeMap<Oid, Vec<&Column>> = BTreeMap::new();
        for column in columns.value.iter().filter(|_| !entries.is_empty()) {
            let Some(relation) = by_oid.get(&column.relation) else {
                continue;
            };
            let table = relation.sql_name();
            let names = [
                format!("{table}.{}", quote_ident(&column.name)),
                format!("{table}.*"),
            ];
            let entry = names.iter().find_map(|name| {
                entries
                    .get(name.as_str())
                    .or_else(|| entries.get(format!("{prefix}{name}").as_str()))
            });
            if let Some(entry) = entry {
                matched.insert(*entry);
                found.entry(column.relation).or_default().push(column);
            }
        }
        let relations_found = relations
            .value
            .iter()
            .filter_map(|relation| {
                found
                    .remove(&relation.oid)
                    .map(|columns| ClassifiedRelation { relation, columns })
            })
            .collect();
        Ok(Self {
            relations: relations_found,
            matched,
            seen_in: vec![relations.from.clone(), columns.from.clone()],
        })
    }
}

/// Entries of the policy that no database has a column for: a misspelt name must not pass for a column that was tested.
pub(super) fn unknown<'a>(policy: &'a Policy, matched: &BTreeSet<&'a str>) -> Vec<&'a str> {
    let entries: BTreeSet<&str> = policy
        .classification
        .iter()
        .flat_map(|one| &one.columns)
        .map(String::as_str)
        .collect();
    entries.difference(matched).copied().collect::<Vec<_>>()
}
