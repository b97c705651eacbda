//! Ownership is taken from login roles.

use super::database::{DATABASE_OWNER, Inside};
use super::grant::{Grant, statements};
use super::holdings::{Holdings, lasting};
use super::names::{self, Chosen};
use super::property::{self, Thing};
use super::service_role::sql;
use super::wanted::USAGE;
use super::{impact, names::is_out_of_reach};
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_access::RoleGraph;
use pgattest_checks::roles::{DatabaseOwners, OwningLogins};
use pgattest_model::facts::{AclClass, Database, Oid, Role};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::Stage;
use pgattest_model::{Missing, SubjectKind};
use std::collections::BTreeSet;

mod hand_over;

use hand_over::HandOver;

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
