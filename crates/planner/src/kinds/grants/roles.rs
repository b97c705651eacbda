//! Privileges that a role should not have are taken from it.

use super::place::Place;
use super::proposal::{Proposal, drafts};
use super::public::in_database;
use super::taking::Take;
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_checks::grants::{secret_catalogs, server_functions};
use pgattest_model::Missing;
use pgattest_model::facts::{Acl, AclClass, DatabaseFacts, Oid, PUBLIC, Relation, RelationKind};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::Stage;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// `REVOKE .. FROM role`: what applications do not work with, what makes objects, settings, the server's functions and catalogs,
/// and ways to other servers.
#[derive(Clone, Copy, Debug)]
pub struct RevokePrivileges;

/// The findings of one check in one database, by subject.
type Problems<'a> = BTreeMap<String, Vec<Problem<'a>>>;

impl Kind for RevokePrivileges {
    fn name(&self) -> &'static str {
        "revoke-privileges"
    }

    fn closes(&self) -> &'static [&'static str] {
        &[
            "GRN-12", "GRN-13", "GRN-15", "GRN-16", "GRN-18", "GRN-20", "FUN-09",
        ]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let mut all = Vec::new();
        for database in &planning.context.facts.inside {
            let [structural, creators, functions, foreign, catalogs] =
                ["GRN-12", "GRN-13", "GRN-16", "GRN-18", "GRN-20"]
                    .map(|check| in_database(planning, check, database));
            let found = [&structural, &creators, &functions, &foreign, &catalogs];
            if found.iter().all(|problems| problems.is_empty()) {
                continue;
            }
            let place = Place::inside(planning, database)?;
            let mut proposals = Vec::new();
            if !structural.is_empty() {
                proposals.extend(of_tables(planning, &place, database, &structural)?);
            }
            if !creators.is_empty() {
                let (can, by_hand) = of_creators(planning, &place, database, &creators)?;
                proposals.extend(can);
                all.extend(by_hand);
            }
            if !functions.is_empty() {
                proposals.extend(of_functions(planning, database, &functions)?);
            }
            if !foreign.is_empty() {
                proposals.extend(of_foreign(planning, &place, &foreign));
            }
            if !catalogs.is_empty() {
                proposals.extend(of_catalogs(planning, database, &catalogs)?);
            }
            all.extend(drafts(planning, &place, proposals));
        }
        all.extend(of_parameters(planning)?);
        Ok(all)
    }
}

fn closes(problems: &[Problem<'_>]) -> impl Iterator<Item = pgattest_model::plan::Closes> {
    problems
        .iter()
        .map(Problem::closes)
        .collect::<Vec<_>>()
        .into_iter()
}

/// `role app`, `PUBLIC`: for a title.
fn whom(planning: &Planning<'_>, grantee: Oid) -> String {
    let name = visible(&planning.context.role_name(grantee));
    if grantee == PUBLIC {
        name
    } else {
        format!("role {name}")
    }
}

/// TRUNCATE, TRIGGER, REFERENCES and MAINTAIN, as GRN-12 looks at them.
fn of_tables<'a>(
    planning: &Planning<'_>,
    place: &Place<'a>,
    database: &DatabaseFacts,
    problems: &Problems<'_>,
) -> Result<Vec<Proposal<'a>>, Missing> {
    const PRIVILEGES: [&str; 4] = ["TRUNCATE", "TRIGGER", "REFERENCES", "MAINTAIN"];
    let relations = database.relations.here()?;
    let tables: HashMap<Oid, &Relation> = relations
        .iter()
        .filter(|row| row.extension == 0 && row.persistence != "t")
        .filter(|row| !matches!(row.kind, RelationKind::View | RelationKind::Sequence))
        .map(|row| (row.oid, row))
        .collect();
    let mut takes: BTreeMap<Oid, Vec<Take<'a>>> = BTreeMap::new();
    for acl in place.rows() {
        let Some(table) = tables.get(&acl.object) else {
            continue;
        };
        if acl.class != AclClass::Relation || acl.grantee == PUBLIC || acl.grantee == table.owner {
            continue;
        }
        let maintained_only = table.kind == RelationKind::MaterializedView;
        let wanted =
            |name: &str| PRIVILEGES.contains(&name) && (!maintained_only || name == "MAINTAIN");
        if let Some(take) = Take::some(acl, wanted) {
            takes.entry(acl.grantee).or_default().push(take);
        }
    }
    Ok(takes
        .into_iter()
        .filter_map(|(grantee, takes)| {
            let problems = problems.get(&planning.context.role_name(grantee))?;
            let names: BTreeSet<&str> = takes
                .iter()
                .flat_map(|take| take.privileges.iter().copied())
                .collect();
            let names: Vec<&str> = names.into_iter().collect();
            let title = format!(
                "take {} on tables from {}",
                names.join(", "),
                whom(planning, grantee)
            );
            Some(
                Proposal::new(title, Stage::Revokes, takes)
                    .approval()
                    .closing(closes(problems)),
            )
        })
        .collect())
}

/// CREATE on schemas and the database, as GRN-13 looks at it. What somebody may do as an owner is not a privilege to be taken.
fn of_creators<'a>(
    planning: &Planning<'_>,
    place: &Place<'a>,
    database: &DatabaseFacts,
    problems: &Problems<'_>,
) -> Result<(Vec<Proposal<'a>>, Vec<Draft>), Missing> {
    let schemas = database.schemas.here()?;
    let databases = planning.context.facts.databases.here()?;
    let owner = databases
        .iter()
        .find(|row| row.oid == database.oid)
        .map(|row| row.owner);
    // Inside a database its owner is the one member of this role.
    let person = |role: Oid| match (place.graph.name(role), owner) {
        (Some("pg_database_owner"), Some(owner)) => owner,
        _ => role,
    };
    let mut owned: BTreeMap<Oid, Vec<String>> = BTreeMap::new();
    for schema in schemas.iter() {
        let name = format!("schema {}", quote_ident(&schema.name));
        owned.entry(person(schema.owner)).or_default().push(name);
    }
    if let Some(owner) = owner {
        let name = format!("database {}", quote_ident(&database.name));
        owned.entry(owner).or_default().push(name);
    }
    let mut takes: BTreeMap<Oid, Vec<Take<'a>>> = BTreeMap::new();
    for acl in place.rows() {
        let is_judged = matches!(acl.class, AclClass::Schema | AclClass::Database);
        if !is_judged || acl.grantee == PUBLIC || acl.grantee == acl.owner {
            continue;
        }
        if let Some(take) = Take::some(acl, |name| name == "CREATE") {
            takes.entry(person(acl.grantee)).or_default().push(take);
        }
    }
    let (mut proposals, mut by_hand) = (Vec::new(), Vec::new());
    for role in place.graph.roles() {
        let name = quote_ident(&role.name);
        let Some(problems) = problems.get(&name) else {
            continue;
        };
        let takes = takes.remove(&role.oid).unwrap_or_default();
        let title = format!(
            "take CREATE in database {} from role {}",
            visible(&quote_ident(&database.name)),
            visible(&name)
        );
        match owned.get(&role.oid) {
            Some(owned) => {
                let what = format!(
                    "role {} may create objects as the owner of {}: give that to a role that cannot log in, or name the role in access.schema_owners when it runs migrations",
                    visible(&name),
                    visible(&few(owned))
                );
                by_hand.push(Draft::by_hand(
                    title,
                    Stage::Revokes,
                    what,
                    closes(problems).collect(),
                ));
            }
            None => proposals.push(
                Proposal::new(title, Stage::Revokes, takes)
                    .approval()
                    .closing(closes(problems)),
            ),
        }
    }
    Ok((proposals, by_hand))
}

fn few(names: &[String]) -> String {
    const NAMED: usize = 3;
    let shown = names.iter().take(NAMED).map(String::as_str);
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// EXECUTE on what the server and extensions keep from PUBLIC.
fn of_functions<'a>(
    planning: &Planning<'a>,
    database: &'a DatabaseFacts,
    problems: &Problems<'_>,
) -> Result<Vec<Proposal<'a>>, Missing> {
    let found = server_functions::found(&planning.context, database)?;
    // A role may be found for several kinds of functions, some of which it is approved for.
    let mut by_grantee: BTreeMap<Oid, (Vec<Take<'a>>, Vec<pgattest_model::plan::Closes>)> =
        BTreeMap::new();
    for (finding, grants) in found {
        let open: Vec<&Problem<'_>> = problems
            .get(&finding.subject.name)
            .into_iter()
            .flatten()
            .filter(|problem| *problem.finding == finding)
            .collect();
        let Some(grantee) = grants.first().map(|acl| acl.grantee) else {
            continue;
        };
        if open.is_empty() {
            continue;
        }
        let (takes, closes) = by_grantee.entry(grantee).or_default();
        takes.extend(
            grants
                .into_iter()
                .filter_map(|acl| Take::some(acl, |name| name == "EXECUTE")),
        );
        closes.extend(open.into_iter().map(Problem::closes));
    }
    Ok(by_grantee
        .into_iter()
        .map(|(grantee, (takes, closes))| {
            let title = format!(
                "take the functions kept from PUBLIC from {}",
                whom(planning, grantee)
            );
            Proposal::new(title, Stage::Revokes, takes).closing(closes)
        })
        .collect())
}

/// USAGE on foreign-data wrappers and foreign servers.
fn of_foreign<'a>(
    planning: &Planning<'_>,
    place: &Place<'a>,
    problems: &Problems<'_>,
) -> Vec<Proposal<'a>> {
    let mut takes: BTreeMap<Oid, Vec<Take<'a>>> = BTreeMap::new();
    for acl in place.rows() {
        let is_judged = matches!(
            acl.class,
            AclClass::ForeignDataWrapper | AclClass::ForeignServer
        );
        if !is_judged || acl.grantee == acl.owner {
            continue;
        }
        if let Some(take) = Take::some(acl, |name| name == "USAGE") {
            takes.entry(acl.grantee).or_default().push(take);
        }
    }
    takes
        .into_iter()
        .filter_map(|(grantee, takes)| {
            let problems = problems.get(&planning.context.role_name(grantee))?;
            let title = format!(
                "take foreign-data wrappers and servers from {}",
                whom(planning, grantee)
            );
            let mut proposal = Proposal::new(title, Stage::Revokes, takes)
                .approval()
                .closing(closes(problems));
            proposal.notes.push(
                "foreign tables and user mappings that exist go on working; IMPORT FOREIGN SCHEMA and new ones do not"
                    .to_owned(),
            );
            Some(proposal)
        })
        .collect()
}

/// SELECT on the server's catalogs that hold secrets.
fn of_catalogs<'a>(
    planning: &Planning<'_>,
    database: &'a DatabaseFacts,
    problems: &Problems<'_>,
) -> Result<Vec<Proposal<'a>>, Missing> {
    Ok(secret_catalogs::grants(database)?
        .into_iter()
        .filter_map(|(grantee, grants): (Oid, Vec<&'a Acl>)| {
            let problems = problems.get(&planning.context.role_name(grantee))?;
            let takes = grants
                .into_iter()
                .filter_map(|acl| Take::some(acl, |name| name == "SELECT"))
                .collect();
            let title = format!(
                "take catalogs that hold secrets from {}",
                whom(planning, grantee)
            );
            Some(Proposal::new(title, Stage::Revokes, takes).closing(closes(problems)))
        })
        .collect())
}

/// Settings, as GRN-15 and FUN-09 look at them.
fn of_parameters(planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
    let mut problems: BTreeMap<&str, Vec<Problem<'_>>> = BTreeMap::new();
    for problem in ["GRN-15", "FUN-09"]
        .into_iter()
        .flat_map(|check| planning.open(check))
        .filter(|problem| problem.finding.subject.database.is_none())
    {
        let subject = problem.finding.subject.name.as_str();
        problems.entry(subject).or_default().push(problem);
    }
    if problems.is_empty() {
        return Ok(Vec::new());
    }
    let place = Place::shared(planning)?;
    let mut takes: BTreeMap<String, (Oid, String, Vec<Take<'_>>)> = BTreeMap::new();
    for acl in place
        .rows()
        .into_iter()
        .filter(|acl| acl.class == AclClass::Parameter)
    {
        let (Some(take), Some(target)) = (Take::some(acl, |_| true), place.target(acl)) else {
            continue;
        };
        let grantee = planning.context.role_name(acl.grantee);
        let (.., takes) = takes
            .entry(format!("{} TO {grantee}", target.name))
            .or_insert_with(|| (acl.grantee, target.name, Vec::new()));
        takes.push(take);
    }
    let proposals = takes
        .into_iter()
        .filter_map(|(subject, (grantee, setting, takes))| {
            let problems = problems.get(subject.as_str())?;
            let title = format!(
                "take setting {} from {}",
                visible(&setting),
                whom(planning, grantee)
            );
            Some(Proposal::new(title, Stage::Powers, takes).closing(closes(problems)))
        })
        .collect();
    Ok(drafts(planning, &place, proposals))
}
