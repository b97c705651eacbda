//! CREATEROLE before PostgreSQL 16, where it has no bounds.

use super::attribute::Attribute;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{Area, Criterion, Meta, Missing, Responsibility, Severity, Verdict};

/// The first major in which CREATEROLE reaches only the roles that its holder administers.
pub(super) const BOUNDED: u32 = 16;

declare_check! {
    /// ## What it checks
    /// Before PostgreSQL 16: every role with the `CREATEROLE` attribute is on an approved list (`access.create_role`, or
    /// `access.superusers`, in `pgattest.toml`). Superusers are ROL-01's subject. The attribute is not inherited: it counts for
    /// the role itself and for whoever can `SET ROLE` to it, and the path of one such login role is printed. From 16 on ROL-05
    /// judges it.
    ///
    /// ## Why it matters
    /// Up to PostgreSQL 15 a role with `CREATEROLE` grants itself any role that is not a superuser, predefined roles included:
    /// `GRANT pg_execute_server_program TO me;` and one `COPY .. FROM PROGRAM` later it is the operating-system account of the
    /// server. It also sets the password of every role but superusers. What is approved as "may add users" is a superuser in two
    /// statements.
    ///
    /// ## How to fix it
    /// `ALTER ROLE helpdesk NOCREATEROLE;`. Let people ask for roles where it is recorded, and let one approved role, or a superuser
    /// in an emergency, make them. From PostgreSQL 16 the attribute is bounded by ADMIN OPTION: upgrading narrows it.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 22.2, Role Attributes (numbers of version 15)
    /// - PostgreSQL documentation, chapter 22.5, Predefined Roles
    pub CreateRoleUnbounded {
        id: "ROL-04",
        name: "create-role-unbounded",
        title: "Before PostgreSQL 16, only approved roles have CREATEROLE",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_3],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for CreateRoleUnbounded {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        if context.version()?.major() >= BOUNDED {
            return Ok(Verdict::NotApplicable(
                "from PostgreSQL 16 CREATEROLE reaches only roles that its holder administers: see ROL-05".to_owned(),
            ));
        }
        let access = &context.policy.access;
        Attribute {
            keyword: "CREATEROLE",
            gives: "grants itself any role but superusers, pg_execute_server_program among them (CREATEROLE)",
            held: |role| role.create_role,
            approved: &[&access.create_role, &access.superusers],
            worst: Severity::High,
        }
        .assess(context)
    }
}
