//! Stored search paths lose the schemas in which others may create objects, when nothing is found there anyway.

use super::foresight::Foresight;
use super::settings::{Place, list, value};
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_checks::grants::elements;
use pgattest_model::facts::RoleSetting;
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Impact, ImpactKind, Need, Stage};
use pgattest_model::{Missing, ObservationId};

/// `ALTER ROLE .. SET search_path`.
#[derive(Clone, Copy, Debug)]
pub struct SearchPath;

const CATALOG: &str = "pg_catalog";

impl Kind for SearchPath {
    fn name(&self) -> &'static str {
        "search-path"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["FUN-07"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let stored = planning.context.facts.role_settings.here()?;
        let mut foresight = None;
        let mut drafts = Vec::new();
        for problem in planning.open("FUN-07") {
            let found = stored
                .value
                .iter()
                .enumerate()
                .filter(|(_, row)| row.name.eq_ignore_ascii_case("search_path"))
                .find_map(|(at, row)| {
                    let place = Place::of(planning, row)?;
                    let subject = format!("{} SET search_path", place.alter);
                    (subject == problem.finding.subject.name).then_some((at, row, place))
                });
            let Some((at, row, place)) = found else {
                continue;
            };
            let foresight = foresight.get_or_insert_with(|| Foresight::new(planning));
            drafts.push(match narrowed(planning, foresight, &problem, at, row) {
                Ok(path) => draft(&problem, row, &place, &path, stored.from),
                Err(why) => by_hand(&problem, &place, &why),
            });
        }
        Ok(drafts)
    }
}

/// The same path without what is wrong with it; or why somebody has to decide.
fn narrowed(
    planning: &Planning<'_>,
    foresight: &mut Foresight<'_, '_>,
    problem: &Problem<'_>,
    at: usize,
    row: &RoleSetting,
) -> Result<Vec<String>, String> {
    let mut is_wrong = |path: &[String]| {
        if let Some(row) = foresight.role_settings().get_mut(at) {
            row.value = path
                .iter()
                .map(|name| quote_ident(name))
                .collect::<Vec<_>>()
                .join(", ");
        }
        foresight.reports(problem.check, &problem.finding.subject.name)
    };
    let before = elements(&row.value);
    let is_named = before.iter().any(|name| name == CATALOG);
    let catalog = || std::iter::once(CATALOG.to_owned());
    // Where the built-in names stand behind a schema, they move to the front: that is where they are without being named.
    let rest: Vec<String> = before
        .iter()
        .filter(|name| *name != CATALOG)
        .cloned()
        .collect();
    let mut kept: Vec<String> = if is_named {
        catalog().collect()
    } else {
        Vec::new()
    };
    let mut dropped = Vec::new();
    for name in rest {
        let alone: Vec<String> = catalog().chain([name.clone()]).collect();
        if is_wrong(&alone) {
            dropped.push(name);
        } else {
            kept.push(name);
        }
    }
    let result = if kept.is_empty() {
        catalog().collect()
    } else {
        kept
    };
    let closed = result != before && !is_wrong(&result);
    // The copy is used for the next finding.
    is_wrong(&before);
    if !closed {
        return Err(
            "decide which schemas its sessions search, and in which of them others may create objects".to_owned(),
        );
    }
    match dropped.iter().find(|name| !is_empty(planning, row, name)) {
        None => Ok(result),
        Some(name) => Err(format!(
            "take CREATE on schema {} from others, or take it off the path once nothing there is used without its schema's name",
            quote_ident(name)
        )),
    }
}

/// Whether nothing is found in the schema, in any database where the path holds. What was not seen may hold something.
fn is_empty(planning: &Planning<'_>, row: &RoleSetting, element: &str) -> bool {
    let facts = planning.context.facts;
    let own = planning.context.role(row.role).map(|role| &role.name);
    let schema = match (element, own) {
        ("$user", Some(own)) => own,
        // It is another schema for every role.
        ("$user", None) => return false,
        _ => element,
    };
    facts
        .inside
        .iter()
        .filter(|database| row.database == 0 || row.database == database.oid)
        .all(|database| {
            let (Ok(relations), Ok(functions)) =
                (database.relations.here(), database.functions.here())
            else {
                return false;
            };
            relations.iter().all(|row| row.schema_name != *schema)
                && functions.iter().all(|row| row.schema_name != *schema)
        })
}

fn draft(
    problem: &Problem<'_>,
    row: &RoleSetting,
    place: &Place,
    path: &[String],
    from: &ObservationId,
) -> Draft {
    let Place { alter, words } = place;
    Draft::sql(
        format!(
            "{} searches only schemas in which others create nothing",
            visible(words)
        ),
        Stage::Powers,
        None,
        vec![format!("{alter} SET search_path = {};", list(path))],
        vec![format!("{alter} SET search_path = {};", value(row))],
    )
    .closing([problem.closes()])
    .needing(Need::NewSessions)
    .affecting([Impact {
        kind: ImpactKind::RightLost,
        subject: words.clone(),
        detail: format!(
            "sessions of {words} no longer search what was on the path besides; no table, view, sequence or function was seen there, types and operators were not looked for"
        ),
        observations: vec![from.clone()],
    }])
    .note("what a session creates without a schema's name goes into the first schema of the path that exists")
    .approval()
}

fn by_hand(problem: &Problem<'_>, place: &Place, why: &str) -> Draft {
    Draft::by_hand(
        format!("decide on the search_path of {}", visible(&place.words)),
        Stage::Powers,
        format!("{}: {why}", place.words),
        vec![problem.closes()],
    )
}
