//! What everyone may do with schemas and relations is taken back.

use super::place::Place;
use super::proposal::{Proposal, drafts};
use super::taking::Take;
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_model::facts::{AclClass, DatabaseFacts, Oid, PUBLIC, Relation, RelationKind};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Impact, ImpactKind, Stage};
use pgattest_model::{Collected, Missing, SubjectKind};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// `REVOKE .. FROM PUBLIC` on schemas (CREATE) and on tables, views and sequences.
#[derive(Clone, Copy, Debug)]
pub struct RevokeFromPublic;

impl Kind for RevokeFromPublic {
    fn name(&self) -> &'static str {
        "revoke-from-public"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["GRN-02", "GRN-04"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let mut all = Vec::new();
        for database in &planning.context.facts.inside {
            let schemas = in_database(planning, "GRN-02", database);
            let relations = in_database(planning, "GRN-04", database);
            if schemas.is_empty() && relations.is_empty() {
                continue;
            }
            let place = Place::inside(planning, database)?;
            let mut proposals = create(&place, database, &schemas)?;
            proposals.extend(relation_grants(&place, database, &relations)?);
            all.extend(drafts(planning, &place, proposals));
        }
        Ok(all)
    }
}

/// The findings of one check in one database, by subject.
pub(crate) fn in_database<'a>(
    planning: &Planning<'a>,
    check: &str,
    database: &DatabaseFacts,
) -> BTreeMap<String, Vec<Problem<'a>>> {
    let mut problems: BTreeMap<String, Vec<Problem<'a>>> = BTreeMap::new();
    for problem in planning.open(check) {
        if problem.finding.subject.database.as_deref() == Some(database.name.as_str()) {
            problems
                .entry(problem.finding.subject.name.clone())
                .or_default()
                .push(problem);
        }
    }
    problems
}

/// CREATE on schemas.
fn create<'a>(
    place: &Place<'a>,
    database: &'a DatabaseFacts,
    problems: &BTreeMap<String, Vec<Problem<'_>>>,
) -> Result<Vec<Proposal<'a>>, Missing> {
    if problems.is_empty() {
        return Ok(Vec::new());
    }
    let schemas = database.schemas.here()?;
    let mut proposals = Vec::new();
    for schema in schemas.iter() {
        let name = quote_ident(&schema.name);
        let Some(problems) = problems.get(&name) else {
            continue;
        };
        proposals.push(
            create_proposal(place, database, schema.oid, &name)
                .closing(problems.iter().map(Problem::closes)),
        );
    }
    Ok(proposals)
}

/// CREATE on one schema: safe, unless somebody who made something there can no longer do so.
pub(crate) fn create_proposal<'a>(
    place: &Place<'a>,
    database: &DatabaseFacts,
    schema: Oid,
    name: &str,
) -> Proposal<'a> {
    let takes = place
        .on(AclClass::Schema, schema)
        .iter()
        .filter(|acl| acl.grantee == PUBLIC)
        .filter_map(|acl| Take::some(acl, |privilege| privilege == "CREATE"))
        .collect();
    let proposal = Proposal::new(
        format!("take CREATE on schema {} from PUBLIC", visible(name)),
        Stage::Revokes,
        takes,
    );
    let makers = makers(place, database, schema);
    if makers.is_empty() {
        return proposal;
    }
    let mut proposal = proposal.approval();
    proposal.impact.extend(makers.into_iter().map(|(role, made)| Impact {
        kind: ImpactKind::RightLost,
        detail: format!(
            "role {role} owns {made} objects in schema {name}: if it made them by what PUBLIC may do, it can make no more, nor an index on them, until it is granted CREATE"
        ),
        subject: role,
        observations: vec![place.from.clone()],
    }));
    proposal
}

/// Roles that own something in a schema and have CREATE on it neither by themselves nor as its owner, with how much they own.
fn makers(place: &Place<'_>, database: &DatabaseFacts, schema: Oid) -> Vec<(String, usize)> {
    let owners = owners(database, schema);
    let may: BTreeSet<Oid> = place
        .on(AclClass::Schema, schema)
        .iter()
        .flat_map(|acl| {
            let granted = (acl.grantee != PUBLIC && acl.has("CREATE")).then_some(acl.grantee);
            [Some(acl.owner), granted]
        })
        .flatten()
        .collect();
    owners
        .into_iter()
        .filter(|(owner, _)| !place.graph.is_superuser(*owner))
        .filter(|(owner, _)| {
            let inherited = place.graph.inherits(*owner);
            !may.iter().any(|role| inherited.contains(*role))
        })
        .filter_map(|(owner, made)| Some((quote_ident(place.graph.name(owner)?), made)))
        .collect()
}

/// Who owns how many relations and functions in a schema, what belongs to extensions aside.
pub(super) fn owners(database: &DatabaseFacts, schema: Oid) -> BTreeMap<Oid, usize> {
    let mut owners: BTreeMap<Oid, usize> = BTreeMap::new();
    if let Collected::Here { value, .. } = &database.relations {
        for row in value
            .iter()
            .filter(|row| row.schema == schema && row.extension == 0)
        {
            *owners.entry(row.owner).or_default() += 1;
        }
    }
    if let Collected::Here { value, .. } = &database.functions {
        for row in value
            .iter()
            .filter(|row| row.schema == schema && row.extension == 0)
        {
            *owners.entry(row.owner).or_default() += 1;
        }
    }
    owners
}

/// Everything on tables, views and sequences.
fn relation_grants<'a>(
    place: &Place<'a>,
    database: &'a DatabaseFacts,
    problems: &BTreeMap<String, Vec<Problem<'_>>>,
) -> Result<Vec<Proposal<'a>>, Missing> {
    if problems.is_empty() {
        return Ok(Vec::new());
    }
    let relations = database.relations.here()?;
    let by_oid: HashMap<Oid, &Relation> = relations.iter().map(|row| (row.oid, row)).collect();
    let mut proposals = Vec::new();
    for relation in relations.iter() {
        let name = relation.sql_name();
        let Some(problems) = problems.get(&name) else {
            continue;
        };
        let is_view = matches!(
            relation.kind,
            RelationKind::View | RelationKind::MaterializedView
        );
        let kind = if is_view {
            SubjectKind::View
        } else {
            SubjectKind::Relation
        };
        let closes: Vec<_> = problems
            .iter()
            .filter(|problem| problem.finding.subject.kind == kind)
            .map(Problem::closes)
            .collect();
        if closes.is_empty() {
            continue;
        }
        // Scripts of extensions commonly let everyone read; only what changes something is found.
        let wanted = |privilege: &str| relation.extension == 0 || writes(relation, privilege);
        let takes: Vec<Take<'a>> = place
            .on(AclClass::Relation, relation.oid)
            .iter()
            .filter(|acl| acl.grantee == PUBLIC)
            .filter_map(|acl| Take::some(acl, wanted))
            .collect();
        let reads = takes.iter().any(|take| take.privileges.contains("SELECT"));
        let mut proposal = Proposal::new(
            format!(
                "take the privileges on {} {} from PUBLIC",
                relation.kind.as_str(),
                visible(&name)
            ),
            Stage::Revokes,
            takes,
        )
        .approval()
        .closing(closes);
        if reads {
            proposal
                .impact
                .extend(views(place, database, relation, &by_oid));
        }
        if relation.extension != 0 {
            proposal.notes.push(
                "it belongs to an extension: an update of the extension may grant it again, and the extension's own functions may rely on it"
                    .to_owned(),
            );
        }
        proposals.push(proposal);
    }
    Ok(proposals)
}

/// As GRN-04 judges it.
fn writes(relation: &Relation, privilege: &str) -> bool {
    if relation.kind == RelationKind::Sequence {
        privilege == "UPDATE"
    } else {
        matches!(
            privilege,
            "INSERT" | "UPDATE" | "DELETE" | "TRUNCATE" | "TRIGGER"
        )
    }
}

/// Views that read a relation by what PUBLIC may: their owner has SELECT by nothing else.
fn views(
    place: &Place<'_>,
    database: &DatabaseFacts,
    relation: &Relation,
    relations: &HashMap<Oid, &Relation>,
) -> Vec<Impact> {
    let Collected::Here { value, from } = &database.view_dependencies else {
        return Vec::new();
    };
    let may: BTreeSet<Oid> = place
        .on(AclClass::Relation, relation.oid)
        .iter()
        .filter(|acl| acl.grantee != PUBLIC && acl.has("SELECT"))
        .map(|acl| acl.grantee)
        .collect();
    value
        .iter()
        .filter(|dependency| dependency.reads == relation.oid)
        .filter_map(|dependency| relations.get(&dependency.view))
        .filter(|view| !view.option_is_on("security_invoker"))
        .filter(|view| !place.graph.is_superuser(view.owner))
        .filter(|view| {
            let inherited = place.graph.inherits(view.owner);
            !may.iter().any(|role| inherited.contains(*role))
        })
        .map(|view| {
            let name = view.sql_name();
            Impact {
                kind: ImpactKind::RightLost,
                detail: format!(
                    "{} {name} reads {} with the rights of its owner, who has SELECT there by PUBLIC alone: it fails until the owner is granted SELECT",
                    view.kind.as_str(),
                    relation.sql_name()
                ),
                subject: name,
                observations: vec![from.clone(), place.from.clone()],
            }
        })
        .collect()
}
