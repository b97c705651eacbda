//! What a login role owns in a database goes to the new owner, and works there as before.

use super::super::database::Inside;
use super::super::future::{self, Future};
use super::super::grant::{Grant, statements};
use super::super::holdings::lasting;
use super::super::impact;
use super::super::property::{self, Thing};
use super::super::service_role::sql;
use super::super::wanted::{self, EXECUTE, NUMBERS, USAGE, WRITE};
use super::{Estate, Moving};
use crate::draft::Draft;
use crate::planning::Planning;
use pgattest_access::RoleGraph;
use pgattest_model::facts::{AclClass, Oid, PUBLIC, RelationKind};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Need, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// Objects in one transaction: each holds a lock on it, its indexes and its storage until the end.
const PER_TRANSACTION: usize = 200;

/// One login role's property in one database, on its way to the new owner.
pub(super) struct HandOver<'h, 'a> {
    pub(super) planning: &'h Planning<'a>,
    pub(super) graph: &'h RoleGraph,
    pub(super) moving: &'h Moving<'a>,
    pub(super) inside: &'h Inside<'a>,
    pub(super) estate: &'h Estate<'a>,
}

impl HandOver<'_, '_> {
    /// What the new owner needs before it owns: code that runs with the owner's rights goes on working, and what it makes later
    /// gives what the login role's would have given.
    pub(super) fn prepare(&self) -> Option<Draft> {
        let owner = &self.moving.owner;
        let (give, take) = statements(&self.needed_by_owner(), &owner.name);
        let mut done: Vec<(String, String)> =
            give.into_iter().zip(take.into_iter().rev()).collect();
        done.extend(self.futures());
        if done.is_empty() {
            return None;
        }
        let title = format!(
            "prepare role {} to own in database {} what role {} owns",
            visible(&quote_ident(&owner.name)),
            visible(&quote_ident(&self.inside.database.name)),
            visible(&quote_ident(&self.estate.login.name))
        );
        let database = Some(self.inside.database.name.as_str());
        Some(sql(title, Stage::Grants, database, done))
    }

    pub(super) fn drafts(&self) -> Vec<Draft> {
        let things = &self.estate.things;
        let total = things.len().div_ceil(PER_TRANSACTION);
        things
            .chunks(PER_TRANSACTION)
            .enumerate()
            .map(|(number, part)| {
                let draft = self.part(part);
                if number == 0 {
                    self.with_impact(draft, total)
                } else {
                    draft
                }
            })
            .collect()
    }

    /// Owner first, then what the former owner keeps: a grant to an owner is its own, and would go with the ownership.
    fn part(&self, things: &[Thing]) -> Draft {
        let login = self.estate.login;
        let (new, old) = (
            quote_ident(&self.moving.owner.name),
            quote_ident(&login.name),
        );
        let mut done: Vec<(String, String)> = things
            .iter()
            .filter_map(|thing| thing.alter.as_ref())
            .map(|what| {
                (
                    format!("ALTER {what} OWNER TO {new};"),
                    format!("ALTER {what} OWNER TO {old};"),
                )
            })
            .collect();
        if !self.is_declared() {
            let counts = lasting(self.graph, login.oid);
            let grants: Vec<Grant> = things
                .iter()
                .filter_map(|thing| thing.kept(self.inside, &counts))
                .collect();
            let (give, take) = statements(&grants, &login.name);
            done.extend(give.into_iter().zip(take.into_iter().rev()));
        }
        let title = format!(
            "make {} the owner of {} of {} in database {}",
            visible(&new),
            property::words(things),
            visible(&old),
            visible(&quote_ident(&self.inside.database.name))
        );
        let database = Some(self.inside.database.name.as_str());
        let locked = things.iter().filter(|thing| thing.alter.is_some());
        let draft = sql(title, Stage::Ownership, database, done)
            .approval()
            .closing(self.estate.closes.map(|problem| problem.closes()));
        locked
            .filter_map(|thing| thing.relation.clone())
            .fold(draft, |draft, on| {
                draft.needing(Need::Lock {
                    mode: "ACCESS EXCLUSIVE".to_owned(),
                    on,
                })
            })
    }

    fn with_impact(&self, draft: Draft, parts: usize) -> Draft {
        let login = self.estate.login;
        let owner = &self.moving.owner.name;
        let things: Vec<&Thing> = self.estate.things.iter().collect();
        let mut draft = draft.affecting(impact::of_objects(
            self.planning,
            self.graph,
            self.inside,
            login,
            owner,
            &things,
        ));
        if self.is_declared() {
            draft = draft.affecting(impact::not_declared(self.inside, login, &self.undeclared()));
        }
        if parts > 1 {
            draft = draft.note(format!(
                "it is done in {parts} changes, so that no transaction holds too many locks"
            ));
        }
        let owner = visible(&quote_ident(owner));
        draft.note(format!(
            "migrations log in as a role of their own that is a member of {owner} without inheriting it, and begin with SET ROLE \
             {owner}; name it under access.schema_owners"
        ))
    }

    /// Relations, functions and sequences that the service owned and the policy does not give it.
    fn undeclared(&self) -> Vec<String> {
        let Some(service) = self.service() else {
            return Vec::new();
        };
        let wanted: BTreeSet<(AclClass, Oid)> =
            if service.databases.contains(&self.inside.database.name) {
                wanted::Declared::of(service, &self.inside.database.name)
                    .wants(self.inside)
                    .into_iter()
                    .map(|want| (want.class, want.oid))
                    .collect()
            } else {
                BTreeSet::new()
            };
        let relations = self.inside.relations;
        let names: BTreeMap<Oid, String> = relations
            .iter()
            .map(|relation| (relation.oid, visible(&relation.sql_name())))
            .collect();
        self.estate
            .things
            .iter()
            .filter(|thing| thing.class == AclClass::Relation && thing.alter.is_some())
            .filter(|thing| !wanted.contains(&(thing.class, thing.oid)))
            .filter_map(|thing| names.get(&thing.oid).cloned())
            .collect()
    }

    fn service(&self) -> Option<&pgattest_model::policy::Service> {
        let mut services = self.planning.context.policy.services.iter();
        services.find(|service| service.role == self.estate.login.name)
    }

    fn is_declared(&self) -> bool {
        self.service().is_some()
    }

    /// The rights of the former owner on what it does not own, as far as what it owned may run with them. Foreign keys look up
    /// rows as the owner of the table, and so need its schema. Views read with their owner's rights, and SECURITY DEFINER
    /// functions do everything so.
    fn needed_by_owner(&self) -> Vec<Grant> {
        let login = self.estate.login.oid;
        let held_by = lasting(self.graph, login);
        let moved: BTreeSet<(AclClass, Oid)> = self
            .estate
            .things
            .iter()
            .map(|thing| (thing.class, thing.oid))
            .collect();
        let own = |class: AclClass, oid: Oid| moved.contains(&(class, oid));
        let runs_code = self
            .inside
            .functions
            .iter()
            .any(|function| function.security_definer && own(AclClass::Function, function.oid));
        let read: BTreeSet<Oid> = self
            .inside
            .views
            .iter()
            .filter(|row| own(AclClass::Relation, row.view))
            .map(|row| row.reads)
            .collect();
        let places: BTreeSet<Oid> = self
            .estate
            .things
            .iter()
            .map(|thing| thing.schema)
            .collect();
        let lent = |class, oid, wanted: &[&'static str], also_public: bool| {
            let mut held = self.inside.holdings.granted(&held_by, class, oid);
            if also_public {
                held.extend(self.inside.holdings.of_public(class, oid));
            }
            let own: BTreeSet<Oid> = self.moving.owner.oid.into_iter().collect();
            let mut rights = self.inside.holdings.missing(&own, class, oid, wanted);
            rights.retain(|right| held.contains(right));
            rights
        };
        let mut grants = Vec::new();
        let mut add = |rights: Vec<&'static str>, class, object: String| {
            if !rights.is_empty() {
                grants.push(Grant {
                    rights,
                    class,
                    object,
                });
            }
        };
        for schema in self.inside.schemas {
            if own(AclClass::Schema, schema.oid) {
                continue;
            }
            let is_place = places.contains(&schema.oid);
            if !(is_place || runs_code) || schema.is_system {
                continue;
            }
            let mut rights = lent(AclClass::Schema, schema.oid, USAGE, is_place);
            let through_database = self.inside.owner_of(self.planning, schema) == login;
            if rights.is_empty() && is_place && through_database {
                let own: BTreeSet<Oid> = self.moving.owner.oid.into_iter().collect();
                rights = self
                    .inside
                    .holdings
                    .missing(&own, AclClass::Schema, schema.oid, USAGE);
            }
            add(rights, "SCHEMA", quote_ident(&schema.name));
        }
        for relation in self.inside.relations {
            let is_read = read.contains(&relation.oid);
            if !(is_read || runs_code) || own(AclClass::Relation, relation.oid) {
                continue;
            }
            let (class, wanted) = match relation.kind {
                RelationKind::Sequence => ("SEQUENCE", NUMBERS),
                _ => ("TABLE", WRITE),
            };
            let rights = lent(AclClass::Relation, relation.oid, wanted, is_read);
            add(rights, class, relation.sql_name());
        }
        let functions = self.inside.functions.iter();
        for function in functions.filter(|one| runs_code && !own(AclClass::Function, one.oid)) {
            let rights = lent(AclClass::Function, function.oid, EXECUTE, false);
            if let Some((class, name)) = wanted::callable(function) {
                add(rights, class, name);
            }
        }
        grants
    }

    /// Default privileges of the former owner, which say nothing about what the new one makes; and, for a role whose needs nobody
    /// declared, what it keeps of what is there.
    fn futures(&self) -> Vec<(String, String)> {
        let login = self.estate.login.oid;
        let owner = &self.moving.owner;
        let mut futures: Vec<Future> = Vec::new();
        for row in self.inside.defaults {
            let of_everybody = row.schema == 0 && row.grantee == PUBLIC;
            if row.creator != login || row.grantee == login || of_everybody {
                continue;
            }
            let schema = match row.schema {
                0 => None,
                oid => match future::schema_name(self.inside.facts, oid) {
                    Some(name) => Some(name),
                    None => continue,
                },
            };
            let Some(class) = future::class(&row.object_type) else {
                continue;
            };
            for grantable in [false, true] {
                let rights: Vec<&str> = row
                    .privileges
                    .iter()
                    .filter(|given| given.grantable == grantable)
                    .map(|given| given.name.as_str())
                    .collect();
                let to = BTreeSet::from([row.grantee]);
                let rights = future::missing(
                    self.inside.defaults,
                    owner.oid,
                    row.schema,
                    class,
                    &to,
                    &rights,
                );
                if !rights.is_empty() {
                    futures.push(Future {
                        creator: owner.name.clone(),
                        schema: schema.clone(),
                        class,
                        rights,
                        grantable,
                        grantee: self.planning.context.role_name(row.grantee),
                    });
                }
            }
        }
        if !self.is_declared() {
            futures.extend(self.kept_futures());
        }
        let mut done: Vec<(String, String)> = futures
            .iter()
            .map(|future| (future.give(), future.take()))
            .collect();
        done.extend(self.kept_from_public());
        done
    }

    fn kept_futures(&self) -> Vec<Future> {
        let login = self.estate.login;
        let owner = &self.moving.owner;
        let counts = lasting(self.graph, login.oid);
        let with = |class| -> BTreeSet<Oid> {
            let things = self.estate.things.iter();
            things
                .filter(|thing| thing.class == class)
                .map(|thing| thing.schema)
                .collect()
        };
        let (tables, functions) = (with(AclClass::Relation), with(AclClass::Function));
        let mut futures = Vec::new();
        for schema in self.inside.schemas {
            let mut classes: Vec<(&str, &[&str])> = Vec::new();
            if tables.contains(&schema.oid) {
                classes.extend([("TABLES", WRITE), ("SEQUENCES", NUMBERS)]);
            }
            if functions.contains(&schema.oid) {
                classes.push(("FUNCTIONS", EXECUTE));
            }
            for (class, wanted) in classes {
                let defaults = self.inside.defaults;
                let rights =
                    future::missing(defaults, owner.oid, schema.oid, class, &counts, wanted);
                if !rights.is_empty() {
                    futures.push(Future {
                        creator: owner.name.clone(),
                        schema: Some(schema.name.clone()),
                        class,
                        rights,
                        grantable: false,
                        grantee: quote_ident(&login.name),
                    });
                }
            }
        }
        futures
    }

    /// A default for all schemas replaces the built-in one: where the former owner's gives PUBLIC nothing, so does the new one's.
    fn kept_from_public(&self) -> Vec<(String, String)> {
        let rows = |creator: Option<Oid>, object_type: &str| {
            let rows: Vec<_> = self
                .inside
                .defaults
                .iter()
                .filter(|row| {
                    Some(row.creator) == creator
                        && row.schema == 0
                        && row.object_type == object_type
                })
                .collect();
            let public = rows.iter().any(|row| row.grantee == PUBLIC);
            (!rows.is_empty(), public)
        };
        let builtin = [("f", "EXECUTE", "FUNCTIONS"), ("T", "USAGE", "TYPES")];
        builtin
            .into_iter()
            .filter(|(object_type, ..)| {
                let old = rows(Some(self.estate.login.oid), object_type);
                let new = rows(self.moving.owner.oid, object_type);
                old == (true, false) && (new == (false, false) || new.1)
            })
            .map(|(_, right, class)| {
                let future = Future {
                    creator: self.moving.owner.name.clone(),
                    schema: None,
                    class,
                    rights: vec![right.to_owned()],
                    grantable: false,
                    grantee: "PUBLIC".to_owned(),
                };
                (future.take(), future.give())
            })
            .collect()
    }
}
