//! Settings stored for roles and databases that should not be there are taken away.

use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_checks::grants::elements;
use pgattest_model::facts::RoleSetting;
use pgattest_model::ident::{quote_ident, quote_literal, quote_parameter, visible};
use pgattest_model::plan::{Impact, ImpactKind, Need, Stage};
use pgattest_model::{Missing, ObservationId};

/// `ALTER ROLE .. RESET` and `ALTER DATABASE .. RESET`.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

impl Kind for Settings {
    fn name(&self) -> &'static str {
        "role-settings"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["LOG-03", "RLS-23", "SEC-06", "SEC-08"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let stored = planning.context.facts.role_settings.here()?;
        let mut drafts = Vec::new();
        for check in self.closes() {
            for problem in planning.open(check) {
                let found = stored.iter().find_map(|row| {
                    let place = Place::of(planning, row)?;
                    (subject(check, row, &place) == problem.finding.subject.name)
                        .then_some((row, place))
                });
                let Some((row, place)) = found else { continue };
                drafts.push(draft(&problem, row, &place, stored.from));
            }
        }
        Ok(drafts)
    }
}

/// What a setting is stored for.
pub(super) struct Place {
    /// `ALTER ROLE app IN DATABASE shop`.
    pub(super) alter: String,
    /// `role app in database shop`.
    pub(super) words: String,
}

impl Place {
    /// `None` when the role or the database is not among those that were read.
    pub(super) fn of(planning: &Planning<'_>, row: &RoleSetting) -> Option<Self> {
        let facts = planning.context.facts;
        let roles = facts.roles.here().ok()?.value;
        let databases = facts.databases.here().ok()?.value;
        let role = match row.role {
            0 => None,
            oid => Some(&roles.iter().find(|role| role.oid == oid)?.name),
        };
        let database = match row.database {
            0 => None,
            oid => Some(&databases.iter().find(|row| row.oid == oid)?.name),
        };
        let words = match (role, database) {
            (None, None) => "every role".to_owned(),
            (None, Some(database)) => format!("database {}", quote_ident(database)),
            (Some(role), None) => format!("role {}", quote_ident(role)),
            (Some(role), Some(database)) => format!(
                "role {} in database {}",
                quote_ident(role),
                quote_ident(database)
            ),
        };
        Some(Self {
            alter: row.statement(roles, databases),
            words,
        })
    }
}

/// As the check names its finding.
fn subject(check: &str, row: &RoleSetting, place: &Place) -> String {
    let is = |name: &str| row.name.eq_ignore_ascii_case(name);
    let alter = &place.alter;
    match check {
        "SEC-06" if is("password_encryption") && row.role == 0 && row.database == 0 => {
            "password_encryption".to_owned()
        }
        "SEC-06" if is("password_encryption") => format!("{alter} SET password_encryption"),
        "RLS-23" if is("row_security") => format!("{alter} SET row_security"),
        "LOG-03" => format!("{alter} SET {}", row.name),
        "SEC-08" => format!("{alter} SET {}", quote_parameter(&row.name)),
        _ => String::new(),
    }
}

fn draft(problem: &Problem<'_>, row: &RoleSetting, place: &Place, from: &ObservationId) -> Draft {
    let name = quote_parameter(&row.name);
    let Place { alter, words } = place;
    let title = format!("{} no longer sets {}", visible(words), visible(&name));
    if problem.check == "SEC-08" || row.withheld {
        return Draft::by_hand(
            title,
            Stage::Powers,
            format!(
                "give whatever reads {name} its secret in another way, rotate the secret, since every role could read it, then {alter} RESET {name}; pgattest does not do it, because it never sees the value and could not put it back"
            ),
            vec![problem.closes()],
        );
    }
    let everywhere = row.role == 0 && row.database == 0;
    // What the configuration says below it is not known here, so the value is replaced and not only taken away.
    let statement = if problem.check == "SEC-06" && everywhere {
        format!("{alter} SET {name} = 'scram-sha-256';")
    } else {
        format!("{alter} RESET {name};")
    };
    let (kind, detail) = effect(problem.check, words);
    Draft::sql(
        title,
        Stage::Powers,
        None,
        vec![statement],
        vec![format!("{alter} SET {name} = {};", value(row))],
    )
    .closing([problem.closes()])
    .needing(Need::NewSessions)
    .affecting([Impact {
        kind,
        subject: words.clone(),
        detail,
        observations: vec![from.clone()],
    }])
}

fn effect(check: &str, words: &str) -> (ImpactKind, String) {
    match check {
        "LOG-03" => (
            ImpactKind::MoreLogged,
            format!("sessions of {words} are logged like all others"),
        ),
        "RLS-23" => (
            ImpactKind::RowsHidden,
            format!(
                "statements of {words} that failed where a policy would filter now run and return what the policies let through"
            ),
        ),
        _ => (
            ImpactKind::RightLost,
            format!(
                "passwords set in sessions of {words} are stored as the rest of the configuration says; clients that know MD5 only cannot use a password that is stored as SCRAM-SHA-256"
            ),
        ),
    }
}

/// Settings whose value is a list of names, each quoted by itself. Written as one text, they would become one name.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// The stored value as `SET` takes it.
pub(super) fn value(row: &RoleSetting) -> String {
    if LISTS.iter().any(|name| row.name.eq_ignore_ascii_case(name)) {
        list(&elements(&row.value))
    } else {
        quote_literal(&row.value)
    }
}

/// Names as `SET` takes a list of them.
pub(super) fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "''".to_owned();
    }
    let names: Vec<String> = names.iter().map(|name| quote_literal(name)).collect();
    names.join(", ")
}
