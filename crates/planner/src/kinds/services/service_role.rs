//! What a declared service may do is granted to it before anything is taken away.

use super::account::Account;
use super::database::Inside;
use super::future::{self, Future};
use super::grant::{Grant, statements};
use super::ownership::Owners;
use super::wanted::Declared;
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_access::RoleGraph;
use pgattest_model::facts::{AclClass, Database, Oid, PUBLIC, Schema};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::Stage;
use pgattest_model::policy::Service;
use pgattest_model::{Missing, SubjectKind};
use std::collections::{BTreeMap, BTreeSet};

/// A role for each `[[service]]` of the policy, with a group that holds what the policy declares, and default privileges for
/// schemas that are declared as a whole.
///
/// It closes no finding. Other changes take away what the service has by owning, by being superuser or from PUBLIC; so it gives
/// what is missing without those, whenever a finding that such a change may close is open on the role or in one of its databases.
#[derive(Clone, Copy, Debug)]
pub struct ServiceRole;

/// Areas whose changes take privileges away.
const TAKING: [&str; 3] = ["ROL-", "GRN-", "FUN-"];

impl Kind for ServiceRole {
    fn name(&self) -> &'static str {
        "service-role"
    }

    fn closes(&self) -> &'static [&'static str] {
        &[]
    }

    fn is_needed(&self, planning: &Planning<'_>) -> bool {
        let mut services = planning.context.policy.services.iter();
        services.any(|service| is_concerned(planning, service))
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let graph = planning.context.role_graph()?;
        let databases = planning.context.facts.databases.here()?;
        let owners = Owners::of(planning)?;
        let mut drafts = Vec::new();
        for service in &planning.context.policy.services {
            if !is_concerned(planning, service) {
                continue;
            }
            let Some(account) = Account::of(graph, planning.context.policy, service) else {
                continue;
            };
            let named: Vec<&Database> = databases
                .value
                .iter()
                .filter(|database| service.databases.contains(&database.name))
                .collect();
            drafts.extend(role(planning, service, &account, &named)?);
            for database in named {
                // Where something was not read, no change takes anything away either.
                let Ok(inside) = Inside::of(planning, database) else {
                    continue;
                };
                drafts.extend(privileges(
                    planning, graph, service, &account, &inside, &owners,
                ));
            }
        }
        Ok(drafts)
    }
}

/// Whether a change that may take something from the service may be in the plan.
fn is_concerned(planning: &Planning<'_>, service: &Service) -> bool {
    let role = quote_ident(&service.role);
    let groups: BTreeSet<String> = planning
        .context
        .role_graph()
        .ok()
        .and_then(|graph| {
            let oid = graph.named(&service.role)?.oid;
            let groups = graph.member_of(oid);
            Some(
                groups
                    .roles()
                    .map(|group| quote_ident(&group.name))
                    .collect(),
            )
        })
        .unwrap_or_default();
    let databases: BTreeSet<String> = service
        .databases
        .iter()
        .map(|name| quote_ident(name))
        .collect();
    planning.problems().any(|problem: Problem<'_>| {
        let subject = &problem.finding.subject;
        TAKING.iter().any(|area| problem.check.starts_with(area))
            && match (&subject.database, subject.kind) {
                (Some(database), _) => service.databases.contains(database),
                (None, SubjectKind::Role) => subject.name == role || groups.contains(&subject.name),
                (None, SubjectKind::Database) => databases.contains(&subject.name),
                (None, _) => false,
            }
    })
}

/// The role, its group, and the way into its databases.
fn role(
    planning: &Planning<'_>,
    service: &Service,
    account: &Account<'_>,
    databases: &[&Database],
) -> Result<Option<Draft>, Missing> {
    let mut done = account.make.clone();
    if !account.is_direct {
        for database in databases {
            let (give, take) = statements(
                &on_database(planning, service, account, database)?,
                &account.holder.name,
            );
            done.extend(give.into_iter().zip(take));
        }
    }
    if done.is_empty() {
        return Ok(None);
    }
    let name = quote_ident(&service.role);
    let title = match account.role {
        None => format!("make login role {} for the service", visible(&name)),
        Some(_) => format!(
            "make a group for the privileges of service {}",
            visible(&name)
        ),
    };
    let draft = sql(title, Stage::Roles, None, done);
    Ok(Some(match account.role {
        None => draft.note(format!(
            "set the password of {} in psql with \\password; until then no method that asks for a password lets it in",
            visible(&name)
        )),
        Some(role) if !role.can_login => draft.note(format!(
            "role {} may not log in: ALTER ROLE {} LOGIN if the service is in use",
            visible(&name),
            visible(&name)
        )),
        Some(_) => draft,
    }))
}

fn on_database(
    planning: &Planning<'_>,
    service: &Service,
    account: &Account<'_>,
    database: &Database,
) -> Result<Vec<Grant>, Missing> {
    let shared = planning.context.facts.shared_acls.here()?;
    let holdings = super::holdings::Holdings::new(shared.value);
    let wanted: &[&str] = if service.temporary {
        &["CONNECT", "TEMPORARY"]
    } else {
        &["CONNECT"]
    };
    let rights = holdings.missing(&account.counts, AclClass::Database, database.oid, wanted);
    Ok(if rights.is_empty() {
        Vec::new()
    } else {
        vec![Grant {
            rights,
            class: "DATABASE",
            object: quote_ident(&database.name),
        }]
    })
}

/// What it is granted inside one database.
fn privileges(
    planning: &Planning<'_>,
    graph: &RoleGraph,
    service: &Service,
    account: &Account<'_>,
    inside: &Inside<'_>,
    owners: &Owners<'_>,
) -> Option<Draft> {
    let declared = Declared::of(service, &inside.database.name);
    let mut grants: Vec<Grant> = Vec::new();
    if account.is_direct {
        grants.extend(on_database(planning, service, account, inside.database).ok()?);
    }
    for want in declared.wants(inside) {
        let rights = inside
            .holdings
            .missing(&account.counts, want.class, want.oid, want.rights);
        if !rights.is_empty() {
            grants.push(Grant {
                rights,
                class: want.keyword,
                object: want.name,
            });
        }
    }
    let (give, take) = statements(&grants, &account.holder.name);
    let mut done: Vec<(String, String)> = give.into_iter().zip(take.into_iter().rev()).collect();
    for (schema_name, classes) in declared.futures() {
        let Some(schema) = inside.schemas.iter().find(|one| one.name == schema_name) else {
            continue;
        };
        let creators = creators(planning, graph, service, inside, schema, owners);
        for (creator, oid) in creators {
            for (class, wanted) in &classes {
                let rights = future::missing(
                    inside.defaults,
                    oid,
                    schema.oid,
                    class,
                    &account.counts,
                    wanted,
                );
                if rights.is_empty() {
                    continue;
                }
                let future = Future {
                    creator: creator.clone(),
                    schema: Some(schema.name.clone()),
                    class,
                    rights,
                    grantable: false,
                    grantee: quote_ident(&account.holder.name),
                };
                done.push((future.give(), future.take()));
            }
        }
    }
    if done.is_empty() {
        return None;
    }
    let title = format!(
        "grant service {} what it is declared to use in database {}",
        visible(&quote_ident(&service.role)),
        visible(&quote_ident(&inside.database.name))
    );
    // A grant to the owner itself would go with the ownership: it is made after that.
    let stage = if account.is_direct {
        Stage::Ownership
    } else {
        Stage::Grants
    };
    Some(sql(title, stage, Some(&inside.database.name), done))
}

/// Roles that make objects in the schema, as far as the facts show: who owns it or something in it, who may create in it, who runs
/// migrations, and who will own. By name; without an identifier: it has yet to be made.
fn creators(
    planning: &Planning<'_>,
    graph: &RoleGraph,
    service: &Service,
    inside: &Inside<'_>,
    schema: &Schema,
    owners: &Owners<'_>,
) -> BTreeMap<String, Option<Oid>> {
    let mut oids = BTreeSet::from([inside.owner_of(planning, schema)]);
    oids.extend(
        inside
            .relations
            .iter()
            .filter(|relation| relation.schema == schema.oid && relation.extension == 0)
            .map(|relation| relation.owner),
    );
    oids.extend(
        inside
            .functions
            .iter()
            .filter(|function| function.schema == schema.oid && function.extension == 0)
            .map(|function| function.owner),
    );
    let may_create = inside.acls.iter().filter(|row| {
        row.class == AclClass::Schema
            && row.object == schema.oid
            && row.grantee != PUBLIC
            && row.grantee != row.owner
            && row.has("CREATE")
    });
    for row in may_create {
        let members = graph.all_members(row.grantee);
        oids.extend(
            members
                .roles()
                .filter(|role| !role.superuser)
                .map(|role| role.oid),
        );
    }
    let migrating = planning
        .context
        .policy
        .access
        .schema_owners
        .iter()
        .flatten();
    oids.extend(migrating.filter_map(|name| Some(graph.named(name)?.oid)));
    let mut creators: BTreeMap<String, Option<Oid>> = oids
        .into_iter()
        .filter_map(|oid| graph.role(oid))
        .filter(|role| role.name != service.role && !role.is_predefined())
        .map(|role| (role.name.clone(), Some(role.oid)))
        .collect();
    if let Some(owner) = owners.of_database(inside.database.oid) {
        creators.insert(owner.name.clone(), owner.oid);
    }
    creators
}

/// A draft of statements, each with what takes it back.
pub(super) fn sql(
    title: String,
    stage: Stage,
    database: Option<&str>,
    done: Vec<(String, String)>,
) -> Draft {
    let (give, mut take): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    take.reverse();
    Draft::sql(title, stage, database, give, take)
}
