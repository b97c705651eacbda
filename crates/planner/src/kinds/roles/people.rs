//! Whom a change to a role affects: the facts that say so, in words.

use crate::planning::Planning;
use pgattest_model::Missing;
use pgattest_model::facts::{Oid, Role, Session};
use pgattest_model::ident::quote_ident;
use pgattest_model::plan::{Impact, ImpactKind};

/// Names listed one by one; more are counted.
const NAMED: usize = 5;

/// Whether whoever plans, or looked, logs in as the role: what it uses is never taken from it.
pub(super) fn is_own(planning: &Planning<'_>, role: &Role) -> bool {
    let planned = planning.options.own_login.as_ref();
    let looked = planning.context.facts.own_session.here().ok();
    planned.is_some_and(|login| login.role == role.name)
        || looked.is_some_and(|own| own.login_role == role.name)
}

/// The role that a finding of the cluster is about.
pub(super) fn role_called<'a>(roles: &'a [Role], subject: &str) -> Option<&'a Role> {
    roles.iter().find(|role| quote_ident(&role.name) == subject)
}

/// Whether the policy declares the role as a service.
pub(super) fn is_service(planning: &Planning<'_>, role: &Role) -> bool {
    let mut services = planning.context.policy.services.iter();
    services.any(|service| service.role == role.name)
}

/// Other people's live sessions of the role.
pub(super) fn sessions<'a>(
    planning: &'a Planning<'_>,
    role: Oid,
) -> Result<Vec<&'a Session>, Missing> {
    let sessions = planning.context.facts.sessions.here()?;
    Ok(sessions
        .value
        .iter()
        .filter(|session| session.role == role && !session.own)
        .collect())
}

/// Whether the role is seen at work: a live session, or a login in a log. Unknown counts as yes.
pub(super) fn is_seen(planning: &Planning<'_>, role: &Role) -> bool {
    planning
        .options
        .logins
        .iter()
        .any(|login| login.role == role.name)
        || sessions(planning, role.oid).map_or(true, |sessions| !sessions.is_empty())
}

/// Whether a live session of the role replicates.
pub(super) fn replicates(planning: &Planning<'_>, role: &Role) -> bool {
    let live = sessions(planning, role.oid);
    live.is_ok_and(|live| {
        live.iter()
            .any(|session| session.backend_type == "walsender")
    }) || planning
        .options
        .logins
        .iter()
        .any(|login| login.replication && login.role == role.name)
}

/// What the role is seen doing, as impacts: its live sessions, and when a log last had it.
pub(super) fn at_work(planning: &Planning<'_>, role: &Role, kind: ImpactKind) -> Vec<Impact> {
    let name = quote_ident(&role.name);
    let mut impacts = Vec::new();
    match (
        sessions(planning, role.oid),
        planning.context.facts.sessions.here(),
    ) {
        (Ok(live), Ok(seen)) if !live.is_empty() => impacts.push(Impact {
            kind,
            subject: name.clone(),
            detail: format!(
                "{} of role {name}: {}",
                counted(live.len(), "live session"),
                listed(
                    &live
                        .iter()
                        .map(|session| place(session))
                        .collect::<Vec<_>>()
                )
            ),
            observations: vec![seen.from.clone()],
        }),
        (Err(missing), _) | (_, Err(missing)) => impacts.push(Impact {
            kind: ImpactKind::Unknown,
            subject: name.clone(),
            detail: format!(
                "whether role {name} has live sessions is not known: {}",
                missing.why
            ),
            observations: missing.observation.into_iter().collect(),
        }),
        (Ok(_), Ok(_)) => {}
    }
    let logged = planning
        .options
        .logins
        .iter()
        .filter(|login| login.role == role.name);
    let count: u64 = logged.clone().map(|login| login.count).sum();
    if count > 0 {
        let last = logged.map(|login| login.last_seen.as_str()).max();
        impacts.push(Impact {
            kind,
            subject: name.clone(),
            detail: match last.filter(|last| !last.is_empty()) {
                Some(last) => format!(
                    "role {name} logged in {}, last at {last}",
                    counted_u64(count, "time")
                ),
                None => format!("role {name} logged in {}", counted_u64(count, "time")),
            },
            observations: Vec::new(),
        });
    }
    impacts
}

fn place(session: &Session) -> String {
    let from = match (session.unix_socket, session.client_address.as_str()) {
        (true, _) => "a Unix socket",
        (false, "") => "an address that was not visible",
        (false, address) => address,
    };
    if session.application_name.is_empty() {
        from.to_owned()
    } else {
        format!("{} at {from}", quote_ident(&session.application_name))
    }
}

/// `a, b and 4 more`. The names are SQL already.
pub(super) fn listed(names: &[String]) -> String {
    let (shown, more) = names.split_at(names.len().min(NAMED));
    match (shown, more.len()) {
        ([first @ .., last], 0) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        (shown, 0) => shown.concat(),
        (shown, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `1 table`, `3 tables`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    counted_u64(count as u64, noun)
}

fn counted_u64(count: u64, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}
