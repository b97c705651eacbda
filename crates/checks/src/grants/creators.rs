//! Who may create objects in a database.

use crate::context::Context;
use pgattest_access::RoleGraph;
use pgattest_model::facts::{AclClass, DatabaseFacts, Oid, PUBLIC};
use pgattest_model::{Missing, ObservationId};
use std::collections::BTreeSet;

/// Who may create objects in one database. What is not known counts as "may".
pub(super) struct Creators<'a> {
    known: Option<Known<'a>>,
    /// What it was read from.
    pub(super) observations: Vec<ObservationId>,
}

struct Known<'a> {
    graph: RoleGraph,
    /// Who may create objects in which schema.
    in_schemas: BTreeSet<(Oid, Oid)>,
    /// Who may create schemas.
    in_database: BTreeSet<Oid>,
    database: &'a DatabaseFacts,
}

impl<'a> Creators<'a> {
    /// From privileges, ownership and memberships.
    pub(super) fn new(context: &Context<'_>, database: &'a DatabaseFacts) -> Self {
        Self::read(context, database).unwrap_or(Self {
            known: None,
            observations: Vec::new(),
        })
    }

    fn read(context: &Context<'_>, database: &'a DatabaseFacts) -> Result<Self, Missing> {
        let (acls, shared) = (database.acls.here()?, context.facts.shared_acls.here()?);
        let databases = context.facts.databases.here()?;
        let owner = databases
            .iter()
            .find(|row| row.oid == database.oid)
            .map_or(PUBLIC, |row| row.owner);
        let graph = context.role_graph()?.within_database(owner);
        let in_schemas = acls
            .iter()
            .filter(|acl| acl.class == AclClass::Schema && acl.has("CREATE"))
            .map(|acl| (acl.object, acl.grantee))
            .collect();
        let in_database = shared
            .iter()
            .filter(|acl| {
                acl.class == AclClass::Database && acl.object == database.oid && acl.has("CREATE")
            })
            .map(|acl| acl.grantee)
            .collect();
        let observations = vec![acls.from.clone(), shared.from.clone()];
        Ok(Self {
            known: Some(Known {
                graph,
                in_schemas,
                in_database,
                database,
            }),
            observations,
        })
    }

    /// Whether a role may create objects of a type (`pg_default_acl.defaclobjtype`) in a schema; 0 is any schema.
    pub(super) fn may_create(&self, creator: Oid, schema: Oid, object_type: &str) -> bool {
        self.known
            .as_ref()
            .is_none_or(|known| known.may_create(creator, schema, object_type))
    }
}

impl Known<'_> {
    fn may_create(&self, creator: Oid, schema: Oid, object_type: &str) -> bool {
        // Everyone may create large objects; a role that is not in the graph is not known.
        if object_type == "L"
            || self.graph.is_superuser(creator)
            || self.graph.role(creator).is_none()
        {
            return true;
        }
        let acts_as = self.graph.inherits(creator);
        let holds = |grantee: Oid| grantee == PUBLIC || acts_as.contains(grantee);
        let makes_schemas = self.in_database.iter().any(|grantee| holds(*grantee));
        if object_type == "n" || (makes_schemas && schema == 0) {
            return makes_schemas;
        }
        let in_scope = |oid: Oid| schema == 0 || schema == oid;
        let owns = self.database.schemas.here().is_ok_and(|schemas| {
            schemas
                .iter()
                .any(|row| in_scope(row.oid) && acts_as.contains(row.owner))
        });
        owns || self
            .in_schemas
            .iter()
            .any(|(oid, grantee)| in_scope(*oid) && holds(*grantee))
    }
}
