//! Extensions that nobody approved.

use super::known_extensions::{Known, known};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::Extension;
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};

declare_check! {
    /// ## What it checks
    /// Every extension in every database is one that `extensions.approved` in `pgattest.toml` names; `plpgsql`, which comes with every
    /// database, and `pgaudit` are approved always. Without that list, the extensions that come with PostgreSQL and stay inside the
    /// database are taken as approved, and those that reach outside are found and named with what they open: other servers
    /// (`dblink`, `postgres_fdw`), files (`file_fdw`, `adminpack`), code that runs as the server's account (`plpython3u`, `plperlu`),
    /// web requests (`http`, `pg_net`), raw pages (`pageinspect`), schedules (`pg_cron`). Of other extensions nobody said whether they
    /// are wanted: the verdict names them, and is not assessed.
    ///
    /// ## Why it matters
    /// An extension's code runs inside the server. One that opens connections or files turns a stolen login into a way out, past
    /// the firewall that stands before the database and not behind it.
    ///
    /// ## How to fix it
    /// `DROP EXTENSION dblink;` where it is not used. Where it is, name it in `extensions.approved`, and `REVOKE USAGE` on its wrapper or
    /// `EXECUTE` on its functions from those who do not need it.
    ///
    /// ## References
    /// - PostgreSQL documentation, appendix F, Additional Supplied Modules; CREATE EXTENSION (numbers of version 15)
    pub ApprovedExtensions {
        id: "EGR-01",
        name: "approved-extensions",
        title: "Every extension is approved",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_8, Criterion::Cc6_6],
        area: Area::CodeTrust,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

/// What every audited database has.
const ALWAYS: [&str; 2] = ["plpgsql", "pgaudit"];

impl Check for ApprovedExtensions {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let (databases, mut not_seen) = context.in_databases(|db| &db.extensions)?;
        let mut findings = Vec::new();
        let mut count = 0;
        for here in databases {
            count += here.rows.len();
            for extension in here.rows.iter() {
                match judge(context, extension) {
                    Judgement::Approved => {}
                    Judgement::NotApproved(opens, severity) => findings.push(finding(
                        &here.database.name,
                        extension,
                        opens,
                        severity,
                        here.rows.from,
                    )),
                    Judgement::NobodySaid => not_seen.push(
                        Missing::because(format!(
                            "whether extension {} of database `{}` is wanted is not known; declare extensions.approved",
                            quote_ident(&extension.name),
                            here.database.name
                        ))
                        .seen_in(here.rows.from.clone()),
                    ),
                }
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no database has an extension".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "extensions in databases",
            },
            findings,
            not_seen,
        })
    }
}

enum Judgement {
    Approved,
    /// With what it opens, where that is known.
    NotApproved(Option<&'static str>, Severity),
    NobodySaid,
}

fn judge(context: &Context<'_>, extension: &Extension) -> Judgement {
    let name = extension.name.as_str();
    let approved = &context.policy.extensions.approved;
    match (approved, known(name)) {
        _ if ALWAYS.contains(&name) => Judgement::Approved,
        (Some(approved), _) if approved.contains(name) => Judgement::Approved,
        (_, Known::Opens(opens, severity)) => Judgement::NotApproved(Some(opens), severity),
        (Some(_), Known::Harmless) => Judgement::NotApproved(None, Severity::Low),
        (Some(_), Known::Unknown) => Judgement::NotApproved(None, Severity::Medium),
        (None, Known::Harmless) => Judgement::Approved,
        (None, Known::Unknown) => Judgement::NobodySaid,
    }
}

fn finding(
    database: &str,
    extension: &Extension,
    opens: Option<&str>,
    severity: Severity,
    from: &ObservationId,
) -> Finding {
    let name = quote_ident(&extension.name);
    let (cause, what) = match opens {
        Some(opens) => (
            "an extension that reaches outside is not approved",
            format!(" and opens {opens}"),
        ),
        None => ("an extension is not approved", String::new()),
    };
    Finding {
        subject: Subject::in_database(SubjectKind::Database, database, name.clone()),
        cause: cause.to_owned(),
        detail: format!("extension {name} is not approved{what}"),
        severity,
        observations: vec![from.clone()],
        remediation: format!("DROP EXTENSION {name}; -- or name it in extensions.approved"),
    }
}
