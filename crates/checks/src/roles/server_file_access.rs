//! Login roles that run programs or touch files on the server.

use super::reach;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::RoleGraph;
use pgattest_model::facts::Role;
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};

/// The predefined roles that lead out of the database, with what they allow. Names that begin with `pg_` are the server's own.
pub const WAYS_OUT: [(&str, &str); 3] = [
    ("pg_execute_server_program", "run programs on the server"),
    ("pg_write_server_files", "write files on the server"),
    ("pg_read_server_files", "read files on the server"),
];

declare_check! {
    /// ## What it checks
    /// No login role that is not a superuser reaches `pg_execute_server_program`, `pg_write_server_files` or
    /// `pg_read_server_files`, by inheritance or with `SET ROLE`, at any depth, unless the login role is on an approved list
    /// (`access.server_files`, or `access.superusers`, in `pgattest.toml`). The path is printed.
    ///
    /// ## Why it matters
    /// These roles act on the server's files and programs as the operating-system account that owns the data directory.
    /// Running a program or writing a file there is as good as being superuser: `pg_hba.conf` can be rewritten. Reading files
    /// there reads the tables of every tenant from under every privilege and policy.
    ///
    /// ## How to fix it
    /// Load and unload data through the client (`COPY .. FROM STDIN`, `\copy` in psql), which needs no such role, and revoke the
    /// membership: `REVOKE pg_read_server_files FROM loader;`.
    ///
    /// A role with ADMIN OPTION on one of the three, and before PostgreSQL 16 any role with CREATEROLE, can grant it to itself:
    /// ROL-04, ROL-05 and ROL-10 judge that. Functions, languages and foreign-data wrappers that lead out of the database are
    /// judged with the grants on them. `pgattest access --to-superuser` shows every way that is known, of every login role.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 22.5, Predefined Roles (numbers of version 15)
    pub ServerFileAccess {
        id: "ROL-03",
        name: "server-file-access",
        title: "No unapproved login role runs programs or touches files on the server",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_3, Criterion::Cc6_8],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for ServerFileAccess {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let graph = context.role_graph()?;
        let observations = reach::observations(context)?;
        let logins = reach::ordinary_logins(graph);
        let not_seen = reach::not_seen(graph);
        if logins.is_empty() && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "every login role is a superuser".to_owned(),
            ));
        }
        let findings = logins
            .iter()
            .filter(|login| !is_approved(context, login))
            .flat_map(|login| {
                WAYS_OUT
                    .iter()
                    .filter_map(|way| finding(context, graph, login, *way, &observations))
            })
            .collect();
        let population = Population {
            count: logins.len(),
            of: "login roles that are not superusers",
        };
        Ok(Verdict::Assessed {
            population,
            findings,
            not_seen,
        })
    }
}

fn is_approved(context: &Context<'_>, login: &Role) -> bool {
    let access = &context.policy.access;
    [&access.server_files, &access.superusers]
        .into_iter()
        .flatten()
        .any(|approved| approved.contains(&login.name))
}

fn finding(
    context: &Context<'_>,
    graph: &RoleGraph,
    login: &Role,
    (predefined, allows): (&str, &str),
    observations: &[ObservationId],
) -> Option<Finding> {
    let path = graph.path(login.oid, graph.named(predefined)?.oid)?;
    let name = quote_ident(&login.name);
    Some(Finding {
        cause: format!("login role can {allows} without approval"),
        detail: format!("role {name} can {allows}: {path}"),
        severity: Severity::High,
        observations: observations.to_vec(),
        remediation: reach::revoke_last(context, graph, &path),
        subject: Subject::cluster(SubjectKind::Role, name),
    })
}
