//! SUPERUSER is taken from roles that nobody approved.

use super::people::{at_work, is_own, is_service, listed, replicates, role_called};
use super::property::Property;
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_checks::roles::{MANAGED, belongs_to_provider};
use pgattest_model::facts::{Oid, Role};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Impact, ImpactKind, Stage};
use pgattest_model::{Fingerprint, Missing};
use std::collections::{BTreeMap, BTreeSet};

/// `ALTER ROLE .. NOSUPERUSER`.
#[derive(Clone, Copy, Debug)]
pub struct Superuser;

impl Kind for Superuser {
    fn name(&self) -> &'static str {
        "superuser"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["ROL-01", "ROL-02", "ROL-07", "ROL-25"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let roles = planning.context.facts.roles.here()?;
        let taken = taken(planning)?;
        let paths = closed_paths(planning)?;
        let mut drafts: BTreeMap<Oid, Draft> = BTreeMap::new();
        let mut by_hand = Vec::new();
        for problem in planning.open("ROL-01") {
            let Some(role) = role_called(roles.value, &problem.finding.subject.name) else {
                continue;
            };
            if !taken.contains(&role.oid) {
                by_hand.push(left(planning, &problem, role));
                continue;
            }
            drafts.insert(role.oid, draft(planning, &problem, role)?);
        }
        for problem in planning.open("ROL-25") {
            let about = role_called(roles.value, &problem.finding.subject.name);
            if let Some(draft) = about.and_then(|role| drafts.get_mut(&role.oid)) {
                draft.closes.push(problem.closes());
            }
        }
        for problem in planning.open("ROL-02").chain(planning.open("ROL-07")) {
            let by = paths.get(problem.fingerprint);
            if let Some(draft) = by.and_then(|oid| drafts.get_mut(oid)) {
                draft.closes.push(problem.closes());
            }
        }
        Ok(drafts.into_values().chain(by_hand).collect())
    }
}

/// The superusers that lose the attribute.
pub(super) fn taken(planning: &Planning<'_>) -> Result<BTreeSet<Oid>, Missing> {
    let roles = planning.context.facts.roles.here()?;
    let taken: BTreeSet<Oid> = planning
        .open("ROL-01")
        .filter_map(|problem| role_called(roles.value, &problem.finding.subject.name))
        .filter(|role| hindrance(planning, role).is_none())
        .map(|role| role.oid)
        .collect();
    let remains = roles
        .iter()
        .any(|role| role.superuser && role.can_login && !taken.contains(&role.oid));
    Ok(if remains { taken } else { BTreeSet::new() })
}

/// Findings about ways to a superuser that are gone when exactly one role is no superuser any more, with that role.
pub(super) fn closed_paths(planning: &Planning<'_>) -> Result<BTreeMap<Fingerprint, Oid>, Missing> {
    let taken = taken(planning)?;
    let mut closed = BTreeMap::new();
    if taken.is_empty() {
        return Ok(closed);
    }
    let graph = planning.context.role_graph()?;
    let approved = planning.context.policy.access.bypass_rls.as_ref();
    for problem in planning.open("ROL-02").chain(planning.open("ROL-07")) {
        let roles = planning.context.facts.roles.here()?.value;
        let Some(login) = role_called(roles, &problem.finding.subject.name) else {
            continue;
        };
        // A way that is left over, by being what nobody takes away here.
        let leads = |role: &Role| match problem.check {
            "ROL-02" => MANAGED.contains(&role.name.as_str()),
            _ => role.bypass_rls && !approved.is_some_and(|names| names.contains(&role.name)),
        };
        let reached = match problem.check {
            "ROL-02" => graph.reaches(login.oid),
            _ => graph.can_set_role_to(login.oid),
        };
        let mut superusers = Vec::new();
        let mut others = false;
        for role in reached.roles().filter(|role| role.oid != login.oid) {
            if role.superuser {
                superusers.push(role);
            } else {
                others |= leads(role);
            }
        }
        if let ([only], false) = (superusers.as_slice(), others)
            && taken.contains(&only.oid)
        {
            closed.insert(problem.fingerprint.clone(), only.oid);
        }
    }
    Ok(closed)
}

/// Why a superuser stays one.
fn hindrance(planning: &Planning<'_>, role: &Role) -> Option<&'static str> {
    if role.oid == Role::BOOTSTRAP {
        Some(
            "it is the superuser that initdb made and cannot lose the attribute: name it in access.superusers and let nothing but emergencies log in as it",
        )
    } else if belongs_to_provider(&planning.context, role) {
        Some("it is the provider's: name it in access.superusers")
    } else if is_own(planning, role) {
        Some(
            "the plan is made with this login: name it in access.superusers, or plan and apply with another superuser",
        )
    } else if replicates(planning, role) {
        Some(
            "it replicates now: move the standby or the backup to a login with REPLICATION alone, and plan again",
        )
    } else {
        None
    }
}

fn left(planning: &Planning<'_>, problem: &Problem<'_>, role: &Role) -> Draft {
    let name = quote_ident(&role.name);
    let why = hindrance(planning, role).unwrap_or(
        "no other superuser that can log in would be left: make one, approve it in access.superusers, and plan again",
    );
    Draft::by_hand(
        format!("decide on superuser {}", visible(&name)),
        Stage::Powers,
        format!("superuser {name} is not taken care of here: {why}"),
        vec![problem.closes()],
    )
}

/// An attribute that superuser implies, so that it counts only afterwards.
struct Hidden {
    keyword: &'static str,
    held: fn(&Role) -> bool,
}

const HIDDEN: [Hidden; 4] = [
    Hidden {
        keyword: "CREATEDB",
        held: |role| role.create_db,
    },
    Hidden {
        keyword: "CREATEROLE",
        held: |role| role.create_role,
    },
    Hidden {
        keyword: "REPLICATION",
        held: |role| role.replication,
    },
    Hidden {
        keyword: "BYPASSRLS",
        held: |role| role.bypass_rls,
    },
];

/// What the role has besides, without approval: nobody gave it a thought while it was superuser.
fn hidden<'h>(planning: &'h Planning<'_>, role: &'h Role) -> impl Iterator<Item = &'static Hidden> {
    let access = &planning.context.policy.access;
    let lists = [
        &access.create_database,
        &access.create_role,
        &access.replication,
        &access.bypass_rls,
    ];
    HIDDEN.iter().zip(lists).filter_map(|(hidden, list)| {
        let approved = list
            .as_ref()
            .is_some_and(|names| names.contains(&role.name));
        ((hidden.held)(role) && !approved).then_some(hidden)
    })
}

fn draft(planning: &Planning<'_>, problem: &Problem<'_>, role: &Role) -> Result<Draft, Missing> {
    let name = quote_ident(&role.name);
    let (mut takes, mut gives) = (vec!["NOSUPERUSER".to_owned()], vec!["SUPERUSER".to_owned()]);
    for hidden in hidden(planning, role) {
        takes.push(format!("NO{}", hidden.keyword));
        gives.push(hidden.keyword.to_owned());
    }
    let draft = Draft::sql(
        format!("take SUPERUSER from role {}", visible(&name)),
        Stage::Powers,
        None,
        vec![format!("ALTER ROLE {name} {};", takes.join(" "))],
        vec![format!("ALTER ROLE {name} {};", gives.join(" "))],
    )
    .closing([problem.closes()])
    .affecting(at_work(planning, role, ImpactKind::RightLost))
    .affecting(losses(planning, role)?)
    .approval();
    Ok(if is_service(planning, role) {
        draft.note(format!(
            "what the policy declares for service {name} is granted before, as far as this plan has it"
        ))
    } else {
        draft.note(format!(
            "nothing is granted to role {name} in return; where a program logs in as it, declare it as a [[service]] first, so that its privileges are planned"
        ))
    })
}

/// What the attribute gave, and what stays.
fn losses(planning: &Planning<'_>, role: &Role) -> Result<Vec<Impact>, Missing> {
    let name = quote_ident(&role.name);
    let roles = planning.context.facts.roles.here()?;
    let property = Property::of(planning, role.oid)?;
    let mut impacts = vec![Impact {
        kind: ImpactKind::RightLost,
        subject: name.clone(),
        detail: format!(
            "role {name} loses everything but {}; the catalogs do not say what else it used",
            property.kept()
        ),
        observations: std::iter::once(roles.from.clone())
            .chain(property.observations.iter().cloned())
            .collect(),
    }];
    if !property.run_as.is_empty() {
        impacts.push(Impact {
            kind: ImpactKind::RightLost,
            subject: name.clone(),
            detail: format!(
                "what runs with its rights, for whoever uses it, has them no longer: {}",
                listed(&property.run_as)
            ),
            observations: property.observations.iter().cloned().collect(),
        });
    }
    impacts.push(Impact {
        kind: ImpactKind::RowsHidden,
        subject: name.clone(),
        detail: format!("row-level security binds role {name} on every table that it does not own"),
        observations: vec![roles.from.clone()],
    });
    if let Ok(subscriptions) = planning.context.facts.subscriptions.here() {
        for subscription in subscriptions.iter().filter(|row| row.owner == role.oid) {
            let subscription = quote_ident(&subscription.name);
            impacts.push(Impact {
                kind: ImpactKind::RightLost,
                subject: subscription.clone(),
                detail: format!(
                    "subscription {subscription} is applied with the rights of role {name}, and may stop"
                ),
                observations: vec![subscriptions.from.clone()],
            });
        }
    }
    impacts.extend(property.not_seen.iter().map(|missing| Impact {
        kind: ImpactKind::Unknown,
        subject: name.clone(),
        detail: format!("what role {name} has there is not known: {}", missing.why),
        observations: missing.observation.clone().into_iter().collect(),
    }));
    Ok(impacts)
}
