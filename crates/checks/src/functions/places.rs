//! Where objects can be put in a database, and by whom.

use crate::context::Context;
use pgattest_model::facts::{AclClass, DatabaseFacts, Oid};
use pgattest_model::{Missing, ObservationId};
use std::collections::{BTreeSet, HashMap};

/// The schemas of one database by name, with the roles that may create objects in each. PUBLIC is 0.
pub struct Places<'a> {
    schemas: HashMap<&'a str, Place>,
    /// Roles that may create schemas.
    pub(super) make_schemas: BTreeSet<Oid>,
    /// Roles that may create temporary tables.
    pub(super) make_temporary: BTreeSet<Oid>,
    /// The database's owner.
    pub(super) database_owner: Oid,
    /// What it was read from.
    pub(super) observations: Vec<ObservationId>,
}

/// One schema.
#[derive(Debug)]
pub(super) struct Place {
    /// Its owner.
    pub(super) owner: Oid,
    /// Roles that may create objects in it, the owner among them.
    pub(super) creators: BTreeSet<Oid>,
}

impl<'a> Places<'a> {
    /// From the schemas, their privileges and the database's.
    pub fn new(context: &Context<'_>, database: &'a DatabaseFacts) -> Result<Self, Missing> {
        let schemas = database.schemas.here()?;
        let acls = database.acls.here()?;
        let shared = context.facts.shared_acls.here()?;
        let databases = context.facts.databases.here()?;
        let owner = databases
            .iter()
            .find(|row| row.oid == database.oid)
            .map(|row| row.owner)
            .ok_or_else(|| {
                Missing::because(format!("database {} is not listed", database.oid))
                    .seen_in(databases.from.clone())
            })?;

        let mut creators: HashMap<Oid, BTreeSet<Oid>> = HashMap::new();
        for acl in acls
            .iter()
            .filter(|acl| acl.class == AclClass::Schema && acl.has("CREATE"))
        {
            creators.entry(acl.object).or_default().insert(acl.grantee);
        }
        let by_name = schemas
            .value
            .iter()
            .map(|schema| {
                let mut creators = creators.remove(&schema.oid).unwrap_or_default();
                // An owner that took CREATE from itself can give it back.
                creators.insert(schema.owner);
                let place = Place {
                    owner: schema.owner,
                    creators,
                };
                (schema.name.as_str(), place)
            })
            .collect();
        let on_database = |privilege: &str| -> BTreeSet<Oid> {
            shared
                .iter()
                .filter(|acl| acl.class == AclClass::Database && acl.object == database.oid)
                .filter(|acl| acl.has(privilege))
                .map(|acl| acl.grantee)
                .chain([owner])
                .collect()
        };
        Ok(Self {
            schemas: by_name,
            make_schemas: on_database("CREATE"),
            make_temporary: on_database("TEMPORARY"),
            database_owner: owner,
            observations: vec![
                schemas.from.clone(),
                acls.from.clone(),
                shared.from.clone(),
                databases.from.clone(),
            ],
        })
    }

    /// Whether there is a schema of this name.
    pub fn has(&self, name: &str) -> bool {
        self.schemas.contains_key(name)
    }

    /// The schema of this name.
    pub(super) fn schema(&self, name: &str) -> Option<&Place> {
        self.schemas.get(name)
    }
}
