//! One database, when everything that these kinds need to know of it was read.

use super::holdings::Holdings;
use crate::planning::Planning;
use pgattest_model::facts::{
    Acl, ColumnSequence, Database, DatabaseFacts, DefaultAcl, Function, Oid, Relation, Schema,
    ViewDependency,
};
use pgattest_model::{Missing, ObservationId};

/// The role that owns the schema `public` from 15 on: its only member is the owner of the database.
pub(super) const DATABASE_OWNER: &str = "pg_database_owner";

/// What is in a database.
pub(super) struct Inside<'a> {
    pub(super) database: &'a Database,
    pub(super) facts: &'a DatabaseFacts,
    pub(super) schemas: &'a [Schema],
    pub(super) relations: &'a [Relation],
    pub(super) functions: &'a [Function],
    pub(super) acls: &'a [Acl],
    pub(super) defaults: &'a [DefaultAcl],
    pub(super) sequences: &'a [ColumnSequence],
    pub(super) views: &'a [ViewDependency],
    pub(super) holdings: Holdings<'a>,
    /// Of relations and of privileges.
    pub(super) observations: Vec<ObservationId>,
}

impl<'a> Inside<'a> {
    /// Everything, or what is missing.
    pub(super) fn of(planning: &Planning<'a>, database: &'a Database) -> Result<Self, Missing> {
        let shared = planning.context.facts.shared_acls.here()?;
        let facts = planning
            .context
            .facts
            .inside
            .iter()
            .find(|inside| inside.oid == database.oid)
            .ok_or_else(|| Missing::because("the database accepts no connections"))?;
        let relations = facts.relations.here()?;
        let acls = facts.acls.here()?;
        Ok(Self {
            database,
            facts,
            schemas: facts.schemas.here()?.value,
            relations: relations.value,
            functions: facts.functions.here()?.value,
            acls: acls.value,
            defaults: facts.default_acls.here()?.value,
            sequences: facts.column_sequences.here()?.value,
            views: facts.view_dependencies.here()?.value,
            holdings: Holdings::new(acls.value.iter().chain(shared.value)),
            observations: vec![relations.from.clone(), acls.from.clone()],
        })
    }

    /// Who owns a schema in fact: the owner of the database where `pg_database_owner` does.
    pub(super) fn owner_of(&self, planning: &Planning<'_>, schema: &Schema) -> Oid {
        if planning
            .context
            .role(schema.owner)
            .is_some_and(|role| role.name == DATABASE_OWNER)
        {
            self.database.owner
        } else {
            schema.owner
        }
    }
}
