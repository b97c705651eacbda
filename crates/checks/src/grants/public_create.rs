//! Schemas in which everyone may create objects.

use super::public::{Given, to_public};
use super::search_path::DefaultPath;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{AclClass, DatabaseFacts, Schema};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};

declare_check! {
    /// ## What it checks
    /// No schema of any database gives CREATE to PUBLIC. USAGE is not judged: on `public` it is the default of PostgreSQL 15
    /// and later, and lets nobody create anything. A schema is worse when names are looked up in it by default: `public`,
    /// `pg_catalog`, and every schema that the configuration or an `ALTER ROLE/DATABASE .. SET search_path` names
    /// (a schema named like a login role, where `"$user"` is on the path).
    ///
    /// ## Why it matters
    /// Whoever creates a function or table where other people's unqualified names are looked up decides what those names mean,
    /// and the code then runs as whoever used the name: an application, or a superuser at maintenance. Elsewhere it is room for
    /// tables that nobody's grants, policies or audit configuration cover.
    ///
    /// ## How to fix it
    /// `REVOKE CREATE ON SCHEMA public FROM PUBLIC;` in each database, `template1` included: new databases are copies of it.
    /// Before PostgreSQL 15 every new cluster needs this (an upgrade with `pg_upgrade` or from a dump keeps the old state).
    /// Grant CREATE to the role that runs migrations. Then look at what was created there already.
    ///
    /// `template0` accepts no connections and cannot be seen; a database made from it starts with the defaults of its version.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.9, Schemas: Usage Patterns (numbers of version 15)
    /// - CVE-2018-1058
    pub PublicCreate {
        id: "GRN-02",
        name: "public-create",
        title: "No schema lets everyone create objects in it",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::Cc6_8],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for PublicCreate {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let (databases, mut not_seen) = context.in_databases(|database| &database.schemas)?;
        let path = DefaultPath::read(context);
        let mut findings = Vec::new();
        let mut count = 0;
        for database in databases {
            let acls = match database.database.acls.here() {
                Ok(acls) => acls,
                Err(missing) => {
                    not_seen.push(missing);
                    continue;
                }
            };
            count += database.rows.len();
            let given = to_public(acls.value, &[AclClass::Schema]);
            let from = [database.rows.from.clone(), acls.from.clone()];
            for schema in database.rows.iter() {
                if let Some(given) = given
                    .get(&schema.oid)
                    .filter(|given| given.privileges.contains("CREATE"))
                {
                    findings.push(finding(
                        context,
                        database.database,
                        schema,
                        given,
                        path.as_ref().ok(),
                        &from,
                    ));
                }
            }
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "schemas",
            },
            findings,
            not_seen,
        })
    }
}

/// `path` is `None` when the search paths could not be read: then every schema may be on one.
fn finding(
    context: &Context<'_>,
    database: &DatabaseFacts,
    schema: &Schema,
    given: &Given<'_>,
    path: Option<&DefaultPath>,
    from: &[ObservationId],
) -> Finding {
    let name = quote_ident(&schema.name);
    let searched = path.is_none_or(|path| path.contains(&schema.name));
    let (cause, why, severity) = if searched {
        (
            "everyone may create objects where names are looked up by default",
            ", which is on a default search path",
            Severity::High,
        )
    } else {
        (
            "everyone may create objects in a schema",
            "",
            Severity::Medium,
        )
    };
    let mut observations = from.to_vec();
    observations.extend(path.iter().flat_map(|path| path.observations.clone()));
    Finding {
        cause: cause.to_owned(),
        detail: format!("PUBLIC may create objects in schema {name}{why}"),
        severity,
        observations,
        remediation: given.revoke(context, "CREATE", &format!("SCHEMA {name}"), schema.owner),
        subject: Subject::in_database(SubjectKind::Schema, &database.name, name),
    }
}
