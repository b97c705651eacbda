//! What a login role owns in a database, and what it keeps of it.

use super::database::Inside;
use super::grant::Grant;
use super::wanted::{EXECUTE, READ, USAGE, WRITE, callable};
use pgattest_model::facts::{AclClass, Oid, RelationKind, SequenceUse};
use pgattest_model::ident::quote_ident;
use std::collections::{BTreeMap, BTreeSet};

/// `setval` is no change of the schema.
const EVERY_NUMBER: &[&str] = &["USAGE", "SELECT", "UPDATE"];

/// One object that gets another owner.
pub(super) struct Thing {
    pub(super) class: AclClass,
    pub(super) oid: Oid,
    /// What `ALTER` names: `TABLE shop.orders`; `None`: it follows its table.
    pub(super) alter: Option<String>,
    /// What a former owner goes on using without changing it.
    keep: &'static [&'static str],
    /// What GRANT names; `None`: nothing is granted on it.
    on: Option<(&'static str, String)>,
    /// Its kind, for a title.
    pub(super) noun: &'static str,
    /// The relation's name as SQL, when it is one.
    pub(super) relation: Option<String>,
    /// The schema that it is in; its own for a schema.
    pub(super) schema: Oid,
}

/// What the role owns, but not what extensions made: schemas, relations, functions and types.
pub(super) fn of(inside: &Inside<'_>, owner: Oid) -> Vec<Thing> {
    let following: BTreeSet<Oid> = inside
        .sequences
        .iter()
        .filter(|row| row.relationship != SequenceUse::Default)
        .map(|row| row.sequence)
        .collect();
    let schemas = inside
        .schemas
        .iter()
        .filter(|schema| schema.owner == owner && schema.extension == 0 && !schema.is_system)
        .map(|schema| Thing {
            class: AclClass::Schema,
            oid: schema.oid,
            alter: Some(format!("SCHEMA {}", quote_ident(&schema.name))),
            keep: USAGE,
            on: Some(("SCHEMA", quote_ident(&schema.name))),
            noun: "schema",
            relation: None,
            schema: schema.oid,
        });
    let relations = inside
        .relations
        .iter()
        .filter(|relation| relation.owner == owner && relation.extension == 0)
        .map(|relation| {
            let name = relation.sql_name();
            let (keyword, keep, noun) = match relation.kind {
                RelationKind::Table | RelationKind::Partitioned => ("TABLE", WRITE, "table"),
                RelationKind::Foreign => ("FOREIGN TABLE", WRITE, "table"),
                RelationKind::View => ("VIEW", WRITE, "view"),
                RelationKind::MaterializedView => ("MATERIALIZED VIEW", READ, "materialized view"),
                RelationKind::Sequence => ("SEQUENCE", EVERY_NUMBER, "sequence"),
            };
            let on = match relation.kind {
                RelationKind::Sequence => "SEQUENCE",
                _ => "TABLE",
            };
            Thing {
                class: AclClass::Relation,
                oid: relation.oid,
                alter: (!following.contains(&relation.oid)).then(|| format!("{keyword} {name}")),
                keep,
                on: Some((on, name.clone())),
                noun,
                relation: Some(name),
                schema: relation.schema,
            }
        });
    let functions = inside
        .functions
        .iter()
        .filter(|function| function.owner == owner && function.extension == 0)
        .map(|function| Thing {
            class: AclClass::Function,
            oid: function.oid,
            alter: Some(format!("{} {}", function.sql_kind(), function.sql_name())),
            keep: EXECUTE,
            on: callable(function),
            noun: "function",
            relation: None,
            schema: function.schema,
        });
    schemas
        .chain(relations)
        .chain(functions)
        .chain(types(inside, owner))
        .collect()
}

/// Types of its own. The row type of a table goes with the table, and cannot be moved by itself.
fn types(inside: &Inside<'_>, owner: Oid) -> impl Iterator<Item = Thing> {
    let rows: BTreeSet<String> = inside
        .relations
        .iter()
        .filter(|relation| relation.owner == owner)
        .map(|relation| bare(&relation.sql_name()))
        .collect();
    let types: BTreeMap<Oid, String> = inside
        .acls
        .iter()
        .filter(|row| row.class == AclClass::Type && row.owner == owner)
        .filter(|row| !rows.contains(&bare(&row.name)))
        .map(|row| (row.object, row.name.clone()))
        .collect();
    types.into_iter().map(|(oid, name)| Thing {
        class: AclClass::Type,
        oid,
        alter: Some(format!("TYPE {name}")),
        keep: &[],
        on: None,
        noun: "type",
        relation: None,
        schema: 0,
    })
}

/// A name without the quotes around it: the server quotes some words that we do not, and the other way round.
fn bare(name: &str) -> String {
    name.replace('"', "")
}

impl Thing {
    /// What a former owner is granted on it, of what it could do and no group gives it.
    pub(super) fn kept(&self, inside: &Inside<'_>, counts: &BTreeSet<Oid>) -> Option<Grant> {
        let (class, object) = self.on.clone()?;
        let could = inside.holdings.of_owner(self.class, self.oid);
        let mut rights = inside
            .holdings
            .missing(counts, self.class, self.oid, self.keep);
        rights.retain(|right| could.contains(right));
        (!rights.is_empty()).then_some(Grant {
            rights,
            class,
            object,
        })
    }
}

/// `2 tables, 1 schema and 1 function`: what has to be altered.
pub(super) fn words<'t>(things: impl IntoIterator<Item = &'t Thing>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for thing in things.into_iter().filter(|thing| thing.alter.is_some()) {
        *counts.entry(thing.noun).or_default() += 1;
    }
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(noun, count)| match count {
            1 => format!("1 {noun}"),
            more => format!("{more} {noun}s"),
        })
        .collect();
    match counts.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => counts.concat(),
    }
}
