//! Who was given what is as good as superuser: one pass over the facts, not one for each role.

use super::known::{FUNCTIONS, KnownFunction, PARAMETERS, UNTRUSTED};
use super::power::{Caller, Grade, Power};
use crate::privileges::{Object, Privileges, Right};
use crate::roles::{RoleGraph, View};
use pgattest_model::facts::{Acl, AclClass, Database, DatabaseFacts, Facts, Function, Oid, PUBLIC};
use pgattest_model::{Missing, ident};
use std::collections::{BTreeMap, BTreeSet};

/// What one role, or everyone, was given.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Held {
    pub(super) grade: Grade,
    pub(super) power: Power,
    /// What else it takes; empty when it takes nothing.
    pub(super) when: &'static str,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By holder; PUBLIC is 0.
    pub(super) held: BTreeMap<Oid, BTreeSet<Held>>,
    /// For each superuser but the bootstrap one, something it owns.
    pub(super) owns: BTreeMap<Oid, String>,
    pub(super) not_seen: Vec<Missing>,
}

pub(super) fn find(facts: &Facts, graph: &RoleGraph) -> Result<Found, Missing> {
    let mut found = Found::default();
    match facts.shared_acls.here() {
        Ok(acls) => found.parameters(graph, acls.value),
        Err(missing) => found.not_seen.push(missing),
    }
    let databases = facts.databases.here()?;
    for inside in &facts.inside {
        let Some(database) = databases.iter().find(|row| row.oid == inside.oid) else {
            continue;
        };
        if let Err(missing) = found.database(graph, inside, database) {
            found.not_seen.push(missing);
        }
    }
    Ok(found)
}

impl Found {
    /// Notes it for a role that is no superuser. Whoever holds something as `pg_database_owner` is the database's owner.
    fn note(&mut self, graph: &RoleGraph, database: Option<&Database>, holder: Oid, held: Held) {
        let holder = match (graph.name(holder), database) {
            (Some("pg_database_owner"), Some(database)) => database.owner,
            _ => holder,
        };
        if !graph.is_superuser(holder) {
            self.held.entry(holder).or_default().insert(held);
        }
    }

    fn parameters(&mut self, graph: &RoleGraph, acls: &[Acl]) {
        for acl in acls.iter().filter(|acl| acl.class == AclClass::Parameter) {
            let Some(known) = PARAMETERS
                .iter()
                .find(|known| known.name.eq_ignore_ascii_case(&acl.name))
            else {
                continue;
            };
            let set = known.by_set && acl.has(Right::Set.name());
            if !set && !acl.has(Right::AlterSystem.name()) {
                continue;
            }
            let held = Held {
                grade: Grade::OperatingSystem,
                power: Power::Parameter {
                    name: acl.name.clone(),
                    alter_system: !set,
                },
                when: known.when,
            };
            self.note(graph, None, acl.grantee, held);
        }
    }

    fn database(
        &mut self,
        graph: &RoleGraph,
        inside: &DatabaseFacts,
        database: &Database,
    ) -> Result<(), Missing> {
        let acls = inside.acls.here()?.value;
        self.catalogs(graph, acls, database);
        let functions = inside.functions.here()?.value;
        let extensions: BTreeMap<Oid, &str> = inside
            .extensions
            .here()?
            .value
            .iter()
            .map(|extension| (extension.oid, extension.name.as_str()))
            .collect();
        self.functions(graph, acls, functions, &extensions, database);
        self.languages(graph, inside, acls, database)?;
        self.called(graph, inside, functions, database)?;
        for function in functions.iter().filter(|function| function.kind != "a") {
            self.owned(graph, function.owner, || function.sql_name(), database);
        }
        for relation in inside.relations.here()?.iter() {
            self.owned(graph, relation.owner, || relation.sql_name(), database);
        }
        Ok(())
    }

    fn catalogs(&mut self, graph: &RoleGraph, acls: &[Acl], database: &Database) {
        let writes = [Right::Insert, Right::Update];
        for acl in acls {
            let granted = |right: &Right| acl.has(right.name());
            let with_option = |right: &Right| {
                let mut given = acl.privileges.iter();
                given.any(|given| given.grantable && given.name == right.name())
            };
            let power = match acl.class {
                // The server refuses what is granted on the whole table, and not what is granted on a column.
                AclClass::Column if acl.object < 12_000 && writes.iter().any(granted) => {
                    Power::Catalog {
                        database: database.name.clone(),
                        sql: acl.name.clone(),
                    }
                }
                AclClass::Relation if acl.object < 12_000 => {
                    let power = Power::Catalog {
                        database: database.name.clone(),
                        sql: acl.name.clone(),
                    };
                    let held = Held {
                        grade: Grade::Superuser,
                        power: power.clone(),
                        when: "",
                    };
                    self.note(graph, Some(database), acl.owner, held);
                    if !writes.iter().any(with_option) {
                        continue;
                    }
                    power
                }
                AclClass::Schema if acl.object == PG_CATALOG => {
                    let power = Power::CatalogSchema {
                        database: database.name.clone(),
                    };
                    let held = Held {
                        grade: Grade::Superuser,
                        power: power.clone(),
                        when: SUPERUSER_RUNS,
                    };
                    self.note(graph, Some(database), acl.owner, held.clone());
                    if acl.has(Right::Create.name()) {
                        self.note(graph, Some(database), acl.grantee, held);
                    }
                    continue;
                }
                _ => continue,
            };
            let held = Held {
                grade: Grade::Superuser,
                power,
                when: "",
            };
            self.note(graph, Some(database), acl.grantee, held);
        }
    }

    fn functions(
        &mut self,
        graph: &RoleGraph,
        acls: &[Acl],
        functions: &[Function],
        extensions: &BTreeMap<Oid, &str>,
        database: &Database,
    ) {
        let listed: BTreeMap<Oid, (&'static KnownFunction, String)> = functions
            .iter()
            .filter_map(|function| {
                let extension = extensions.get(&function.extension)?;
                let known = FUNCTIONS
                    .iter()
                    .find(|known| known.extension == *extension && known.name == function.name)?;
                Some((function.oid, (known, function.sql_name())))
            })
            .collect();
        for acl in acls.iter().filter(|acl| acl.class == AclClass::Function) {
            let own = FUNCTIONS.iter().find(|known| {
                known.extension.is_empty()
                    && acl
                        .name
                        .strip_prefix("pg_catalog.")
                        .and_then(|name| name.strip_prefix(known.name))
                        .is_some_and(|rest| rest.starts_with('('))
            });
            let (known, sql) = match (own, listed.get(&acl.object)) {
                (Some(known), _) => (known, acl.name.clone()),
                (None, Some((known, sql))) => (*known, sql.clone()),
                (None, None) => continue,
            };
            let held = Held {
                grade: known.grade,
                power: Power::Function {
                    database: database.name.clone(),
                    sql,
                },
                when: known.when,
            };
            self.note(graph, Some(database), acl.owner, held.clone());
            if !acl.privileges.is_empty() {
                self.note(graph, Some(database), acl.grantee, held);
            }
        }
    }

    fn languages(
        &mut self,
        graph: &RoleGraph,
        inside: &DatabaseFacts,
        acls: &[Acl],
        database: &Database,
    ) -> Result<(), Missing> {
        for language in inside.languages.here()?.iter() {
            if !language.trusted || !UNTRUSTED.contains(&language.name.as_str()) {
                continue;
            }
            let given = acls.iter().filter(|acl| {
                acl.class == AclClass::Language
                    && acl.object == language.oid
                    && acl.has(Right::Usage.name())
            });
            for acl in given {
                let held = Held {
                    grade: Grade::OperatingSystem,
                    power: Power::Language {
                        database: database.name.clone(),
                        name: language.name.clone(),
                    },
                    when: "",
                };
                self.note(graph, Some(database), acl.grantee, held);
            }
        }
        Ok(())
    }

    /// Functions of ordinary roles that a superuser's session calls. To replace one takes CREATE on its schema.
    fn called(
        &mut self,
        graph: &RoleGraph,
        inside: &DatabaseFacts,
        functions: &[Function],
        database: &Database,
    ) -> Result<(), Missing> {
        let by_oid: BTreeMap<Oid, &Function> = functions
            .iter()
            .map(|function| (function.oid, function))
            .collect();
        let within = graph.within_database(database.owner);
        let schemas = Privileges::new(
            &within,
            inside
                .acls
                .here()?
                .value
                .iter()
                .filter(|acl| acl.class == AclClass::Schema),
        );
        let replaceable = |function: Oid| {
            let function = *by_oid.get(&function)?;
            let schema = Object::new(AclClass::Schema, function.schema);
            let creates = schemas.holds(View::InForce, function.owner, schema, Right::Create)?;
            (creates && !graph.is_superuser(function.owner)).then_some(function)
        };
        let mut calls = Vec::new();
        for trigger in inside.event_triggers.here()?.iter() {
            if trigger.enabled != "D"
                && let Some(function) = replaceable(trigger.function)
            {
                let by = Caller::EventTrigger(trigger.name.clone());
                calls.push((function, by, "a superuser runs the commands it fires on"));
            }
        }
        let superusers: BTreeMap<Oid, String> = inside
            .relations
            .here()?
            .iter()
            .filter(|relation| graph.is_superuser(relation.owner))
            .map(|relation| (relation.oid, relation.sql_name()))
            .collect();
        for trigger in inside.triggers.here()?.iter() {
            if trigger.enabled != "D"
                && let Some(relation) = superusers.get(&trigger.relation)
                && let Some(function) = replaceable(trigger.function)
            {
                let by = Caller::Trigger(trigger.name.clone(), relation.clone());
                calls.push((function, by, "a superuser writes to the table"));
            }
        }
        for (function, by, when) in calls {
            let held = Held {
                grade: Grade::Superuser,
                power: Power::Called {
                    database: database.name.clone(),
                    sql: function.sql_name(),
                    by,
                },
                when,
            };
            self.note(graph, Some(database), function.owner, held);
        }
        Ok(())
    }

    fn owned(
        &mut self,
        graph: &RoleGraph,
        owner: Oid,
        name: impl Fn() -> String,
        database: &Database,
    ) {
        if graph.is_superuser(owner) {
            self.owns
                .entry(owner)
                .or_insert_with(|| format!("{} in {}", name(), ident::quote_ident(&database.name)));
        }
    }

    /// What was given to everyone.
    pub(super) fn public(&self) -> impl Iterator<Item = &Held> {
        self.held.get(&PUBLIC).into_iter().flatten()
    }
}

/// `pg_catalog` has the same identifier everywhere.
const PG_CATALOG: Oid = 11;

const SUPERUSER_RUNS: &str = "a superuser runs statements in the database";
