//! Login roles that read or write every table.

use super::predefined::Beneath;
use super::reach;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};

/// The first major that has the roles.
const SINCE: u32 = 14;

/// The predefined roles that stand for every table, with what they allow.
pub const ALL_DATA: [(&str, &str); 2] = [
    ("pg_read_all_data", "read every table of every database"),
    ("pg_write_all_data", "write every table of every database"),
];

declare_check! {
    /// ## What it checks
    /// No login role that is not a superuser reaches `pg_read_all_data` or `pg_write_all_data` (PostgreSQL 14 and later), by
    /// inheritance or with `SET ROLE`, at any depth, unless the login role is on an approved list (`access.all_data`, or
    /// `access.superusers`, in `pgattest.toml`). The path is printed. What superusers, or a managed service's substitute for
    /// them, are members of is not followed: ROL-02 says who reaches those.
    ///
    /// ## Why it matters
    /// The two roles stand for a grant on every table, view and sequence and USAGE on every schema, those that will be made
    /// tomorrow included, in every database that the role may connect to. They appear in no table's privileges, so a review of
    /// grants does not show them. Row-level security still binds them.
    ///
    /// ## How to fix it
    /// Grant what the role uses, schema by schema, with `ALTER DEFAULT PRIVILEGES` for what will come, then revoke the membership:
    /// `REVOKE pg_read_all_data FROM reporting;`. A login that makes logical backups needs it, and belongs on the approved list.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 22.5, Predefined Roles (numbers of version 15)
    pub AllDataRoles {
        id: "ROL-12",
        name: "all-data-roles",
        title: "No unapproved login role reads or writes every table",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::C1_1],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for AllDataRoles {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        if context.version()?.major() < SINCE {
            return Ok(Verdict::NotApplicable(
                "the roles exist from PostgreSQL 14 on".to_owned(),
            ));
        }
        let beneath = Beneath::new(context)?;
        if beneath.logins == 0 && beneath.not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "every login role is a superuser".to_owned(),
            ));
        }
        let access = &context.policy.access;
        let approved = [&access.all_data, &access.superusers];
        let mut findings = Vec::new();
        for (predefined, allows) in ALL_DATA {
            for (login, path) in beneath.holders(context, predefined, &approved) {
                let name = quote_ident(&login.name);
                findings.push(Finding {
                    cause: format!("login role can {allows} without approval"),
                    detail: format!("role {name} can {allows}: {path}"),
                    severity: Severity::High,
                    observations: beneath.observations.clone(),
                    remediation: reach::revoke_last(context, &beneath.graph, &path),
                    subject: Subject::cluster(SubjectKind::Role, name),
                });
            }
        }
        Ok(Verdict::Assessed {
            population: Population {
                count: beneath.logins,
                of: "login roles that are not superusers",
            },
            findings,
            not_seen: beneath.not_seen,
        })
    }
}
