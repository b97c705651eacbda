//! Roles that row-level security does not bind.

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

declare_check! {
    /// ## What it checks
    /// Every role with the `BYPASSRLS` attribute is on the approved list (`access.bypass_rls` in `pgattest.toml`). Superusers
    /// bypass policies too; they are ROL-01's subject. The attribute is not inherited: it counts for the role itself and for
    /// whoever can `SET ROLE` to it, and the path of one such login role is printed. Where nobody can, but a login role may grant
    /// the membership to itself (ADMIN OPTION, and before PostgreSQL 16 CREATEROLE), it is medium. An approved role is approved for
    /// its members as well.
    ///
    /// ## Why it matters
    /// Policies are what keeps one tenant's rows from another, and for a role with this attribute they do not exist: a
    /// forgotten `WHERE` in its queries returns every tenant's rows.
    ///
    /// ## How to fix it
    /// `ALTER ROLE reporting NOBYPASSRLS;`. A role that makes logical backups needs the attribute (with it missing, `pg_dump`
    /// fails or leaves rows out): keep it, and put it on the approved list. Work across tenants is better done by a role with
    /// policies of its own.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.8, Row Security Policies (numbers of version 15)
    /// - PostgreSQL documentation, chapter 22.2, Role Attributes
    pub BypassRls {
        id: "ROL-06",
        name: "bypass-rls",
        title: "Only approved roles bypass row-level security",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::Cc6_3],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for BypassRls {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let graph = context.role_graph()?;
        let becoming = reach::set_role_graph(context)?;
        let observations = reach::observations(context)?;
        // The predefined roles cannot be altered: they would only make the population look larger.
        let tested: Vec<&Role> = becoming
            .roles()
            .filter(|role| !role.superuser && !role.is_predefined())
            .collect();
        let not_seen = reach::not_seen(&becoming);
        if tested.is_empty() && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "every role is a superuser or predefined".to_owned(),
            ));
        }
        let findings = tested
            .iter()
            .filter(|role| role.bypass_rls && !is_approved(context, role))
            .map(|role| finding(graph, &becoming, role, &observations))
            .collect();
        let population = Population {
            count: tested.len(),
            of: "roles that are not superusers",
        };
        Ok(Verdict::Assessed {
            population,
            findings,
            not_seen,
        })
    }
}

fn is_approved(context: &Context<'_>, role: &Role) -> bool {
    context
        .policy
        .access
        .bypass_rls
        .as_ref()
        .is_some_and(|approved| approved.contains(&role.name))
}

fn finding(
    graph: &RoleGraph,
    becoming: &RoleGraph,
    role: &Role,
    observations: &[ObservationId],
) -> Finding {
    let name = quote_ident(&role.name);
    let (how, severity) = how_used(graph, becoming, role);
    Finding {
        cause: "BYPASSRLS without approval".to_owned(),
        detail: format!("role {name} bypasses row-level security, {how}, and is not approved"),
        severity,
        observations: observations.to_vec(),
        remediation: format!("ALTER ROLE {name} NOBYPASSRLS;"),
        subject: Subject::cluster(SubjectKind::Role, name),
    }
}

/// Who can act as the role, in words, and how bad that is. Superusers could anyway.
fn how_used(graph: &RoleGraph, becoming: &RoleGraph, role: &Role) -> (String, Severity) {
    let holders: Vec<&Role> = becoming
        .holders(role.oid)
        .into_iter()
        .filter(|holder| !holder.superuser)
        .collect();
    let path = holders
        .first()
        .and_then(|first| becoming.path(first.oid, role.oid));
    match (role.can_login, path) {
        (true, _) => ("can log in".to_owned(), Severity::High),
        (false, Some(path)) if holders.len() == 1 => {
            (format!("is open to a login role ({path})"), Severity::High)
        }
        (false, Some(path)) => (
            format!(
                "is open to {} login roles ({path} among them)",
                holders.len()
            ),
            Severity::High,
        ),
        (false, None) => match granting(graph, role) {
            Some(grantor) => (
                format!(
                    "can be granted to itself by login role {}",
                    quote_ident(&grantor.name)
                ),
                Severity::Medium,
            ),
            None => (
                "is out of reach of every login role but superusers".to_owned(),
                Severity::Low,
            ),
        },
    }
}

/// The first login role that may grant itself the role.
fn granting<'a>(graph: &'a RoleGraph, role: &Role) -> Option<&'a Role> {
    graph
        .logins()
        .filter(|login| !login.superuser)
        .find(|login| {
            let acts_as = graph.can_set_role_to(login.oid);
            acts_as
                .oids()
                .any(|oid| graph.can_administer(oid).contains(role.oid))
        })
}
