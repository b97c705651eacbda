//! Roles that should not log in lose `LOGIN`, when nobody is seen to need it.

use super::people::{at_work, is_own, is_seen, is_service, role_called};
use super::superuser::taken;
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_checks::roles::belongs_to_provider;
use pgattest_checks::secrets::CANNOT_LOG_IN;
use pgattest_model::facts::Role;
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Impact, ImpactKind, Need, Risk, Stage};
use pgattest_model::{Missing, ObservationId};
use std::collections::BTreeSet;

/// `ALTER ROLE .. NOLOGIN`.
#[derive(Clone, Copy, Debug)]
pub struct Logins;

impl Kind for Logins {
    fn name(&self) -> &'static str {
        "role-logins"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["ROL-20", "ROL-25", "SEC-03"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let roles = planning.context.facts.roles.here()?;
        // Once it is no superuser any more, ROL-25 has nothing to say of it, and the application that logs in as it goes on.
        let demoted = taken(planning)?;
        let mut drafts = Vec::new();
        for check in self.closes() {
            for problem in planning.open(check) {
                let Some(role) = role_called(roles.value, &problem.finding.subject.name) else {
                    continue;
                };
                if *check == "ROL-25" && demoted.contains(&role.oid) {
                    continue;
                }
                drafts.push(match hindrance(planning, &problem, role) {
                    Some(why) => by_hand(&problem, role, &why),
                    None => draft(planning, &problem, role, roles.from),
                });
            }
        }
        guard(planning, roles.value, drafts)
    }
}

/// Why the role has to go on logging in, or what else has to be done.
fn hindrance(planning: &Planning<'_>, problem: &Problem<'_>, role: &Role) -> Option<String> {
    let name = quote_ident(&role.name);
    let said = || problem.finding.remediation.trim_end_matches(';').to_owned();
    if belongs_to_provider(&planning.context, role) {
        return Some(format!("role {name} is the provider's: {}", said()));
    }
    if role.oid == Role::BOOTSTRAP {
        return Some(match problem.check {
            "ROL-25" if planning.context.policy.access.break_glass.is_some() => format!(
                "superuser {name} is the last resort when every other login fails: declare it in access.break_glass, and let pg_hba.conf admit it from the machine itself only"
            ),
            "ROL-20" => format!(
                "superuser {name} is the last resort when every other login fails: give it a VALID UNTIL that has not passed"
            ),
            _ => said(),
        });
    }
    if is_own(planning, role) {
        return Some(format!(
            "the plan is made with login {name}, which could not take it back: {}",
            said()
        ));
    }
    match problem.check {
        "SEC-03" if problem.finding.cause != CANNOT_LOG_IN => Some(format!(
            "role {name} is let in without any proof: give it a password with \\password in psql and the program that uses it, then have its line in pg_hba.conf ask for it; or take LOGIN away when nobody needs it"
        )),
        "ROL-25" if is_seen(planning, role) || is_service(planning, role) => Some(format!(
            "somebody works as superuser {name}: give the program a role of its own with what it uses, then take SUPERUSER or LOGIN from {name}"
        )),
        "SEC-03" if is_seen(planning, role) || is_service(planning, role) => {
            Some(format!("somebody works as role {name}: {}", said()))
        }
        "ROL-20" if is_service(planning, role) => Some(format!(
            "the policy declares service {name}: give it a password with a new end, or take it out of the policy"
        )),
        _ => None,
    }
}

fn draft(
    planning: &Planning<'_>,
    problem: &Problem<'_>,
    role: &Role,
    from: &ObservationId,
) -> Draft {
    let name = quote_ident(&role.name);
    let kind = ImpactKind::LoginRefused;
    let work = at_work(planning, role, kind);
    let draft = Draft::sql(
        format!("role {} no longer logs in", visible(&name)),
        Stage::Powers,
        None,
        vec![format!("ALTER ROLE {name} NOLOGIN;")],
        vec![format!("ALTER ROLE {name} LOGIN;")],
    )
    .closing([problem.closes()])
    .needing(Need::NewSessions)
    .affecting([Impact {
        kind,
        subject: name.clone(),
        detail: format!(
            "role {name} is refused at its next login, whatever the method; roles that may SET ROLE to it still may, and what it owns and was granted stays"
        ),
        observations: vec![from.clone()],
    }])
    .note(format!(
        "jobs that a scheduler inside the server runs as role {name} may stop too, and are not among the facts"
    ));
    let safe = problem.check == "ROL-20" && work.is_empty() && !role.superuser;
    let draft = draft.affecting(work);
    if safe { draft } else { draft.approval() }
}

fn by_hand(problem: &Problem<'_>, role: &Role, why: &str) -> Draft {
    Draft::by_hand(
        format!("decide on login {}", visible(&quote_ident(&role.name))),
        Stage::Powers,
        why,
        vec![problem.closes()],
    )
}

/// Some superuser must still be able to log in when all is done.
fn guard(
    planning: &Planning<'_>,
    roles: &[Role],
    drafts: Vec<Draft>,
) -> Result<Vec<Draft>, Missing> {
    let demoted = taken(planning)?;
    let barred: BTreeSet<String> = drafts
        .iter()
        .filter(|draft| draft.risk != Risk::ByHand)
        .flat_map(|draft| &draft.closes)
        .map(|closes| closes.subject.name.clone())
        .collect();
    let is_barred = |role: &Role| barred.contains(&quote_ident(&role.name));
    let remains = roles.iter().any(|role| {
        role.superuser && role.can_login && !demoted.contains(&role.oid) && !is_barred(role)
    });
    if remains {
        return Ok(drafts);
    }
    Ok(drafts
        .into_iter()
        .map(|draft| {
            let of_superuser = draft.closes.iter().any(|closes| {
                role_called(roles, &closes.subject.name).is_some_and(|role| role.superuser)
            });
            if draft.risk == Risk::ByHand || !of_superuser {
                return draft;
            }
            Draft::by_hand(
                draft.title,
                draft.stage,
                "no superuser that can log in would be left: make one for emergencies and declare it in access.break_glass, then plan again",
                draft.closes,
            )
        })
        .collect())
}
