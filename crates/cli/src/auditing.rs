//! From observations to an audit: the one way, for a live run and for a package read back.

use pgattest_catalog::decode;
use pgattest_checks::{assess, not_visible, review_policy};
use pgattest_model::{
    Audit, Collected, Date, Facts, Missing, NotVisible, Observation, Outcome, Policy, Run,
    TargetIdentity,
};
use std::collections::BTreeSet;

/// Decodes, assesses and puts together what every report renders. Depends on nothing but its arguments.
pub(crate) fn audit(run: Run, observations: Vec<Observation>, policy: &Policy) -> Audit {
    let facts = decode(&observations);
    let mut assessment = assess(&facts, policy);
    review_policy(&mut assessment, &facts, policy, day(&run, &observations));
    let not_visible = everything_unseen(not_visible(&assessment), &observations);
    let target = identify(&facts, &observations);
    Audit {
        target,
        run,
        assessment,
        observations,
        not_visible,
    }
}

/// The day of the audit, in UTC, on which waivers are judged: by the collector's clock or the server's, whichever is later, so
/// that setting one of them back revives nothing. Without any, every waiver has ended.
fn day(run: &Run, observations: &[Observation]) -> Date {
    let server = observations
        .iter()
        .find_map(|observation| Date::of_instant(&observation.server_started_at));
    Date::of_instant(&run.started_at).map_or(Date::LAST, |ours| {
        server.map_or(ours, |theirs| theirs.max(ours))
    })
}

/// Which cluster it was, and who looked.
pub(crate) fn identify(facts: &Facts, observations: &[Observation]) -> TargetIdentity {
    let server = facts.server.here().ok();
    let text = |field: fn(&pgattest_model::facts::Server) -> &String| {
        server
            .map(|server| field(server.value).clone())
            .unwrap_or_default()
    };
    TargetIdentity {
        name: observations
            .first()
            .map(|first| first.asked_at.clone())
            .unwrap_or_default(),
        system_identifier: text(|server| &server.system_identifier),
        version: facts.version().ok(),
        version_text: text(|server| &server.version_text),
        in_recovery: server.is_some_and(|server| server.in_recovery),
        role: facts
            .own_session
            .here()
            .map(|own| own.role.clone())
            .unwrap_or_default(),
        databases: facts
            .inside
            .iter()
            .filter(|database| database.relations.is_here())
            .map(|database| database.name.clone())
            .collect(),
        flavour: flavour(facts).to_owned(),
    }
}

/// Who runs the server, told by the administrative role that each provider makes.
fn flavour(facts: &Facts) -> &'static str {
    let Collected::Here { value: roles, .. } = &facts.roles else {
        return "unknown";
    };
    let has = |name: &str| roles.iter().any(|role| role.name == name);
    if has("rdsadmin") && has("rds_superuser") {
        "rds"
    } else if has("cloudsqladmin") && has("cloudsqlsuperuser") {
        "cloud-sql"
    } else if has("azuresu") || has("azure_pg_admin") {
        "azure"
    } else {
        "self-hosted"
    }
}

/// What some check wanted and did not see, and what no check wanted but was refused: an auditor is told of both.
fn everything_unseen(mut wanted: Vec<NotVisible>, observations: &[Observation]) -> Vec<NotVisible> {
    let told: BTreeSet<_> = wanted
        .iter()
        .filter_map(|one| one.missing.observation.clone())
        .collect();
    let refused = observations
        .iter()
        .filter(|observation| !told.contains(&observation.id));
    wanted.extend(
        refused.filter_map(|observation| match &observation.outcome {
            Outcome::Rows { .. } => None,
            Outcome::Failed { message, opens, .. } => Some(NotVisible {
                missing: Missing {
                    why: format!("{} could not be read: {message}", observation.id),
                    grant: opens.clone(),
                    observation: Some(observation.id.clone()),
                },
                wanted_by: Vec::new(),
            }),
        }),
    );
    wanted
}
