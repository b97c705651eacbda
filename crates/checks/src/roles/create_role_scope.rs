//! CREATEROLE from PostgreSQL 16 on: bounded by what its holder administers.

use super::approval::{Provider, is_named, is_ordinary};
use super::create_role_unbounded::BOUNDED;
use super::holders::Holders;
use super::listing::listed;
use super::powers::Powers;
use super::reach;
use super::self_grant::SelfGrant;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{Oid, Role};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::BTreeSet;

declare_check! {
    /// ## What it checks
    /// From PostgreSQL 16 on, for every role with `CREATEROLE` that is no superuser:
    ///
    /// - It is on an approved list (`access.create_role`, or `access.superusers`, in `pgattest.toml`). The finding names the roles
    ///   that it holds ADMIN OPTION on, itself, by inheritance or after `SET ROLE`: those are the roles that it can become, and give
    ///   to anybody. Before 16 ROL-04 judges the attribute.
    /// - Approved or not, none of those roles leads to a superuser, to `BYPASSRLS` or `REPLICATION`, or to a predefined role that
    ///   stands for the server's files or for all data. That is high: who may make roles is then as powerful as that. Only
    ///   `access.superusers` approves it.
    /// - An approved role does not inherit every role that it makes. `createrole_self_grant` says so with `inherit`, in the
    ///   configuration or for a role or database; low. A role on `access.administrators` may.
    ///
    /// ## Why it matters
    /// From 16 on the attribute alone gives a role power over the roles it makes, and over those that somebody let it administer.
    /// So what it is worth depends on memberships, and a list of attributes does not show it: with ADMIN OPTION on one role that
    /// can become a superuser, a help desk is a superuser. With ADMIN OPTION on a login role it can also set that role's password.
    ///
    /// ## How to fix it
    /// `ALTER ROLE helpdesk NOCREATEROLE;`, or take the ADMIN OPTION that leads too far:
    /// `REVOKE ADMIN OPTION FOR ops FROM helpdesk;`. Leave `createrole_self_grant` empty: who needs to act as a role that it made can
    /// grant it to itself, and that is in the log.
    ///
    /// ## References
    /// - PostgreSQL 16 documentation, chapter 22.2, Role Attributes, and 22.4, Dropping Roles
    /// - PostgreSQL 16 documentation, chapter 20.11.1, Statement Behavior (`createrole_self_grant`)
    pub CreateRoleScope {
        id: "ROL-05",
        name: "create-role-scope",
        title: "From PostgreSQL 16, only approved roles have CREATEROLE, and none administers a powerful role",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_3],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for CreateRoleScope {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        if context.version()?.major() < BOUNDED {
            return Ok(Verdict::NotApplicable(
                "before PostgreSQL 16 CREATEROLE has no bounds: see ROL-04".to_owned(),
            ));
        }
        let judge = Judge {
            context,
            holders: Holders::new(context)?,
            powers: Powers::new(context)?,
            self_grant: SelfGrant::read(context)?,
        };
        let mut not_seen = reach::not_seen(judge.holders.graph);
        let provider = Provider::of(context);
        let ordinary: Vec<&Role> = judge
            .holders
            .graph
            .roles()
            .filter(|role| is_ordinary(role, provider))
            .collect();
        if ordinary.is_empty() && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "every role is a superuser or predefined".to_owned(),
            ));
        }
        let mut findings = Vec::new();
        for role in ordinary.iter().filter(|role| role.create_role) {
            match judge.judge(role) {
                Ok(finding) => findings.extend(finding),
                Err(missing) => not_seen.push(missing),
            }
        }
        Ok(Verdict::Assessed {
            population: Population {
                count: ordinary.len(),
                of: "roles that are not superusers",
            },
            findings,
            not_seen,
        })
    }
}

struct Judge<'a, 'f> {
    context: &'a Context<'f>,
    holders: Holders<'a>,
    powers: Powers<'a>,
    self_grant: SelfGrant<'a>,
}

impl Judge<'_, '_> {
    fn judge(&self, role: &Role) -> Result<Option<Finding>, Missing> {
        let access = &self.context.policy.access;
        if is_named(role, &[&access.superusers]) {
            return Ok(None);
        }
        let administers = self.administers(role)?;
        let approved = is_named(role, &[&access.create_role]);
        if let Some(power) = self.powers.worst(&administers) {
            return self.too_far(role, approved, &administers, &power).map(Some);
        }
        if !approved {
            return self.unapproved(role, &administers).map(Some);
        }
        if is_named(role, &[&access.administrators]) {
            return Ok(None);
        }
        match self.self_grant.inherits(role.oid) {
            Some(true) => self.inheriting(role).map(Some),
            Some(false) => Ok(None),
            None => Err(Missing::because(
                "createrole_self_grant is overridden for the role that looked: what holds for others is not visible",
            )),
        }
    }

    /// The roles that it can grant, to itself too, by name.
    fn administers(&self, role: &Role) -> Result<Vec<Oid>, Missing> {
        let graph = self.context.role_graph()?;
        let granted: BTreeSet<Oid> = graph
            .can_set_role_to(role.oid)
            .oids()
            .flat_map(|oid| graph.can_administer(oid).oids().collect::<Vec<_>>())
            .filter(|oid| *oid != role.oid)
            .collect();
        Ok(graph
            .roles()
            .map(|role| role.oid)
            .filter(|oid| granted.contains(oid))
            .collect())
    }

    fn too_far(
        &self,
        role: &Role,
        approved: bool,
        administers: &[Oid],
        power: &str,
    ) -> Result<Finding, Missing> {
        let name = quote_ident(&role.name);
        // The one that leads there, for the statement.
        let through = administers
            .iter()
            .find(|oid| self.powers.worst(&[**oid]).as_deref() == Some(power))
            .map(|oid| self.context.role_name(*oid))
            .unwrap_or_default();
        let used = self.holders.of(role);
        let (cause, end) = if approved {
            (
                "CREATEROLE with ADMIN OPTION on a role that leads too far",
                "",
            )
        } else {
            (
                "CREATEROLE without approval and with ADMIN OPTION on a role that leads too far",
                ", and is not approved",
            )
        };
        self.finding(
            cause,
            format!(
                "role {name} has CREATEROLE, {}, can grant itself {through}, which leads to {power}{end}",
                used.words
            ),
            used.severity(Severity::High),
            format!(
                "Take ADMIN OPTION on {through} from {name} or from the role that gives it that (REVOKE ADMIN OPTION FOR {through} FROM {name};), or ALTER ROLE {name} NOCREATEROLE;"
            ),
            name,
        )
    }

    fn unapproved(&self, role: &Role, administers: &[Oid]) -> Result<Finding, Missing> {
        let name = quote_ident(&role.name);
        let used = self.holders.of(role);
        let names: Vec<String> = administers
            .iter()
            .map(|oid| self.context.role_name(*oid))
            .collect();
        let reach = if names.is_empty() {
            "administers no role today".to_owned()
        } else {
            format!("can grant itself {}", listed(&names))
        };
        self.finding(
            "CREATEROLE without approval",
            format!(
                "role {name} has CREATEROLE, {}, {reach}, and is not approved",
                used.words
            ),
            used.severity(Severity::Medium),
            format!("ALTER ROLE {name} NOCREATEROLE;"),
            name,
        )
    }

    fn inheriting(&self, role: &Role) -> Result<Finding, Missing> {
        let name = quote_ident(&role.name);
        let mut finding = self.finding(
            "CREATEROLE that inherits every role it makes",
            format!(
                "role {name} is approved to make roles and inherits the privileges of each one it makes (createrole_self_grant)"
            ),
            Severity::Low,
            format!("ALTER ROLE {name} SET createrole_self_grant = '';"),
            name,
        )?;
        finding
            .observations
            .extend(self.self_grant.observations.iter().cloned());
        Ok(finding)
    }

    fn finding(
        &self,
        cause: &str,
        detail: String,
        severity: Severity,
        remediation: String,
        name: String,
    ) -> Result<Finding, Missing> {
        Ok(Finding {
            cause: cause.to_owned(),
            detail,
            severity,
            observations: reach::observations(self.context)?,
            remediation,
            subject: Subject::cluster(SubjectKind::Role, name),
        })
    }
}
