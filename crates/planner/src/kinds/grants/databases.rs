//! Databases are closed to everyone; those who were seen inside, and the declared services, keep what they have.

use super::place::Place;
use super::proposal::{Proposal, drafts};
use super::taking::{Give, Take};
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_model::Missing;
use pgattest_model::facts::{AclClass, Database, Oid, PUBLIC, Role};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Need, Stage};
use std::collections::{BTreeSet, HashMap};

/// `REVOKE CONNECT, TEMPORARY ON DATABASE .. FROM PUBLIC`, after a `GRANT` of the same to every login role that is connected, was
/// seen in a log, or is a service of that database. CREATE, which PUBLIC should never have, is not granted to them.
#[derive(Clone, Copy, Debug)]
pub struct CloseDatabases;

impl Kind for CloseDatabases {
    fn name(&self) -> &'static str {
        "close-databases"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["GRN-07"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let databases = planning.context.facts.databases.here()?;
        let place = Place::shared(planning)?;
        let mut proposals = Vec::new();
        for problem in planning.open("GRN-07") {
            let Some(database) = databases
                .iter()
                .find(|row| quote_ident(&row.name) == problem.finding.subject.name)
            else {
                continue;
            };
            proposals.push(close(planning, &place, database, &problem)?);
        }
        Ok(drafts(planning, &place, proposals))
    }
}

fn close<'a>(
    planning: &Planning<'_>,
    place: &Place<'a>,
    database: &Database,
    problem: &Problem<'_>,
) -> Result<Proposal<'a>, Missing> {
    let name = quote_ident(&database.name);
    let takes: Vec<Take<'a>> = place
        .on(AclClass::Database, database.oid)
        .iter()
        .filter(|acl| acl.grantee == PUBLIC)
        .filter_map(|acl| Take::some(acl, |_| true))
        .collect();
    let everyones: BTreeSet<&str> = takes
        .iter()
        .flat_map(|take| take.privileges.iter().copied())
        .collect();
    let inside = inside(planning, database)?;
    let gives: Vec<Give> = {
        let target = takes.first().and_then(|take| place.target(take.acl));
        let keeps = |role, privilege| {
            place.holds_besides_public(role, AclClass::Database, database.oid, privilege)
        };
        inside
            .into_iter()
            .filter_map(|role| {
                let privileges: BTreeSet<String> = ["CONNECT", "TEMPORARY"]
                    .into_iter()
                    .filter(|privilege| everyones.contains(privilege) && !keeps(role, *privilege))
                    .map(str::to_owned)
                    .collect();
                (!privileges.is_empty()).then_some(Give {
                    target: target.clone()?,
                    object: (AclClass::Database, database.oid),
                    owner: database.owner,
                    grantee: role,
                    privileges,
                })
            })
            .collect()
    };
    let mut proposal = Proposal::new(
        format!("close database {} to PUBLIC", visible(&name)),
        Stage::Powers,
        takes,
    )
    .approval()
    .closing([problem.closes()]);
    if everyones.contains("CONNECT") {
        proposal.needs.push(Need::NewSessions);
        proposal.notes.push(
            "give this plan a connection log that covers a month's end: who connects seldom is not among the live sessions, and is refused afterwards"
                .to_owned(),
        );
    }
    if gives
        .iter()
        .any(|give| give.privileges.contains("TEMPORARY"))
    {
        proposal.notes.push(
            "whether they make temporary tables is not known; take TEMPORARY from those that do not"
                .to_owned(),
        );
    }
    proposal.gives = gives;
    Ok(proposal)
}

/// Roles that are no superusers and were seen in a database, or are declared to work there.
fn inside(planning: &Planning<'_>, database: &Database) -> Result<BTreeSet<Oid>, Missing> {
    let roles = planning.context.facts.roles.here()?;
    let sessions = planning.context.facts.sessions.here()?;
    let by_name: HashMap<&str, &Role> = roles
        .iter()
        .map(|role| (role.name.as_str(), role))
        .collect();
    let logins = planning
        .options
        .logins
        .iter()
        .chain(&planning.options.own_login)
        .filter(|login| !login.replication && login.database == database.name)
        .map(|login| login.role.as_str());
    let services = planning
        .context
        .policy
        .services
        .iter()
        .filter(|service| service.databases.contains(&database.name))
        .map(|service| service.role.as_str());
    let live: BTreeSet<Oid> = sessions
        .iter()
        .filter(|session| session.database == database.oid)
        .map(|session| session.role)
        .collect();
    let live = roles.iter().filter(|role| live.contains(&role.oid));
    Ok(logins
        .chain(services)
        .filter_map(|name| by_name.get(name).copied())
        .chain(live)
        .filter(|role| !role.superuser)
        .map(|role| role.oid)
        .collect())
}
