//! Roles that make databases.

use super::attribute::Attribute;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{Area, Criterion, Meta, Missing, Responsibility, Severity, Verdict};

declare_check! {
    /// ## What it checks
    /// Every role with the `CREATEDB` attribute is on an approved list (`access.create_database`, or `access.superusers`, in
    /// `pgattest.toml`). Superusers are ROL-01's subject. The attribute is not inherited: it counts for the role itself and for
    /// whoever can `SET ROLE` to it. A role that nobody can become is low.
    ///
    /// ## Why it matters
    /// A new database is outside everything that was set up in the others: PUBLIC may connect to it, no policy and no audit
    /// extension is in it, and its maker owns it. It can also be a copy (`CREATE DATABASE .. TEMPLATE`) of any database that is a
    /// template or that the role owns, made where nobody looks, and it fills the disk that the others need.
    ///
    /// ## How to fix it
    /// `ALTER ROLE app NOCREATEDB;`. Databases that exist are not touched by it. A test runner that makes databases belongs on a
    /// server of its own, or on the approved list.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 22.2, Role Attributes (numbers of version 15)
    /// - PostgreSQL documentation, chapter 23.2, Creating a Database, and 23.3, Template Databases
    pub CreateDatabaseRoles {
        id: "ROL-09",
        name: "create-database-roles",
        title: "Only approved roles make databases",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_3],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for CreateDatabaseRoles {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let access = &context.policy.access;
        Attribute {
            keyword: "CREATEDB",
            gives: "makes databases",
            held: |role| role.create_db,
            approved: &[&access.create_database, &access.superusers],
            worst: Severity::Medium,
        }
        .assess(context)
    }
}
