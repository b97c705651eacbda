//! Ownership is taken from login roles.

use super::database::{DATABASE_OWNER, Inside};
use super::future::{self, Future};
use super::grant::{Grant, statements};
use super::holdings::{Holdings, lasting};
use super::names::{self, Chosen};
use super::property::{self, Thing};
use super::service_role::sql;
use super::wanted::{EXECUTE, NUMBERS, USAGE, WRITE};
use super::{impact, names::is_out_of_reach};
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_access::RoleGraph;
use pgattest_checks::roles::{DatabaseOwners, OwningLogins};
use pgattest_model::facts::{AclClass, Database, Oid, PUBLIC, RelationKind, Role};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Need, Stage};
use pgattest_model::{Missing, SubjectKind};
use std::collections::{BTreeMap, BTreeSet};

/// Objects in one transaction: each holds a lock on it, its indexes and its storage until the end.
const PER_TRANSACTION: usize = 200;

/// Databases, and what is in them, go from login roles to a role without LOGIN: one for each database. The login role keeps what
/// the policy declares for it, or, where it declares nothing, what an owner does without changing anything.
///
/// Only what a login role owns itself: whether somebody should be a member of an owner, no plan can know.
#[derive(Clone, Copy, Debug)]
pub struct Ownership;

impl Kind for Ownership {
    fn name(&self) -> &'static str {
        "ownership"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["ROL-14", "ROL-15"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let graph = planning.context.role_graph()?;
        let owners = Owners::of(planning)?;
        let mut drafts = Vec::new();
        for moving in &owners.moving {
            drafts.extend(make_owner(moving));
            if let Some(inside) = &moving.inside {
                for estate in &moving.estates {
                    let hand_over = HandOver {
                        planning,
                        graph,
                        moving,
                        inside,
                        estate,
                    };
                    drafts.extend(hand_over.prepare());
                    drafts.extend(hand_over.drafts());
                }
            }
            drafts.extend(database(planning, graph, moving)?);
        }
        Ok(drafts)
    }
}

/// Who will own what.
pub(super) struct Owners<'a> {
    moving: Vec<Moving<'a>>,
}

/// One database in which something gets another owner.
struct Moving<'a> {
    database: &'a Database,
    /// The finding that a login role owns the database, and that role.
    itself: Option<(Problem<'a>, &'a Role)>,
    /// What was read of its inside.
    inside: Option<Inside<'a>>,
    estates: Vec<Estate<'a>>,
    owner: Chosen,
}

/// What one login role owns there.
struct Estate<'a> {
    login: &'a Role,
    things: Vec<Thing>,
    /// The finding, when nothing the role owns is left behind.
    closes: Option<Problem<'a>>,
}

impl<'a> Owners<'a> {
    pub(super) fn of(planning: &Planning<'a>) -> Result<Self, Missing> {
        let graph = planning.context.role_graph()?;
        let roles = planning.context.facts.roles.here()?;
        let databases = planning.context.facts.databases.here()?;
        let shared = planning.context.facts.shared_acls.here()?;
        let owning: Vec<(Problem<'a>, &'a Role)> = planning
            .open("ROL-15")
            .filter(|problem| problem.finding.cause == OwningLogins::ITSELF)
            .filter_map(|problem| {
                let name = &problem.finding.subject.name;
                let role = roles
                    .value
                    .iter()
                    .find(|role| quote_ident(&role.name) == *name)?;
                Some((problem, role))
            })
            .collect();
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let mut left_behind: BTreeSet<Oid> = BTreeSet::new();
        let mut all = Vec::new();
        for database in databases.value {
            let itself = owner_problem(planning, database);
            let inside = if owning.is_empty() && itself.is_none() {
                None
            } else {
                Inside::of(planning, database).ok()
            };
            if inside.is_none() {
                // What of it was read, the check counted.
                left_behind.extend(owners_within(planning, database));
            }
            let estates: Vec<Estate<'a>> = inside
                .iter()
                .flat_map(|inside| {
                    owning.iter().map(|(problem, login)| Estate {
                        login,
                        things: property::of(inside, login.oid),
                        closes: Some(*problem),
                    })
                })
                .filter(|estate| !estate.things.is_empty())
                .collect();
            if estates.is_empty() && itself.is_none() {
                continue;
            }
            let from: BTreeSet<Oid> = estates.iter().map(|estate| estate.login.oid).collect();
            let acls = inside.iter().flat_map(|inside| inside.acls);
            // A role that was granted something on what it is to own would lose that when the ownership is taken back.
            let granted: BTreeSet<Oid> =
                acls.filter(|row| from.contains(&row.owner))
                    .chain(shared.value.iter().filter(|row| {
                        row.class == AclClass::Database && row.object == database.oid
                    }))
                    .filter(|row| row.grantee != row.owner)
                    .map(|row| row.grantee)
                    .collect();
            let owner = names::choose(
                graph,
                planning.context.policy,
                &database.name,
                "owner",
                |name| taken.contains(name),
                |role| {
                    !granted.contains(&role.oid)
                        && is_out_of_reach(graph, &planning.context.policy.access, role.oid)
                },
            );
            let Some(owner) = owner else {
                left_behind.extend(from);
                continue;
            };
            taken.insert(owner.name.clone());
            all.push(Moving {
                database,
                itself,
                inside,
                estates,
                owner,
            });
        }
        for estate in all.iter_mut().flat_map(|moving| &mut moving.estates) {
            if left_behind.contains(&estate.login.oid) {
                estate.closes = None;
            }
        }
        Ok(Self { moving: all })
    }

    /// The role that will own the database or something in it.
    pub(super) fn of_database(&self, database: Oid) -> Option<&Chosen> {
        self.moving
            .iter()
            .find(|moving| moving.database.oid == database)
            .map(|moving| &moving.owner)
    }
}

/// The finding that a login role owns the database.
fn owner_problem<'a>(
    planning: &Planning<'a>,
    database: &'a Database,
) -> Option<(Problem<'a>, &'a Role)> {
    let problem = planning.open("ROL-14").find(|problem| {
        problem.finding.cause == DatabaseOwners::ITSELF
            && problem.finding.subject.kind == SubjectKind::Database
            && problem.finding.subject.name == quote_ident(&database.name)
    })?;
    Some((problem, planning.context.role(database.owner)?))
}

/// Owners of what was read of a database of which not everything was.
fn owners_within(planning: &Planning<'_>, database: &Database) -> BTreeSet<Oid> {
    let facts = &planning.context.facts.inside;
    let Some(inside) = facts.iter().find(|inside| inside.oid == database.oid) else {
        return BTreeSet::new();
    };
    let mut owners = BTreeSet::new();
    if let Ok(schemas) = inside.schemas.here() {
        owners.extend(schemas.iter().map(|one| one.owner));
    }
    if let Ok(relations) = inside.relations.here() {
        owners.extend(relations.iter().map(|one| one.owner));
    }
    if let Ok(functions) = inside.functions.here() {
        owners.extend(functions.iter().map(|one| one.owner));
    }
    owners
}

fn make_owner(moving: &Moving<'_>) -> Option<Draft> {
    if moving.owner.oid.is_some() {
        return None;
    }
    let name = quote_ident(&moving.owner.name);
    let title = format!(
        "make role {} to own what is in database {}",
        visible(&name),
        visible(&quote_ident(&moving.database.name))
    );
    let done = vec![(
        format!("CREATE ROLE {name} NOLOGIN;"),
        format!("DROP ROLE {name};"),
    )];
    Some(sql(title, Stage::Roles, None, done))
}

/// One login role's property in one database, on its way to the new owner.
struct HandOver<'h, 'a> {
    planning: &'h Planning<'a>,
    graph: &'h RoleGraph,
    moving: &'h Moving<'a>,
    inside: &'h Inside<'a>,
    estate: &'h Estate<'a>,
}

impl HandOver<'_, '_> {
    /// What the new owner needs before it owns: code that runs with the owner's rights goes on working, and what it makes later
    /// gives what the login role's would have given.
    fn prepare(&self) -> Option<Draft> {
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

    fn drafts(&self) -> Vec<Draft> {
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
                super::wanted::Declared::of(service, &self.inside.database.name)
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
            if let Some((class, name)) = super::wanted::callable(function) {
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

/// The database itself.
fn database(
    planning: &Planning<'_>,
    graph: &RoleGraph,
    moving: &Moving<'_>,
) -> Result<Option<Draft>, Missing> {
    let Some((problem, login)) = &moving.itself else {
        return Ok(None);
    };
    let databases = planning.context.facts.databases.here()?;
    let shared = planning.context.facts.shared_acls.here()?;
    let name = quote_ident(&moving.database.name);
    let (new, old) = (quote_ident(&moving.owner.name), quote_ident(&login.name));
    let mut done = vec![(
        format!("ALTER DATABASE {name} OWNER TO {new};"),
        format!("ALTER DATABASE {name} OWNER TO {old};"),
    )];
    let services = &planning.context.policy.services;
    if !services.iter().any(|service| service.role == login.name) {
        let holdings = Holdings::new(shared.value);
        let counts = lasting(graph, login.oid);
        let oid = moving.database.oid;
        let could = holdings.of_owner(AclClass::Database, oid);
        let mut rights =
            holdings.missing(&counts, AclClass::Database, oid, &["CONNECT", "TEMPORARY"]);
        rights.retain(|right| could.contains(right));
        let mut grants = vec![Grant {
            rights,
            class: "DATABASE",
            object: name.clone(),
        }];
        grants.extend(through_database(planning, moving, &counts));
        grants.retain(|grant| !grant.rights.is_empty());
        let (give, take) = statements(&grants, &login.name);
        done.extend(give.into_iter().zip(take.into_iter().rev()));
    }
    let title = format!(
        "make {} the owner of database {}, instead of {}",
        visible(&new),
        visible(&name),
        visible(&old)
    );
    let within = moving
        .inside
        .as_ref()
        .map(|inside| inside.database.name.as_str());
    let draft = sql(title, Stage::Ownership, within, done)
        .approval()
        .closing([problem.closes()])
        .affecting([impact::of_database(
            planning,
            moving.database,
            login,
            databases.from,
        )]);
    Ok(Some(draft))
}

/// Schemas that the owner of the database owns by owning it: it goes on using them.
fn through_database(
    planning: &Planning<'_>,
    moving: &Moving<'_>,
    counts: &BTreeSet<Oid>,
) -> Vec<Grant> {
    let Some(inside) = &moving.inside else {
        return Vec::new();
    };
    inside
        .schemas
        .iter()
        .filter(|schema| {
            planning
                .context
                .role(schema.owner)
                .is_some_and(|role| role.name == DATABASE_OWNER)
        })
        .map(|schema| Grant {
            rights: inside
                .holdings
                .missing(counts, AclClass::Schema, schema.oid, USAGE),
            class: "SCHEMA",
            object: quote_ident(&schema.name),
        })
        .collect()
}
