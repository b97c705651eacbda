//! What roles own and were given, to tell a login that exists for one job from one that is shared.

use crate::context::Context;
use pgattest_access::RoleGraph;
use pgattest_model::facts::{AclClass, DatabaseFacts, Oid, Role};
use pgattest_model::{Missing, ObservationId};
use std::collections::BTreeSet;

/// Roles that hold anything of their own, in the databases that were seen.
pub(super) struct Holdings {
    holders: BTreeSet<Oid>,
    /// What it was read from.
    pub(super) observations: Vec<ObservationId>,
    /// Databases that may hold more.
    pub(super) not_seen: Vec<Missing>,
}

impl Holdings {
    /// Owners of databases, tablespaces, schemas, relations and functions; and whoever was granted anything on a relation, or
    /// may create objects. What comes to everyone through PUBLIC, CONNECT and EXECUTE do not count.
    pub(super) fn read(context: &Context<'_>) -> Result<Self, Missing> {
        let databases = context.facts.databases.here()?;
        let tablespaces = context.facts.tablespaces.here()?;
        let shared = context.facts.shared_acls.here()?;
        let mut holdings = Self {
            holders: BTreeSet::new(),
            observations: vec![
                databases.from.clone(),
                tablespaces.from.clone(),
                shared.from.clone(),
            ],
            not_seen: Vec::new(),
        };
        let holders = &mut holdings.holders;
        holders.extend(databases.iter().map(|database| database.owner));
        holders.extend(tablespaces.iter().map(|tablespace| tablespace.owner));
        holders.extend(
            shared
                .iter()
                .filter(|acl| acl.class == AclClass::Parameter || acl.has("CREATE"))
                .map(|acl| acl.grantee),
        );
        for database in &context.facts.inside {
            if let Err(missing) = holdings.add(database) {
                holdings.not_seen.push(missing);
            }
        }
        Ok(holdings)
    }

    fn add(&mut self, database: &DatabaseFacts) -> Result<(), Missing> {
        let schemas = database.schemas.here()?;
        let relations = database.relations.here()?;
        let functions = database.functions.here()?;
        let acls = database.acls.here()?;
        self.observations.extend([
            schemas.from.clone(),
            relations.from.clone(),
            functions.from.clone(),
            acls.from.clone(),
        ]);
        self.holders.extend(schemas.iter().map(|row| row.owner));
        self.holders.extend(relations.iter().map(|row| row.owner));
        self.holders.extend(functions.iter().map(|row| row.owner));
        // What an extension made for monitoring is no data.
        let data: BTreeSet<Oid> = relations
            .iter()
            .filter(|row| row.extension == 0)
            .map(|row| row.oid)
            .collect();
        let counts = |class, object: &Oid| match class {
            AclClass::Relation | AclClass::Column => data.contains(object),
            AclClass::LargeObject | AclClass::ForeignServer => true,
            _ => false,
        };
        self.holders.extend(
            acls.iter()
                .filter(|acl| {
                    counts(acl.class, &acl.object)
                        || (acl.class == AclClass::Schema && acl.has("CREATE"))
                })
                .map(|acl| acl.grantee),
        );
        Ok(())
    }

    /// Whether a login exists for one job: it holds nothing, is in no group but these, and no other login can act as it.
    pub(super) fn is_dedicated(&self, graph: &RoleGraph, login: &Role, groups: &[&str]) -> bool {
        login.can_login
            && !self.holders.contains(&login.oid)
            && graph
                .member_of(login.oid)
                .roles()
                .all(|group| group.oid == login.oid || groups.contains(&group.name.as_str()))
            && graph
                .holders(login.oid)
                .iter()
                .all(|holder| holder.superuser)
    }
}
