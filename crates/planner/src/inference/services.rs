//! Programs that log in, where they were seen, and what they may do there now.

use super::Inferred;
use crate::planning::Login;
use pgattest_access::{Object, Privileges, Right, View};
use pgattest_checks::Context;
use pgattest_model::facts::{AclClass, DatabaseFacts, Relation, RelationKind, Role};
use pgattest_model::ident::{qualified, quote_ident};
use std::collections::{BTreeMap, BTreeSet};

/// One login role, and what it may do now: an upper bound of what it needs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct InferredService {
    /// The role.
    pub role: String,
    /// Databases it was seen in; where it was not seen, those that it owns something in or was granted something in.
    pub databases: BTreeSet<String>,
    /// Whether it was seen connected, live or in a log.
    pub seen: bool,
    /// Whether what follows is everything, because it is a superuser.
    pub superuser: bool,
    /// What it may read, and not write: `database.schema.*` when that is all of a schema.
    pub read: BTreeSet<String>,
    /// What it may insert into, update and delete from.
    pub write: BTreeSet<String>,
    /// Functions that not everybody may call.
    pub execute: BTreeSet<String>,
}

/// Adds a service for every login role that was seen or holds something, but the bootstrap superuser.
pub(super) fn infer(context: &Context<'_>, logins: &[Login], inferred: &mut Inferred) {
    let Ok(graph) = context.role_graph() else {
        return;
    };
    let seen = seen(context, logins);
    for role in graph.logins().filter(|role| role.oid != Role::BOOTSTRAP) {
        let mut service = InferredService {
            role: role.name.clone(),
            superuser: role.superuser,
            ..InferredService::default()
        };
        if let Some(databases) = seen.get(&role.name) {
            service.databases.clone_from(databases);
            service.seen = true;
        }
        for database in &context.facts.inside {
            let is_seen = service.databases.contains(&database.name);
            if is_seen || (!service.seen && has_something(role, database)) {
                service.databases.insert(database.name.clone());
                holdings(context, role, database, &mut service);
            }
        }
        if service.databases.is_empty() {
            if !service.seen {
                inferred.idle_logins.push(role.name.clone());
            }
            continue;
        }
        inferred.services.push(service);
    }
    inferred.idle_logins.sort();
    inferred.services.sort_by(|a, b| a.role.cmp(&b.role));
}

/// Databases by role, from live sessions (not from our own) and from logs.
fn seen(context: &Context<'_>, logins: &[Login]) -> BTreeMap<String, BTreeSet<String>> {
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for login in logins.iter().filter(|login| !login.replication) {
        let databases = seen.entry(login.role.clone()).or_default();
        databases.insert(login.database.clone());
    }
    let Ok(sessions) = context.facts.sessions.here() else {
        return seen;
    };
    for session in sessions
        .iter()
        .filter(|session| session.backend_type == "client backend" && !session.own)
    {
        let database = context
            .facts
            .inside
            .iter()
            .find(|database| database.oid == session.database);
        if let (Some(role), Some(database)) = (context.role(session.role), database) {
            let databases = seen.entry(role.name.clone()).or_default();
            databases.insert(database.name.clone());
        }
    }
    seen
}

/// Whether the role itself owns something or was granted something in this database.
fn has_something(role: &Role, database: &DatabaseFacts) -> bool {
    let owns = database
        .relations
        .here()
        .is_ok_and(|relations| relations.iter().any(|one| one.owner == role.oid));
    let holds = database
        .acls
        .here()
        .is_ok_and(|acls| acls.iter().any(|acl| acl.grantee == role.oid));
    owns || holds
}

fn holdings(
    context: &Context<'_>,
    role: &Role,
    database: &DatabaseFacts,
    service: &mut InferredService,
) {
    let (Ok(graph), Ok(acls), Ok(relations)) = (
        context.role_graph(),
        database.acls.here(),
        database.relations.here(),
    ) else {
        return;
    };
    let owner = context.facts.databases.here().ok().and_then(|databases| {
        let row = databases.iter().find(|row| row.oid == database.oid)?;
        Some(graph.within_database(row.owner))
    });
    let graph = owner.as_ref().unwrap_or(graph);
    let privileges = Privileges::new(graph, acls.value);
    let holds = |relation: &Relation, right| {
        role.superuser
            || privileges.holds(
                View::InForce,
                role.oid,
                Object::relation(relation.oid),
                right,
            ) == Some(true)
    };
    let mut schemas: BTreeMap<&str, Vec<(&Relation, bool, bool)>> = BTreeMap::new();
    for relation in relations.iter().filter(|relation| {
        relation.extension == 0 && relation.kind != RelationKind::Sequence && !relation.is_partition
    }) {
        let writes = [Right::Insert, Right::Update, Right::Delete]
            .into_iter()
            .all(|right| holds(relation, right));
        let reads = holds(relation, Right::Select);
        schemas
            .entry(&relation.schema_name)
            .or_default()
            .push((relation, reads, writes && reads));
    }
    for (schema, relations) in schemas {
        let all = format!("{}.{}.*", quote_ident(&database.name), quote_ident(schema));
        let name = |relation: &Relation| {
            format!("{}.{}", quote_ident(&database.name), relation.sql_name())
        };
        // Views are read; that they could be written to is nobody's intent.
        let tables = || {
            relations
                .iter()
                .filter(|(relation, ..)| relation.can_have_policies())
        };
        if tables().count() > 1 && tables().all(|(.., writes)| *writes) {
            service.write.insert(all);
            continue;
        }
        let written = tables().filter(|(.., writes)| *writes);
        service
            .write
            .extend(written.map(|(relation, ..)| name(relation)));
        if relations.len() > 1 && relations.iter().all(|(_, reads, _)| *reads) {
            service.read.insert(all);
            continue;
        }
        let read = relations.iter().filter(|(relation, reads, writes)| {
            *reads && !(*writes && relation.can_have_policies())
        });
        service
            .read
            .extend(read.map(|(relation, ..)| name(relation)));
    }
    functions(role, database, &privileges, service);
}

/// Functions that the role may call and PUBLIC may not.
fn functions(
    role: &Role,
    database: &DatabaseFacts,
    privileges: &Privileges<'_>,
    service: &mut InferredService,
) {
    let Ok(functions) = database.functions.here() else {
        return;
    };
    for function in functions.iter().filter(|function| function.extension == 0) {
        let object = Object::new(AclClass::Function, function.oid);
        let may = privileges.holds(View::InForce, role.oid, object, Right::Execute) == Some(true);
        let everybody = privileges
            .of_public(object)
            .is_some_and(|rights| rights.contains(Right::Execute));
        if may && !role.superuser && !everybody {
            service.execute.insert(format!(
                "{}.{}",
                quote_ident(&database.name),
                qualified(&function.schema_name, &function.name)
            ));
        }
    }
}
