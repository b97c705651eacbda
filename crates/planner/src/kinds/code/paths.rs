//! SECURITY DEFINER functions look names up where only their owner may put something.

use crate::draft::Draft;
use crate::kind::Kind;
use crate::kinds::grants::place::Place;
use crate::kinds::grants::proposal::drafts;
use crate::kinds::grants::public::{create_proposal, in_database};
use crate::planning::{Planning, Problem};
use pgattest_checks::functions::configured::configured;
use pgattest_checks::functions::definer_path_schemas::{PathJudge, TEMPORARY_FIRST, own_path};
use pgattest_checks::functions::places::Places;
use pgattest_checks::grants::search_path::elements;
use pgattest_model::Missing;
use pgattest_model::facts::{DatabaseFacts, Function};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Closes, Impact, ImpactKind, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// `ALTER FUNCTION .. SET search_path`. Bodies are not read, so which names they leave unqualified is not known: a person approves.
#[derive(Clone, Copy, Debug)]
pub struct SearchPaths;

impl Kind for SearchPaths {
    fn name(&self) -> &'static str {
        "function-search-path"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["FUN-01", "FUN-02"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let judge = PathJudge::new(&planning.context)?;
        let mut all = Vec::new();
        for database in &planning.context.facts.inside {
            let unset = in_database(planning, "FUN-01", database);
            let open = in_database(planning, "FUN-02", database);
            if unset.is_empty() && open.is_empty() {
                continue;
            }
            let here = Here {
                planning,
                database,
                judge: &judge,
                places: Places::new(&planning.context, database)?,
            };
            let functions = database.functions.here()?;
            let definers = functions
                .value
                .iter()
                .filter(|function| function.security_definer && function.extension == 0);
            let mut closed: BTreeMap<String, Vec<Closes>> = BTreeMap::new();
            for function in definers {
                let name = function.sql_name();
                if let Some(problems) = unset.get(&name) {
                    all.push(here.set(function, problems)?);
                }
                if let Some(problems) = open.get(&name) {
                    all.extend(here.repair(function, problems, &mut closed));
                }
            }
            all.extend(here.close(&closed)?);
        }
        Ok(all)
    }
}

/// One database.
struct Here<'p, 'a> {
    planning: &'p Planning<'a>,
    database: &'a DatabaseFacts,
    judge: &'p PathJudge<'p>,
    places: Places<'a>,
}

impl Here<'_, '_> {
    /// FUN-01: a path for a function that has none. The schemas that sessions search by default, its own, and temporary tables last.
    fn set(&self, function: &Function, problems: &[Problem<'_>]) -> Result<Draft, Missing> {
        let name = function.sql_name();
        let title = format!("give {} a search_path of its own", visible(&name));
        let closes: Vec<Closes> = problems.iter().map(Problem::closes).collect();
        let own = function.schema_name.as_str();
        let mut notes = Vec::new();
        if let Some(who) = self.who_else(own, function, &mut notes) {
            let what = format!(
                "{who} may create objects in schema {}: take that away first, then plan again; or qualify every name in the body of {} and set its search_path to pg_catalog, pg_temp",
                visible(&quote_ident(own)),
                visible(&name)
            );
            return Ok(Draft::by_hand(title, Stage::Code, what, closes));
        }
        let by_default = self.default_path()?;
        let mut path: Vec<&str> = Vec::new();
        if !by_default.iter().any(|element| element == own) {
            path.push(own);
        }
        let mut left_out = Vec::new();
        for element in by_default
            .iter()
            .map(String::as_str)
            .filter(|element| *element != "$user" && *element != "pg_temp")
        {
            let is_safe = self
                .judge
                .role_that_may_create(&self.places, element, function.owner)
                .is_none()
                && !self
                    .judge
                    .everyone_may_create(&self.places, element, function.owner);
            if element == own || (self.places.has(element) && is_safe) {
                if !path.contains(&element) {
                    path.push(element);
                }
            } else if self.places.has(element) {
                left_out.push(quote_ident(element));
            }
        }
        path.push("pg_temp");
        let kind = function.sql_kind();
        let shown = shown(&path);
        let mut draft = Draft::sql(
            title,
            Stage::Code,
            Some(&self.database.name),
            vec![format!("ALTER {kind} {name} SET search_path = {shown};")],
            vec![format!("ALTER {kind} {name} RESET search_path;")],
        )
        .approval()
        .closing(closes)
        .affecting([self.looks_elsewhere(function, &path, &shown)?]);
        notes.push(format!(
            "the body was not read: a name that it leaves unqualified is found in {shown} from now on, whatever its caller's search_path is; qualify the others first"
        ));
        if !left_out.is_empty() {
            notes.push(format!(
                "others may create objects in {}, which sessions search by default: qualify what the body finds there",
                left_out.join(", ")
            ));
        }
        draft.notes = notes;
        Ok(draft)
    }

    /// Who else may create objects in the function's own schema, once this plan is done.
    fn who_else(&self, own: &str, function: &Function, notes: &mut Vec<String>) -> Option<String> {
        let role = self
            .judge
            .role_that_may_create(&self.places, own, function.owner);
        if let Some(role) = role {
            return Some(visible(&role));
        }
        if !self
            .judge
            .everyone_may_create(&self.places, own, function.owner)
        {
            return None;
        }
        let schema = quote_ident(own);
        let is_planned = in_database(self.planning, "GRN-02", self.database).contains_key(&schema);
        if !is_planned {
            return Some("PUBLIC".to_owned());
        }
        notes.push(format!(
            "it needs the change that takes CREATE on schema {schema} from PUBLIC"
        ));
        None
    }

    /// Where sessions of this database look names up when nothing is stored for their role.
    fn default_path(&self) -> Result<Vec<String>, Missing> {
        let context = &self.planning.context;
        let stored = context.facts.role_settings.here()?;
        let of = |database| {
            stored.iter().find(|row| {
                row.role == 0
                    && row.database == database
                    && row.name.eq_ignore_ascii_case("search_path")
            })
        };
        if let Some(row) = of(self.database.oid).or_else(|| of(0)) {
            return Ok(elements(&row.value));
        }
        Ok(elements(
            configured(context, "search_path")?.unwrap_or("\"$user\", public"),
        ))
    }

    /// What is different for callers, as far as it is stored where their names are looked up.
    fn looks_elsewhere(
        &self,
        function: &Function,
        path: &[&str],
        shown: &str,
    ) -> Result<Impact, Missing> {
        let context = &self.planning.context;
        let stored = context.facts.role_settings.here()?;
        let roles: BTreeSet<String> = stored
            .iter()
            .filter(|row| row.name.eq_ignore_ascii_case("search_path") && row.role != 0)
            .filter(|row| row.database == 0 || row.database == self.database.oid)
            .filter(|row| {
                elements(&row.value)
                    .iter()
                    .any(|element| element != "$user" && !path.contains(&element.as_str()))
            })
            .map(|row| context.role_name(row.role))
            .collect();
        let name = function.sql_name();
        let others = match roles.len() {
            0 => "no role has another one stored".to_owned(),
            count => {
                let few: Vec<&str> = roles.iter().take(3).map(String::as_str).collect();
                format!(
                    "{count} roles have a search_path stored that leads elsewhere ({})",
                    few.join(", ")
                )
            }
        };
        Ok(Impact {
            kind: ImpactKind::Unknown,
            detail: format!(
                "{name} finds unqualified names in {shown} instead of its caller's search_path; {others}, and what sessions set themselves is not known"
            ),
            subject: name,
            observations: vec![stored.from.clone()],
        })
    }

    /// FUN-02: `pg_temp` last, no schema that does not exist, and none in which everyone may create objects. What a role may create is
    /// left to a person.
    fn repair(
        &self,
        function: &Function,
        problems: &[Problem<'_>],
        closed: &mut BTreeMap<String, Vec<Closes>>,
    ) -> Vec<Draft> {
        let Some(before) = own_path(function) else {
            return Vec::new();
        };
        let name = function.sql_name();
        let kind = function.sql_kind();
        let title = format!("repair the search_path of {}", visible(&name));
        let temporary: Vec<Closes> = problems
            .iter()
            .filter(|problem| problem.finding.cause == TEMPORARY_FIRST)
            .map(Problem::closes)
            .collect();
        let schemas: Vec<Closes> = problems
            .iter()
            .filter(|problem| problem.finding.cause != TEMPORARY_FIRST)
            .map(Problem::closes)
            .collect();
        let mut drafts = Vec::new();
        let mut path: Vec<&str> = before.iter().map(String::as_str).collect();
        let mut claims = Vec::new();
        if !schemas.is_empty() {
            let owner = function.owner;
            let exists = |element: &str| {
                let name = self.judge.schema_name(element, owner);
                matches!(element, "pg_temp" | "pg_catalog")
                    || name.is_some_and(|name| self.places.has(name))
            };
            let role = before
                .iter()
                .filter(|element| exists(element) && *element != "pg_temp")
                .find_map(|element| {
                    let who = self
                        .judge
                        .role_that_may_create(&self.places, element, owner)?;
                    Some((who, self.judge.schema_name(element, owner)?))
                });
            if let Some((who, schema)) = role {
                let what = format!(
                    "{} may create objects in schema {}, on the search_path of {}: take that away, or qualify the names in the body and take the schema off the path",
                    visible(&who),
                    visible(&quote_ident(schema)),
                    visible(&name)
                );
                drafts.push(Draft::by_hand(title.clone(), Stage::Code, what, schemas));
            } else {
                // What is not there is found in no body: taking it off the path changes nothing.
                path.retain(|element| exists(element));
                for element in path.iter().filter(|element| **element != "pg_temp") {
                    if self.judge.everyone_may_create(&self.places, element, owner)
                        && let Some(schema) = self.judge.schema_name(element, owner)
                    {
                        closed
                            .entry(schema.to_owned())
                            .or_default()
                            .extend(schemas.iter().cloned());
                    }
                }
                if path.len() != before.len() {
                    claims.extend(schemas);
                }
            }
        }
        if !temporary.is_empty() {
            path.retain(|element| *element != "pg_temp");
            path.push("pg_temp");
            claims.extend(temporary);
        }
        if !claims.is_empty() {
            let before: Vec<&str> = before.iter().map(String::as_str).collect();
            let moved = path.last() != before.last();
            let mut draft = Draft::sql(
                title,
                Stage::Code,
                Some(&self.database.name),
                vec![format!(
                    "ALTER {kind} {name} SET search_path = {};",
                    shown(&path)
                )],
                vec![format!(
                    "ALTER {kind} {name} SET search_path = {};",
                    shown(&before)
                )],
            )
            .approval()
            .closing(claims);
            if moved {
                draft = draft.note(
                    "where a temporary table has the name of one in the schemas, the function now finds the schema's",
                );
            }
            drafts.push(draft);
        }
        drafts
    }

    /// Schemas in which everyone may create objects: the very change that GRN-02 asks for.
    fn close(&self, closed: &BTreeMap<String, Vec<Closes>>) -> Result<Vec<Draft>, Missing> {
        if closed.is_empty() {
            return Ok(Vec::new());
        }
        let place = Place::inside(self.planning, self.database)?;
        let schemas = self.database.schemas.here()?;
        let proposals = schemas
            .iter()
            .filter_map(|schema| {
                let closes = closed.get(&schema.name)?.clone();
                let name = quote_ident(&schema.name);
                Some(create_proposal(&place, self.database, schema.oid, &name).closing(closes))
            })
            .collect();
        Ok(drafts(self.planning, &place, proposals))
    }
}

/// A path as `SET` takes it.
fn shown(path: &[&str]) -> String {
    if path.is_empty() {
        return "''".to_owned();
    }
    let elements: Vec<String> = path.iter().map(|element| quote_ident(element)).collect();
    elements.join(", ")
}
