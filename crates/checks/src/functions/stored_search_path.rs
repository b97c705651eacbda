//! Search paths of roles and databases on which others may put something.

use super::configured::configured;
use super::places::Places;
use crate::check::{Check, declare_check};
use crate::context::Context;
use crate::grants::holders::{Holders, Standing};
use crate::grants::search_path::elements;
use pgattest_model::facts::{Database, Oid, PUBLIC, Role, RoleSetting};
use pgattest_model::ident::{quote_ident, quote_literal};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

declare_check! {
    /// ## What it checks
    /// Every `search_path` that is stored for a role, a database, or all of them, and the one of the configuration files: in each database where it
    /// holds, nobody else may create objects in the schemas it names. Somebody else is PUBLIC, and every role that a login role can use, but
    ///
    /// - not the schema's owner, and not one in `access.schema_owners` (`pgattest.toml`), unless the path is a superuser's or the schema stands before
    ///   `pg_catalog`. Where nobody declared them, a role that a login role has to `SET ROLE` to counts as one of them;
    /// - not the role itself that the path is for, nor one that can act as it;
    /// - not superusers.
    ///
    /// A schema that does not exist counts as open to whoever may create it. PUBLIC, a superuser's path and a schema before `pg_catalog` are high, others
    /// medium; a path of a role that cannot log in is low, as it has no effect, not even after `SET ROLE`. The built-in default
    /// (`"$user", public`) is not judged here: GRN-02 says whether everyone may create in `public`.
    ///
    /// ## Why it matters
    /// Whoever may create a table or function in a schema that is searched before the intended one decides what the name means in all those
    /// sessions. A schema before `pg_catalog` replaces even the built-in functions and operators. The setting is applied at login, and nothing in the session's
    /// code shows it.
    ///
    /// ## How to fix it
    /// `REVOKE CREATE ON SCHEMA scratch FROM PUBLIC;`, or take the schema off the path: `ALTER ROLE app SET search_path = shop, pg_temp;`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.9.3, The Schema Search Path; chapter 5.9.6, Usage Patterns (numbers of version 15)
    /// - CVE-2018-1058
    pub StoredSearchPath {
        id: "FUN-07",
        name: "stored-search-path",
        title: "No stored search_path names a schema in which others may create objects",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_8],
        area: Area::CodeTrust,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for StoredSearchPath {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let paths = Paths::read(context)?;
        if paths.all.is_empty() && paths.not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no search_path is stored for a role, a database or in the configuration"
                    .to_owned(),
            ));
        }
        let declared = &context.policy.access.schema_owners;
        let judge = Judge {
            context,
            strict: Holders::new(context, &[])?,
            lenient: Holders::new(context, &[declared])?,
            is_declared: declared.is_some(),
        };
        let mut not_seen = judge.strict.not_seen.clone();
        not_seen.extend(paths.not_seen.iter().cloned());
        let mut places: BTreeMap<Oid, (&str, Places<'_>)> = BTreeMap::new();
        for database in &context.facts.inside {
            match Places::new(context, database) {
                Ok(read) => {
                    places.insert(database.oid, (&database.name, read));
                }
                Err(missing) => {
                    // A path of another database says nothing about this one.
                    if paths.all.iter().any(|path| path.holds_in(database.oid)) {
                        not_seen.push(missing);
                    }
                }
            }
        }
        let findings = paths
            .all
            .iter()
            .filter_map(|path| judge.finding(path, &places, &paths.observations))
            .collect();
        Ok(Verdict::Assessed {
            population: Population {
                count: paths.all.len(),
                of: "stored search paths",
            },
            findings,
            not_seen,
        })
    }
}

/// The stored paths, and where they were read.
struct Paths<'a> {
    all: Vec<StoredPath<'a>>,
    /// Why the configuration's is not known.
    not_seen: Vec<Missing>,
    observations: Vec<ObservationId>,
}

/// One stored path.
struct StoredPath<'a> {
    /// 0: everywhere.
    database: Oid,
    /// The role, `None` for all.
    role: Option<&'a Role>,
    value: &'a str,
    elements: Vec<String>,
    /// `ALTER ROLE app`, `postgresql.conf`.
    origin: String,
    /// How it is taken away.
    reset: String,
}

impl StoredPath<'_> {
    const fn holds_in(&self, database: Oid) -> bool {
        self.database == 0 || self.database == database
    }
}

impl<'a> Paths<'a> {
    fn read(context: &Context<'a>) -> Result<Self, Missing> {
        let stored = context.facts.role_settings.here()?;
        let settings = context.facts.settings.here()?;
        let roles = context.facts.roles.here()?;
        let databases: &[Database] = context.facts.databases.here()?.value;
        let mut all: Vec<StoredPath<'a>> = Vec::new();
        let mut not_seen = Vec::new();
        match configured(context, "search_path") {
            Ok(None) => {}
            Ok(Some(value)) => all.push(StoredPath {
                database: 0,
                role: None,
                value,
                elements: elements(value),
                origin: "the configuration".to_owned(),
                reset: "Set search_path in the configuration to schemas in which nobody else may create objects".to_owned(),
            }),
            Err(missing) => not_seen.push(missing),
        }
        for row in stored
            .value
            .iter()
            .filter(|row| row.name.eq_ignore_ascii_case("search_path"))
        {
            let statement = RoleSetting::statement(row, roles.value, databases);
            all.push(StoredPath {
                database: row.database,
                role: roles.value.iter().find(|role| role.oid == row.role),
                value: &row.value,
                elements: elements(&row.value),
                reset: format!("{statement} RESET search_path;"),
                origin: statement,
            });
        }
        Ok(Self {
            all,
            not_seen,
            observations: vec![
                stored.from.clone(),
                settings.from.clone(),
                roles.from.clone(),
            ],
        })
    }
}

struct Judge<'a, 'c> {
    context: &'a Context<'c>,
    /// Only superusers are trusted.
    strict: Holders<'a>,
    /// Those that run migrations are too.
    lenient: Holders<'a>,
    is_declared: bool,
}

/// What is wrong with one schema of one path in one database.
struct Problem {
    words: String,
    severity: Severity,
}

impl Judge<'_, '_> {
    fn finding(
        &self,
        path: &StoredPath<'_>,
        places: &BTreeMap<Oid, (&str, Places<'_>)>,
        from: &[ObservationId],
    ) -> Option<Finding> {
        let mut observations = from.to_vec();
        observations.extend(self.strict.observations.iter().cloned());
        let mut problems: Vec<Problem> = Vec::new();
        for (_, (name, places)) in places.iter().filter(|(oid, _)| path.holds_in(**oid)) {
            let found = self.in_database(path, places);
            if !found.is_empty() {
                observations.extend(places.observations.iter().cloned());
            }
            problems.extend(found.into_iter().map(|problem| Problem {
                words: format!("{} in database {}", problem.words, quote_ident(name)),
                ..problem
            }));
        }
        let worst = problems.iter().map(|problem| problem.severity).max()?;
        let is_idle = path.role.is_some_and(|role| !role.can_login);
        let (severity, cause, unused) = match worst {
            _ if is_idle => (
                Severity::Low,
                "others may create objects on the search_path of a role that cannot log in",
                ", although the role cannot log in",
            ),
            Severity::High | Severity::Critical => (
                Severity::High,
                "others may create objects on a stored search_path that everyone, a superuser or built-in names depend on",
                "",
            ),
            severity => (
                severity,
                "others may create objects on a stored search_path",
                "",
            ),
        };
        problems.sort_by(|a, b| {
            b.severity
                .cmp(&a.severity)
                .then_with(|| a.words.cmp(&b.words))
        });
        let first = problems.first()?;
        let more = match problems.len() {
            1 => String::new(),
            count => format!(", and {} more", count - 1),
        };
        observations.sort();
        observations.dedup();
        Some(Finding {
            cause: cause.to_owned(),
            detail: format!(
                "{} SET search_path = {}: {}{more}{unused}",
                path.origin,
                quote_literal(path.value),
                first.words
            ),
            severity,
            observations,
            remediation: path.reset.clone(),
            subject: Subject::cluster(
                SubjectKind::Setting,
                format!("{} SET search_path", path.origin),
            ),
        })
    }

    fn in_database(&self, path: &StoredPath<'_>, places: &Places<'_>) -> Vec<Problem> {
        let catalog_at = path.elements.iter().position(|name| name == "pg_catalog");
        let of_superuser = path.role.is_some_and(|role| role.superuser);
        let mut problems = Vec::new();
        for (at, element) in path.elements.iter().enumerate() {
            let name = match (element.as_str(), path.role) {
                ("pg_catalog" | "pg_temp", _) | ("$user", None) => continue,
                ("$user", Some(role)) => role.name.as_str(),
                (name, _) => name,
            };
            let is_ahead = catalog_at.is_some_and(|catalog| at < catalog);
            let asked = Asked {
                path,
                trusts_owner: !of_superuser && !is_ahead,
                database_owner: places.database_owner,
            };
            let shown = quote_ident(name);
            let (creators, owner, words) = match places.schema(name) {
                Some(place) => (
                    &place.creators,
                    place.owner,
                    format!("may create objects in schema {shown}"),
                ),
                None => (
                    &places.make_schemas,
                    places.database_owner,
                    format!("may create the missing schema {shown}"),
                ),
            };
            let Some((who, is_everyone)) = self.other(&asked, creators, owner) else {
                continue;
            };
            let before = if is_ahead {
                ", which is searched before pg_catalog,"
            } else {
                ""
            };
            let severity = if is_everyone || of_superuser || is_ahead {
                Severity::High
            } else {
                Severity::Medium
            };
            problems.push(Problem {
                words: format!("{who} {words}{before}"),
                severity,
            });
        }
        problems
    }

    /// The first of the creators who is somebody else than those the path may rely on, and whether it is everyone.
    fn other(
        &self,
        asked: &Asked<'_, '_>,
        creators: &BTreeSet<Oid>,
        owner: Oid,
    ) -> Option<(String, bool)> {
        if creators.contains(&PUBLIC) {
            return Some(("PUBLIC".to_owned(), true));
        }
        let holders = if asked.trusts_owner {
            &self.lenient
        } else {
            &self.strict
        };
        creators.iter().find_map(|&creator| {
            if asked.trusts_owner && creator == owner {
                return None;
            }
            let users = holders.within(creator, asked.database_owner);
            let runs_migrations =
                asked.trusts_owner && !self.is_declared && users.at_once.is_empty();
            if users.standing != Standing::Used || runs_migrations {
                return None;
            }
            let is_its_own = asked.path.role.is_some_and(|role| {
                let can_anyway = |login: &Oid| holders.acts_as(*login, role.oid);
                !users.logins.is_empty() && users.logins.iter().all(can_anyway)
            });
            (!is_its_own).then(|| (format!("role {}", self.context.role_name(creator)), false))
        })
    }
}

/// For whom it is asked who may create.
struct Asked<'a, 'b> {
    path: &'a StoredPath<'b>,
    trusts_owner: bool,
    database_owner: Oid,
}
