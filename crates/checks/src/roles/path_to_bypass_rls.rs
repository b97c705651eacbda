//! Login roles that policies bind until they type `SET ROLE`.

use super::approval::{Provider, is_named, is_ordinary};
use super::reach;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::{Path, RoleGraph};
use pgattest_model::facts::Role;
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};

declare_check! {
    /// ## What it checks
    /// No login role that row-level security binds can leave it with `SET ROLE`: no chain of memberships, at any depth, whether the
    /// role inherits or not, leads to a role with `BYPASSRLS` or to a superuser, which bypasses policies as well. From PostgreSQL
    /// 16 every membership on the way must have the SET option. One path a login role is printed, to a role with `BYPASSRLS`
    /// before one to a superuser. Login roles that have the attribute themselves are ROL-06's and ROL-01's subject.
    ///
    /// Approved are login roles on `access.bypass_rls` or `access.superusers` in `pgattest.toml`, and whoever becomes a role that is
    /// on `access.bypass_rls`: as for ROL-06, a role is approved together with its members. ROL-02 looks at the same superusers for
    /// another reason; one `REVOKE` settles both.
    ///
    /// ## Why it matters
    /// Isolation between tenants is judged by the role that the application logs in as, and that role looks bound. Whoever can
    /// send SQL in its session types `SET ROLE reporting;`, and every tenant's rows are there. `NOINHERIT` does not protect: it
    /// means only that `SET ROLE` is needed.
    ///
    /// ## How to fix it
    /// Revoke the membership that leads there: `REVOKE reporting FROM app;`. Let the work across tenants have a login role of its
    /// own, which the application does not share. From PostgreSQL 16, `GRANT reporting TO app WITH SET FALSE;` keeps the group's
    /// privileges without its attributes.
    ///
    /// A login role that may grant itself such a membership (ADMIN OPTION, CREATEROLE) is for ROL-04, ROL-05, ROL-06 and ROL-10.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.8, Row Security Policies (numbers of version 15)
    /// - PostgreSQL documentation, chapter 22.3, Role Membership
    pub PathToBypassRls {
        id: "ROL-07",
        name: "path-to-bypass-rls",
        title: "No unapproved login role leaves row-level security with SET ROLE",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_3, Criterion::Cc6_1],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for PathToBypassRls {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let graph = context.role_graph()?;
        let observations = reach::observations(context)?;
        let not_seen = reach::not_seen(graph);
        let provider = Provider::of(context);
        let bound: Vec<&Role> = graph
            .logins()
            .filter(|role| is_ordinary(role, provider) && !role.bypass_rls)
            .collect();
        if bound.is_empty() && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "every login role bypasses row-level security itself".to_owned(),
            ));
        }
        let access = &context.policy.access;
        let findings = bound
            .iter()
            .filter(|login| !is_named(login, &[&access.bypass_rls, &access.superusers]))
            .filter_map(|login| {
                let (path, what) = way_out(context, graph, login)?;
                let (name, end) = (quote_ident(&login.name), quote_ident(reach::end(&path)));
                Some(Finding {
                    cause: "login role leaves row-level security with SET ROLE".to_owned(),
                    detail: format!("role {name} can become {what} {end}: {path}"),
                    severity: Severity::High,
                    observations: observations.clone(),
                    remediation: reach::revoke_last(context, graph, &path),
                    subject: Subject::cluster(SubjectKind::Role, name),
                })
            })
            .collect();
        Ok(Verdict::Assessed {
            population: Population {
                count: bound.len(),
                of: "login roles that row-level security binds",
            },
            findings,
            not_seen,
        })
    }
}

/// The nearest role that policies do not bind, and what it is.
fn way_out(context: &Context<'_>, graph: &RoleGraph, login: &Role) -> Option<(Path, &'static str)> {
    let bypasses = |role: &Role| {
        role.bypass_rls && !role.superuser && !is_named(role, &[&context.policy.access.bypass_rls])
    };
    let attribute = graph
        .set_role_path_to_any(login.oid, bypasses)
        .map(|path| (path, "BYPASSRLS role"));
    attribute.or_else(|| {
        let path = graph.set_role_path_to_any(login.oid, |role| role.superuser)?;
        Some((path, "superuser"))
    })
}
