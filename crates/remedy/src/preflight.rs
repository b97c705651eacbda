//! What is looked at before anything begins.

use crate::error::ApplyError;
use crate::request::{Event, Observer, Request, ServerFiles};
use crate::session::{column, one};
use crate::steps::{Step, Work, ours};
use crate::{proof, rights};
use pgattest_collect::collect;
use pgattest_model::facts::Database;
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{FactsDigest, ImpactKind};
use pgattest_model::{Facts, Observation, ObservationId, Outcome};
use pgattest_planner::facts_digest;
use pgattest_wire::Connection;
use std::collections::BTreeMap;

/// Refuses what nobody accepted.
pub(crate) fn accepted(request: &Request<'_>) -> Result<(), ApplyError> {
    let mut subjects = Vec::new();
    for change in ours(request.plan) {
        for impact in &change.impact {
            if impact.kind == ImpactKind::LoginRefused && !request.accept.contains(&impact.subject)
            {
                let line = format!("{}: {}", impact.subject, impact.detail);
                if !subjects.contains(&line) {
                    subjects.push(line);
                }
            }
        }
    }
    if subjects.is_empty() {
        Ok(())
    } else {
        Err(ApplyError::NotAccepted { subjects })
    }
}

/// Refuses what takes the server's machine, where nobody said that this is it.
pub(crate) fn at_hand(request: &Request<'_>, steps: &[Step]) -> Result<(), ApplyError> {
    let far = steps.iter().find(|step| {
        matches!(step.work, Work::Certificate(_)) && request.files != ServerFiles::Local
    });
    match far {
        None => Ok(()),
        Some(step) => Err(ApplyError::NotLocal {
            title: step.titles.join("; "),
        }),
    }
}

/// Refuses another cluster than the plan's, and a standby.
pub(crate) async fn target(request: &Request<'_>, control: &Connection) -> Result<(), ApplyError> {
    let standby: bool = one(control, "SELECT pg_catalog.pg_is_in_recovery()", &[]).await?;
    if standby {
        return Err(ApplyError::Standby);
    }
    // Asked in two statements: a role that may not execute the function could not even parse the first.
    let may: bool = one(
        control,
        "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')",
        &[],
    )
    .await?;
    let found: String = if may {
        one(
            control,
            "SELECT c.system_identifier::text FROM pg_catalog.pg_control_system() AS c",
            &[],
        )
        .await?
    } else {
        String::new()
    };
    let target = &request.plan.target;
    if found.is_empty() || found != target.system_identifier {
        return Err(ApplyError::OtherCluster {
            planned: target.system_identifier.clone(),
            found,
        });
    }
    let version: String = one(
        control,
        "SELECT pg_catalog.current_setting('server_version')",
        &[],
    )
    .await?;
    let major = |text: &str| text.split(['.', ' ']).next().map(str::to_owned);
    if major(&version) != major(&target.version) {
        return Err(ApplyError::OtherVersion {
            planned: target.version.clone(),
            found: version,
        });
    }
    Ok(())
}

/// Everything else, with the facts collected again.
pub(crate) async fn everything(
    request: &Request<'_>,
    control: &Connection,
    steps: &[Step],
    observer: &mut dyn Observer,
) -> Result<(), ApplyError> {
    observer.event(&Event::Checking {
        what: "whether the cluster is still what the plan was made from",
    });
    let collection = collect(request.options, request.limits.clone(), |_| {}).await?;
    let facts = pgattest_catalog::decode(&collection.observations);
    let moved = moved(&request.plan.facts, &collection.observations, &facts);
    if !moved.is_empty() {
        return Err(ApplyError::FactsMoved { moved });
    }
    let touches_files = steps
        .iter()
        .any(|step| matches!(step.work, Work::Files(_) | Work::Restart));
    if touches_files {
        // With such a line the new file would not be loaded either, and a restart would end with no server at all.
        let lines = proof::bad_lines(&facts);
        if !lines.is_empty() {
            return Err(ApplyError::BadLines { lines });
        }
    }
    if steps
        .iter()
        .any(|step| matches!(step.work, Work::Settings(_)))
    {
        let allowed: Vec<Option<String>> = column(
            control,
            "SELECT pg_catalog.current_setting('allow_alter_system', true)",
            &[],
        )
        .await?;
        if allowed.iter().flatten().any(|value| value == "off") {
            return Err(ApplyError::NoAlterSystem);
        }
    }
    observer.event(&Event::Checking {
        what: "whether the role has every right that the plan needs",
    });
    rights::check(request, control, steps).await
}

/// The groups that differ, in words.
fn moved(planned: &FactsDigest, observations: &[Observation], facts: &Facts) -> Vec<String> {
    let found = facts_digest(observations);
    let planned: BTreeMap<_, _> = planned.groups.iter().map(|(id, hash)| (id, hash)).collect();
    let found: BTreeMap<_, _> = found.groups.iter().map(|(id, hash)| (id, hash)).collect();
    let databases: &[Database] = facts
        .databases
        .here()
        .map(|seen| seen.value.as_slice())
        .unwrap_or_default();
    let mut ids: Vec<&ObservationId> = planned.keys().chain(found.keys()).copied().collect();
    ids.sort();
    ids.dedup();
    ids.into_iter()
        .filter(|id| planned.get(id) != found.get(id))
        .map(|id| {
            let name = name(id, databases);
            // Somebody's lock is no change of the facts, but nobody can say that it hides none.
            match observations.iter().find(|seen| seen.id == *id) {
                Some(Observation {
                    outcome: Outcome::Failed { message, .. },
                    ..
                }) => format!("{name} (could not be read now: {message})"),
                _ => name,
            }
        })
        .collect()
}

fn name(id: &ObservationId, databases: &[Database]) -> String {
    let Some(oid) = id.database_oid() else {
        return id.group().to_owned();
    };
    match databases.iter().find(|database| database.oid == oid) {
        Some(database) => format!(
            "{} in database {}",
            id.group(),
            visible(&quote_ident(&database.name))
        ),
        None => format!("{} in a database that is gone", id.group()),
    }
}
