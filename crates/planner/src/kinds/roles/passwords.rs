//! Passwords that only whoever knows them can set again.

use super::people::role_called;
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_model::Missing;
use pgattest_model::facts::Role;
use pgattest_model::ident::quote_ident;
use pgattest_model::plan::Stage;

/// The list of roles that must set a new password.
#[derive(Clone, Copy, Debug)]
pub struct Passwords;

impl Kind for Passwords {
    fn name(&self) -> &'static str {
        "passwords"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["ROL-21", "SEC-01"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let roles = planning.context.facts.roles.here()?;
        let mut drafts = Vec::new();
        drafts.extend(list(
            &planning.open("SEC-01").collect::<Vec<_>>(),
            roles.value,
            "passwords to be set again",
            |names| {
                format!(
                    "once new passwords are stored as SCRAM-SHA-256 (password_encryption), have whoever knows them set these roles' passwords again, with \\password in psql so that they are neither sent nor logged in clear: {names}"
                )
            },
        ));
        drafts.extend(list(
            &planning.open("ROL-21").collect::<Vec<_>>(),
            roles.value,
            "passwords to be given an end",
            |names| {
                format!(
                    "agree with whoever uses these roles on the day of the next rotation, then ALTER ROLE .. VALID UNTIL that day; after it their passwords let nobody in: {names}"
                )
            },
        ));
        Ok(drafts)
    }
}

/// One sentence about every role, since the list is what somebody works through.
fn list(
    problems: &[Problem<'_>],
    roles: &[Role],
    title: &str,
    what: impl Fn(&str) -> String,
) -> Option<Draft> {
    let mut names: Vec<String> = problems
        .iter()
        .filter_map(|problem| role_called(roles, &problem.finding.subject.name))
        .map(|role| quote_ident(&role.name))
        .collect();
    names.sort();
    names.dedup();
    let closes = problems.iter().map(Problem::closes).collect();
    (!names.is_empty())
        .then(|| Draft::by_hand(title, Stage::Powers, what(&names.join(", ")), closes))
}
