//! SECURITY DEFINER functions that look names up where others may put something.

use super::callers::{Callers, Who};
use super::places::Places;
use crate::check::{Check, declare_check};
use crate::context::{Context, InDatabase};
use crate::grants::holders::{Holders, Standing};
use crate::grants::search_path::elements;
use pgattest_model::facts::{Function, Oid, PUBLIC, Role};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::{BTreeSet, HashMap};

/// The cause of the findings that `pg_temp` in the last place closes.
pub const TEMPORARY_FIRST: &str = "a SECURITY DEFINER function finds temporary tables first";

declare_check! {
    /// ## What it checks
    /// Every SECURITY DEFINER function outside extensions that sets its own `search_path` (FUN-01 judges those that do not):
    ///
    /// - Nobody else may create objects in the schemas that the path names: not PUBLIC, and no role that some login role can use which cannot act
    ///   as the function's owner anyway. A schema that does not exist counts as open to whoever may create it; `"$user"` is the schema named like the
    ///   function's owner. High for PUBLIC and for an owner that is a superuser or has BYPASSRLS, medium otherwise. For other owners,
    ///   the roles in `access.schema_owners` (`pgattest.toml`) do not count, and where nobody declared them, neither do roles that a login role has
    ///   to `SET ROLE` to.
    /// - `pg_temp` stands last, where others may create temporary tables. Where it is not named it is searched first, before `pg_catalog`, for
    ///   tables and types (never for functions and operators). Medium for an owner that is a superuser or has BYPASSRLS, low otherwise. A
    ///   path that is empty or names `pg_catalog` only says that the body qualifies its names, and is not found.
    ///
    /// All are low where only the owner can run the function.
    ///
    /// ## Why it matters
    /// A fixed path helps only as far as the schemas on it can be relied on. Whoever may create there puts a function with a better match of
    /// arguments, or an operator, next to the one that is meant; it then runs as the owner. With a temporary table of the right name, the function
    /// reads its permissions from the caller.
    ///
    /// ## How to fix it
    /// `REVOKE CREATE ON SCHEMA public FROM PUBLIC;`, or `ALTER FUNCTION shop.total(integer) SET search_path = shop, pg_temp;` with schemas that only
    /// the owner may create in. Or `SET search_path = ''` and qualify every name in the body.
    ///
    /// ## References
    /// - PostgreSQL documentation, reference page CREATE FUNCTION: Writing SECURITY DEFINER Functions Safely
    /// - PostgreSQL documentation, chapter 20.11.1, Statement Behavior: `search_path` (numbers of version 15)
    /// - CVE-2007-2138, CVE-2018-1058
    pub DefinerPathSchemas {
        id: "FUN-02",
        name: "definer-path-schemas",
        title: "SECURITY DEFINER functions look names up only where others may create nothing",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_8],
        area: Area::CodeTrust,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for DefinerPathSchemas {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let roles = context.facts.roles.here()?;
        let judge = PathJudge::new(context)?;
        let (databases, mut not_seen) = context.in_databases(|database| &database.functions)?;
        not_seen.extend(judge.strict.not_seen.iter().cloned());
        let mut findings = Vec::new();
        let mut count = 0;
        for database in &databases {
            let definers: Vec<(&Function, Vec<String>)> = database
                .rows
                .iter()
                .filter(|function| function.security_definer && function.extension == 0)
                .filter_map(|function| Some((function, own_path(function)?)))
                .collect();
            count += definers.len();
            if definers.is_empty() {
                continue;
            }
            match Places::new(context, database.database) {
                Ok(places) => {
                    let functions: Vec<&Function> =
                        definers.iter().map(|(function, _)| *function).collect();
                    let callers = Callers::new(database, &functions, &judge.roles);
                    let here = Here {
                        judge: &judge,
                        database,
                        places,
                        callers,
                        roles_from: roles.from,
                    };
                    findings.extend(here.findings(&definers));
                }
                Err(missing) => not_seen.push(missing),
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no function outside extensions is SECURITY DEFINER and sets a search_path"
                    .to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "SECURITY DEFINER functions that set a search_path",
            },
            findings,
            not_seen,
        })
    }
}

/// The path that the function sets, as the server splits it.
pub fn own_path(function: &Function) -> Option<Vec<String>> {
    function
        .settings
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("search_path"))
        .map(|(_, value)| elements(value))
}

/// Whether a temporary table comes before what the path names, where that can make a difference.
fn temporary_first(path: &[String]) -> bool {
    let names_something = path
        .iter()
        .any(|name| name != "pg_catalog" && name != "pg_temp");
    names_something && path.last().map(String::as_str) != Some("pg_temp")
}

/// Who may create objects where a function looks names up.
pub struct PathJudge<'a> {
    roles: HashMap<Oid, &'a Role>,
    /// Only superusers are trusted.
    strict: Holders<'a>,
    /// Those that run migrations are too.
    lenient: Holders<'a>,
    is_declared: bool,
}

impl<'a> PathJudge<'a> {
    /// From roles, memberships and the policy.
    pub fn new(context: &'a Context<'_>) -> Result<Self, Missing> {
        let roles = context.facts.roles.here()?;
        let declared = &context.policy.access.schema_owners;
        Ok(Self {
            roles: roles.value.iter().map(|role| (role.oid, role)).collect(),
            strict: Holders::new(context, &[])?,
            lenient: Holders::new(context, &[declared])?,
            is_declared: declared.is_some(),
        })
    }

    /// The schema that an element of the path of an owner's function stands for: `"$user"` is the schema named like the owner.
    pub fn schema_name<'n>(&'n self, element: &'n str, owner: Oid) -> Option<&'n str> {
        match element {
            "$user" => self.roles.get(&owner).map(|role| role.name.as_str()),
            name => Some(name),
        }
    }

    /// Who besides PUBLIC may put something where this element of the path of an owner's function is looked up: for the middle of a
    /// sentence; `None` for nobody.
    pub fn role_that_may_create(
        &self,
        places: &Places<'_>,
        element: &str,
        owner: Oid,
    ) -> Option<String> {
        let name = self.schema_name(element, owner)?;
        let creators = places
            .schema(name)
            .map_or(&places.make_schemas, |place| &place.creators);
        let roles = creators.iter().copied().filter(|oid| *oid != PUBLIC);
        let (who, _) = self.others(&roles.collect(), owner, places.database_owner)?;
        Some(who)
    }

    /// Whether PUBLIC may put something there.
    pub fn everyone_may_create(&self, places: &Places<'_>, element: &str, owner: Oid) -> bool {
        self.schema_name(element, owner).is_some_and(|name| {
            places
                .schema(name)
                .map_or(&places.make_schemas, |place| &place.creators)
                .contains(&PUBLIC)
        })
    }

    fn is_privileged(&self, owner: Oid) -> bool {
        // An owner that is not among the roles may be anybody.
        self.roles
            .get(&owner)
            .is_none_or(|role| role.superuser || role.bypass_rls)
    }

    /// Who, of these, is somebody else than the owner: for the middle of a sentence, and whether it is everyone.
    fn others(
        &self,
        creators: &BTreeSet<Oid>,
        owner: Oid,
        database_owner: Oid,
    ) -> Option<(String, bool)> {
        if creators.contains(&PUBLIC) {
            return Some(("PUBLIC".to_owned(), true));
        }
        let is_privileged = self.is_privileged(owner);
        let holders = if is_privileged {
            &self.strict
        } else {
            &self.lenient
        };
        creators.iter().find_map(|&creator| {
            if creator == owner || self.strict.trusts(creator) {
                return None;
            }
            let users = holders.within(creator, database_owner);
            let runs_migrations = !is_privileged && !self.is_declared && users.at_once.is_empty();
            if users.standing != Standing::Used || runs_migrations {
                return None;
            }
            let can_anyway = |login: &Oid| self.strict.acts_as(*login, owner);
            if !users.logins.is_empty() && users.logins.iter().all(can_anyway) {
                return None;
            }
            let name = self.roles.get(&creator).map_or_else(
                || format!("role {creator}"),
                |role| format!("role {}", quote_ident(&role.name)),
            );
            Some((name, false))
        })
    }
}

/// One database.
struct Here<'a, 'b> {
    judge: &'a PathJudge<'a>,
    database: &'a InDatabase<'b, Vec<Function>>,
    places: Places<'b>,
    callers: Callers<'a>,
    roles_from: &'a ObservationId,
}

impl Here<'_, '_> {
    fn findings(&self, definers: &[(&Function, Vec<String>)]) -> Vec<Finding> {
        // Functions of one owner with one path are many, answers few.
        let mut known: HashMap<(String, Oid), Option<(String, bool)>> = HashMap::new();
        let mut findings = Vec::new();
        for (function, path) in definers {
            let owner = function.owner;
            let open: Vec<(String, bool)> = path
                .iter()
                .filter(|name| *name != "pg_temp")
                .filter_map(|name| {
                    known
                        .entry((name.clone(), owner))
                        .or_insert_with(|| self.open(name, owner))
                        .clone()
                })
                .collect();
            if let Some((_, is_everyone)) = open.iter().max_by_key(|(_, everyone)| *everyone) {
                let words: Vec<&str> = open.iter().map(|(words, _)| words.as_str()).collect();
                findings.push(self.schema_finding(function, &words.join("; "), *is_everyone));
            }
            if temporary_first(path) {
                let temporary = &self.places.make_temporary;
                let database_owner = self.places.database_owner;
                if let Some((who, _)) = self.judge.others(temporary, owner, database_owner) {
                    findings.push(self.temporary_finding(function, path, &who));
                }
            }
        }
        findings
    }

    /// What is wrong with one element of the path of an owner's function, and whether everyone can use it.
    fn open(&self, element: &str, owner: Oid) -> Option<(String, bool)> {
        let name = self.judge.schema_name(element, owner)?;
        let database_owner = self.places.database_owner;
        let shown = quote_ident(name);
        if let Some(place) = self.places.schema(name) {
            let (who, everyone) = self.judge.others(&place.creators, owner, database_owner)?;
            return Some((
                format!("{who} may create objects in schema {shown}"),
                everyone,
            ));
        }
        let makers = &self.places.make_schemas;
        let (who, everyone) = self.judge.others(makers, owner, database_owner)?;
        Some((
            format!("schema {shown} does not exist and {who} may create it"),
            everyone,
        ))
    }

    fn schema_finding(&self, function: &Function, what: &str, is_everyone: bool) -> Finding {
        let who = self.callers.of(function);
        let (cause, severity) = match (&who, is_everyone, self.judge.is_privileged(function.owner))
        {
            (Who::Nobody, ..) => (
                "others may create objects on a SECURITY DEFINER function's search_path, open to its owner only",
                Severity::Low,
            ),
            (_, true, _) => (
                "everyone may create objects on a SECURITY DEFINER function's search_path",
                Severity::High,
            ),
            (_, false, true) => (
                "others may create objects on the search_path of a privileged owner's SECURITY DEFINER function",
                Severity::High,
            ),
            (_, false, false) => (
                "others may create objects on a SECURITY DEFINER function's search_path",
                Severity::Medium,
            ),
        };
        let name = function.sql_name();
        self.finding(
            function,
            cause,
            severity,
            format!("{name} {}: {what}", self.runs_as(function)),
            format!(
                "Take CREATE on the schema away, or qualify the names in the body and ALTER {} {name} SET search_path = pg_catalog, pg_temp;",
                function.sql_kind()
            ),
        )
    }

    fn temporary_finding(&self, function: &Function, path: &[String], who: &str) -> Finding {
        let severity = match self.callers.of(function) {
            Who::Nobody => Severity::Low,
            _ if self.judge.is_privileged(function.owner) => Severity::Medium,
            _ => Severity::Low,
        };
        let name = function.sql_name();
        let schemas: Vec<String> = path
            .iter()
            .filter(|name| *name != "pg_temp")
            .map(|name| quote_ident(name))
            .chain(["pg_temp".to_owned()])
            .collect();
        self.finding(
            function,
            TEMPORARY_FIRST,
            severity,
            format!(
                "{name} {}: pg_temp is not last on its search_path, and {who} may create temporary tables",
                self.runs_as(function)
            ),
            format!(
                "ALTER {} {name} SET search_path = {};",
                function.sql_kind(),
                schemas.join(", ")
            ),
        )
    }

    fn runs_as(&self, function: &Function) -> String {
        match self.judge.roles.get(&function.owner) {
            Some(role) if role.superuser => {
                format!("runs as {} (superuser)", quote_ident(&role.name))
            }
            Some(role) if role.bypass_rls => {
                format!("runs as {} (BYPASSRLS)", quote_ident(&role.name))
            }
            Some(role) => format!("runs as {}", quote_ident(&role.name)),
            None => format!("runs as role {} (unknown)", function.owner),
        }
    }

    fn finding(
        &self,
        function: &Function,
        cause: &str,
        severity: Severity,
        detail: String,
        remediation: String,
    ) -> Finding {
        let mut observations = vec![self.database.rows.from.clone(), self.roles_from.clone()];
        observations.extend(self.places.observations.iter().cloned());
        observations.extend(self.callers.observations.iter().cloned());
        Finding {
            cause: cause.to_owned(),
            detail,
            severity,
            observations,
            remediation,
            subject: Subject::in_database(
                SubjectKind::Function,
                &self.database.database.name,
                function.sql_name(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::temporary_first;

    #[track_caller]
    fn check(path: &[&str], expected: bool) {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(temporary_first(&path), expected, "{path:?}");
    }

    #[test]
    fn only_a_last_place_keeps_temporary_tables_behind() {
        check(&["shop", "pg_temp"], false);
        check(&["shop"], true);
        check(&["pg_temp", "shop"], true);
    }

    #[test]
    fn a_path_without_schemas_of_its_own_says_that_names_are_qualified() {
        check(&[], false);
        check(&["pg_catalog"], false);
        check(&["pg_temp"], false);
        check(&["pg_temp", "pg_catalog"], false);
    }
}
