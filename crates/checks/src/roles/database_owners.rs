//! Databases that a login role owns.

use super::listing::counted;
use super::owners::{Acting, How, Owners};
use super::reach;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::Database;
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};

declare_check! {
    /// ## What it checks
    /// No database is owned by a login role, or by a role that a login role inherits, unless the login role is on an approved list
    /// (`access.schema_owners`, or `access.superusers`, in `pgattest.toml`). Superusers may own: ROL-01 and ROL-02 are about them.
    /// A login role that has to type `SET ROLE` to act as the owner is held to be the one that runs migrations, until
    /// `access.schema_owners` says who that is: then it counts as well.
    ///
    /// ## Why it matters
    /// The owner drops the database, renames it, makes schemas in it, grants on it, and sets defaults for everyone's sessions there
    /// (`ALTER DATABASE .. SET`). From PostgreSQL 14 it is, without any grant that a review would show, the only member of
    /// `pg_database_owner`; from 15 that role owns the schema `public`, so the owner drops any table in it, whoever made it.
    /// Frameworks make the database as the application's role, and so it stays.
    ///
    /// ## How to fix it
    /// `ALTER DATABASE shop OWNER TO shop_owner;`, where `shop_owner` is a role without `LOGIN`. Grant the application what it
    /// uses. The role that runs migrations becomes the owner with `SET ROLE`, or belongs on the approved list.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 23.1, Overview (of managing databases), and 22.5, Predefined Roles (numbers of version
    ///   15); SQL command ALTER DATABASE
    pub DatabaseOwners {
        id: "ROL-14",
        name: "database-owners",
        title: "No database is owned by an application's login role",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_3],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl DatabaseOwners {
    /// The cause of a finding on a database whose owner is a login role itself, not one that a login role is a member of.
    pub const ITSELF: &'static str = "a login role owns a database";
}

impl Check for DatabaseOwners {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let databases = context.facts.databases.here()?;
        let graph = context.role_graph()?;
        let owners = Owners::new(context)?;
        let mut observations = vec![databases.from.clone()];
        observations.extend(reach::observations(context)?);
        let mut not_seen = reach::not_seen(graph);
        let unknown = databases
            .iter()
            .filter(|database| graph.role(database.owner).is_none());
        not_seen.extend(unknown.map(|database| {
            Missing::because(format!(
                "the owner of database {} is not among the roles read (oid {})",
                quote_ident(&database.name),
                database.owner
            ))
        }));
        let findings = databases
            .iter()
            .filter_map(|database| finding(context, &owners, database, &observations))
            .collect();
        Ok(Verdict::Assessed {
            population: Population {
                count: databases.len(),
                of: "databases",
            },
            findings,
            not_seen,
        })
    }
}

fn finding(
    context: &Context<'_>,
    owners: &Owners<'_, '_>,
    database: &Database,
    observations: &[ObservationId],
) -> Option<Finding> {
    let acting = owners.acting(database.owner);
    let Acting { login, how } = acting.first()?;
    let (name, owner) = (
        quote_ident(&database.name),
        context.role_name(database.owner),
    );
    let login = quote_ident(&login.name);
    let more = match acting.len() {
        1 => String::new(),
        many => format!(" (and {})", counted(many - 1, "more login role")),
    };
    let (cause, what) = match how {
        How::Itself => (
            DatabaseOwners::ITSELF,
            format!("is owned by login role {owner}"),
        ),
        How::Inherits(path) => (
            "a login role inherits the owner of a database",
            format!("has the owner {owner}, whose rights login role {login} inherits: {path}"),
        ),
        How::Becomes(path) => (
            "a login role that is not declared becomes the owner of a database",
            format!("has the owner {owner}, which login role {login} becomes: {path}"),
        ),
    };
    let remediation = match how {
        How::Itself => format!(
            "ALTER DATABASE {name} OWNER TO a role without LOGIN, once {owner} has been granted what it uses there"
        ),
        How::Inherits(path) | How::Becomes(path) => {
            let graph = context.role_graph().ok()?;
            reach::revoke_last(context, graph, path)
        }
    };
    Some(Finding {
        cause: cause.to_owned(),
        detail: format!("database {name} {what}{more}"),
        severity: Severity::Medium,
        observations: observations.to_vec(),
        remediation,
        subject: Subject::cluster(SubjectKind::Database, name),
    })
}
