//! Superusers that nobody approved.

use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::Role;
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};

declare_check! {
    /// ## What it checks
    /// Every role with the `SUPERUSER` attribute is on the approved list (`access.superusers` in `pgattest.toml`). Without a
    /// list, only the superuser that `initdb` made is taken as approved.
    ///
    /// ## Why it matters
    /// No privilege, policy or audit setting binds a superuser: it reads every tenant's rows, runs programs on the server and
    /// turns the audit log off. An application that connects as one turns every SQL injection into the loss of the cluster.
    ///
    /// ## How to fix it
    /// Give the service a role of its own with the privileges it uses, then take the attribute away:
    /// `ALTER ROLE app NOSUPERUSER;`. What the role owns it still owns. A superuser kept for emergencies belongs on the approved
    /// list, without `LOGIN`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 22.2, Role Attributes
    pub SuperuserRoles {
        id: "ROL-01",
        name: "superuser-roles",
        title: "Only approved roles are superusers",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::Cc6_3],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for SuperuserRoles {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let roles = context.facts.roles.here()?;
        let superusers: Vec<&Role> = roles.iter().filter(|role| role.superuser).collect();
        let findings = superusers
            .iter()
            .filter(|role| !is_approved(context, role))
            .map(|role| finding(role, roles.from))
            .collect();
        Ok(Verdict::assessed(
            superusers.len(),
            "superuser roles",
            findings,
        ))
    }
}

fn is_approved(context: &Context<'_>, role: &Role) -> bool {
    context
        .policy
        .access
        .superusers
        .as_ref()
        .map_or(role.oid == Role::BOOTSTRAP, |approved| {
            approved.contains(&role.name)
        })
}

fn finding(role: &Role, from: &ObservationId) -> Finding {
    let name = quote_ident(&role.name);
    let (how, severity) = if role.can_login {
        ("can log in", Severity::High)
    } else {
        ("cannot log in itself", Severity::Medium)
    };
    Finding {
        cause: "superuser without approval".to_owned(),
        detail: format!("role {name} is a superuser, {how}, and is not approved"),
        severity,
        observations: vec![from.clone()],
        remediation: format!("ALTER ROLE {name} NOSUPERUSER;"),
        subject: Subject::cluster(SubjectKind::Role, name),
    }
}
