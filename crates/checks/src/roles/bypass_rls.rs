//! Roles that row-level security does not bind.

use super::attribute::Attribute;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{Area, Criterion, Meta, Missing, Responsibility, Severity, Verdict};

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
        Attribute {
            keyword: "BYPASSRLS",
            gives: "bypasses row-level security",
            held: |role| role.bypass_rls,
            approved: &[&context.policy.access.bypass_rls],
            worst: Severity::High,
        }
        .assess(context)
    }
}
