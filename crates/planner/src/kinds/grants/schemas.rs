//! Application schemas are closed to everyone; those who work in them keep their way in.

use super::place::Place;
use super::proposal::{Proposal, drafts};
use super::public::{in_database, owners};
use super::taking::{Give, Take};
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_model::facts::{AclClass, DatabaseFacts, Oid, PUBLIC, Schema};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Impact, ImpactKind, Stage};
use pgattest_model::{Collected, Missing, ObservationId};
use std::collections::BTreeSet;

/// `REVOKE USAGE ON SCHEMA .. FROM PUBLIC`, after a `GRANT` to every role that owns something in the schema or was granted
/// something there: what PUBLIC may use there besides is lost, and said.
#[derive(Clone, Copy, Debug)]
pub struct CloseSchemas;

impl Kind for CloseSchemas {
    fn name(&self) -> &'static str {
        "close-schemas"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["GRN-03"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let mut all = Vec::new();
        for database in &planning.context.facts.inside {
            let problems = in_database(planning, "GRN-03", database);
            if problems.is_empty() {
                continue;
            }
            // Without either, nobody knows who works there.
            let (schemas, ..) = (
                database.schemas.here()?,
                database.relations.here()?,
                database.functions.here()?,
            );
            let place = Place::inside(planning, database)?;
            let proposals = schemas
                .iter()
                .filter_map(|schema| {
                    let problems = problems.get(&quote_ident(&schema.name))?;
                    Some(
                        close(&place, database, schema)
                            .closing(problems.iter().map(Problem::closes)),
                    )
                })
                .collect();
            all.extend(drafts(planning, &place, proposals));
        }
        Ok(all)
    }
}

fn close<'a>(place: &Place<'a>, database: &DatabaseFacts, schema: &Schema) -> Proposal<'a> {
    let name = quote_ident(&schema.name);
    let takes: Vec<Take<'a>> = place
        .on(AclClass::Schema, schema.oid)
        .iter()
        .filter(|acl| acl.grantee == PUBLIC)
        .filter_map(|acl| Take::some(acl, |privilege| privilege == "USAGE"))
        .collect();
    let gives = {
        let target = takes.first().and_then(|take| place.target(take.acl));
        workers(place, database, schema)
            .into_iter()
            .filter(|role| !place.graph.is_superuser(*role) && place.graph.role(*role).is_some())
            .filter(|role| {
                !place.holds_besides_public(*role, AclClass::Schema, schema.oid, "USAGE")
            })
            .filter_map(|grantee| {
                Some(Give {
                    target: target.clone()?,
                    object: (AclClass::Schema, schema.oid),
                    owner: schema.owner,
                    grantee,
                    privileges: BTreeSet::from(["USAGE".to_owned()]),
                })
            })
            .collect()
    };
    let mut proposal = Proposal::new(
        format!("take USAGE on schema {} from PUBLIC", visible(&name)),
        Stage::Revokes,
        takes,
    )
    .approval();
    proposal.gives = gives;
    proposal
        .impact
        .extend(of_extensions(database, schema, &name));
    proposal
}

/// Whoever was granted something in a schema, or owns something there, by oid.
fn workers(place: &Place<'_>, database: &DatabaseFacts, schema: &Schema) -> BTreeSet<Oid> {
    let mut workers: BTreeSet<Oid> = owners(database, schema.oid).into_keys().collect();
    let mut add = |class, oid| {
        workers.extend(
            place
                .on(class, oid)
                .iter()
                .filter(|acl| acl.grantee != PUBLIC && !acl.privileges.is_empty())
                .map(|acl| acl.grantee),
        );
    };
    if let Collected::Here { value, .. } = &database.relations {
        for row in value.iter().filter(|row| row.schema == schema.oid) {
            add(AclClass::Relation, row.oid);
        }
    }
    if let Collected::Here { value, .. } = &database.functions {
        for row in value.iter().filter(|row| row.schema == schema.oid) {
            add(AclClass::Function, row.oid);
        }
    }
    workers
}

/// What belongs to an extension is commonly used by everyone.
fn of_extensions(database: &DatabaseFacts, schema: &Schema, name: &str) -> Option<Impact> {
    let mut from: Vec<ObservationId> = Vec::new();
    let mut count = 0;
    if let Collected::Here { value, from: seen } = &database.functions {
        from.push(seen.clone());
        count += value
            .iter()
            .filter(|row| row.schema == schema.oid && row.extension != 0)
            .count();
    }
    if let Collected::Here { value, from: seen } = &database.relations {
        from.push(seen.clone());
        count += value
            .iter()
            .filter(|row| row.schema == schema.oid && row.extension != 0)
            .count();
    }
    (count > 0).then(|| Impact {
        kind: ImpactKind::Unknown,
        subject: name.to_owned(),
        detail: format!(
            "schema {name} holds {count} objects of extensions: whoever loses USAGE can no longer name their functions, operators and types, and who does is not known"
        ),
        observations: from,
    })
}
