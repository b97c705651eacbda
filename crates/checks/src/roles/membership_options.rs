//! Memberships that were narrowed in vain.

use super::approval::{Provider, is_named, is_ordinary};
use super::reach;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::{Path, RoleGraph};
use pgattest_model::facts::{Membership, Oid, Role};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::BTreeMap;

/// The first major in which every grant of membership has its own options.
const SINCE: u32 = 16;

declare_check! {
    /// ## What it checks
    /// From PostgreSQL 16 a membership can be granted without the right to `SET ROLE` (`SET FALSE`) or without inheritance
    /// (`INHERIT FALSE`), and by several grantors with different options; the widest counts. For every role but superusers:
    ///
    /// - A membership without SET is not undone by another way to the same role: a second grant of it, or a chain of others.
    /// - A membership without INHERIT is not undone in the same manner.
    /// - A member without SET may not grant it to itself (ADMIN OPTION), unless it is on `access.administrators` or
    ///   `access.superusers` in `pgattest.toml`.
    /// - A role that is `NOINHERIT` inherits nothing. From 16 on the attribute is only the default of grants to come, each grant has
    ///   its own option; low, because somebody may have granted it so on purpose.
    ///
    /// A grant that gives ADMIN OPTION and nothing else, as the server makes for a role that makes a role, narrows nothing, nor does
    /// one that the member made itself (`createrole_self_grant`): ROL-10 names them. No statement is proposed as safe: which of the two grants was meant, nobody but you knows.
    ///
    /// ## Why it matters
    /// `SET FALSE` keeps a member from a group's attributes and from owning what it makes as the group; `INHERIT FALSE` keeps the
    /// group's privileges behind a `SET ROLE` that is in the log. Each is written on one grant and shown to the auditor there,
    /// while the server adds up all of them.
    ///
    /// ## How to fix it
    /// Revoke the grant that was not meant, from its grantor: `REVOKE billing FROM app GRANTED BY lead;`, or leave one option away:
    /// `REVOKE INHERIT OPTION FOR billing FROM app;`.
    ///
    /// ## References
    /// - PostgreSQL 16 documentation, chapter 22.3, Role Membership; SQL commands GRANT and REVOKE
    pub MembershipOptions {
        id: "ROL-11",
        name: "membership-options",
        title: "No membership that was narrowed is widened by another",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_3],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for MembershipOptions {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        if context.version()?.major() < SINCE {
            return Ok(Verdict::NotApplicable(
                "before PostgreSQL 16 a membership has no options of its own".to_owned(),
            ));
        }
        let memberships = context.facts.memberships.here()?;
        let judge = Judge {
            context,
            graph: context.role_graph()?,
            observations: reach::observations(context)?,
        };
        let mut by_member: BTreeMap<Oid, Vec<&Membership>> = BTreeMap::new();
        for membership in memberships.iter() {
            by_member
                .entry(membership.member)
                .or_default()
                .push(membership);
        }
        let provider = Provider::of(context);
        let findings = by_member
            .into_iter()
            .filter_map(|(member, grants)| Some((judge.graph.role(member)?, grants)))
            .filter(|(member, _)| is_ordinary(member, provider))
            .flat_map(|(member, grants)| judge.judge(member, &grants))
            .collect();
        Ok(Verdict::Assessed {
            population: Population {
                count: memberships.len(),
                of: "memberships",
            },
            findings,
            not_seen: reach::not_seen(judge.graph),
        })
    }
}

/// One of the two options that narrow a membership.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Narrowed {
    Set,
    Inherit,
}

impl Narrowed {
    const fn lacks(self, grant: &Membership) -> bool {
        match self {
            Self::Set => !grant.set_option,
            Self::Inherit => !grant.inherit_option,
        }
    }

    const fn option(self) -> &'static str {
        match self {
            Self::Set => "SET",
            Self::Inherit => "INHERIT",
        }
    }

    const fn anyway(self) -> &'static str {
        match self {
            Self::Set => "becomes it anyway",
            Self::Inherit => "inherits it anyway",
        }
    }
}

struct Judge<'a, 'f> {
    context: &'a Context<'f>,
    graph: &'a RoleGraph,
    observations: Vec<ObservationId>,
}

impl Judge<'_, '_> {
    fn judge(&self, member: &Role, grants: &[&Membership]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for narrowed in [Narrowed::Set, Narrowed::Inherit] {
            let ways: Vec<(Oid, Path)> = narrowed_roles(narrowed, grants)
                .filter_map(|role| Some((role, self.way(narrowed, member.oid, role)?)))
                .collect();
            findings.extend(self.widened(narrowed, member, grants, &ways));
        }
        findings.extend(self.reopened(member, grants));
        findings.extend(self.attribute(member, grants));
        findings
    }

    /// The way round a narrowed membership.
    fn way(&self, narrowed: Narrowed, member: Oid, role: Oid) -> Option<Path> {
        match narrowed {
            Narrowed::Set => self.graph.set_role_path(member, role),
            Narrowed::Inherit => self
                .graph
                .path(member, role)
                .filter(|path| !path.needs_set_role()),
        }
    }

    fn widened(
        &self,
        narrowed: Narrowed,
        member: &Role,
        grants: &[&Membership],
        ways: &[(Oid, Path)],
    ) -> Option<Finding> {
        let (role, path) = ways.first()?;
        let (name, group) = (quote_ident(&member.name), self.context.role_name(*role));
        let more = match ways.len() {
            1 => String::new(),
            many => format!(", and so with {} more", many - 1),
        };
        let option = narrowed.option();
        Some(self.finding(
            match narrowed {
                Narrowed::Set => "a membership without SET is undone by another",
                Narrowed::Inherit => "a membership without INHERIT is undone by another",
            },
            format!(
                "role {name} was granted {group} without {option} and {}: {path}{more}",
                narrowed.anyway()
            ),
            Severity::Medium,
            self.narrow(narrowed, &name, *role, grants, path),
            name.clone(),
        ))
    }

    /// The statements that leave only the narrow grant.
    fn narrow(
        &self,
        narrowed: Narrowed,
        name: &str,
        role: Oid,
        grants: &[&Membership],
        path: &Path,
    ) -> String {
        let statements: Vec<String> = grants
            .iter()
            .filter(|grant| grant.role == role && !narrowed.lacks(grant))
            .map(|grant| {
                format!(
                    "REVOKE {} OPTION FOR {} FROM {name} GRANTED BY {};",
                    narrowed.option(),
                    self.context.role_name(role),
                    self.context.role_name(grant.grantor)
                )
            })
            .collect();
        if statements.is_empty() {
            reach::revoke_last(self.context, self.graph, path)
        } else {
            statements.join(" ")
        }
    }

    /// A membership without SET to which the member grants itself SET. One without INHERIT says nothing by itself: it is what a
    /// role that is NOINHERIT gets with every grant.
    fn reopened(&self, member: &Role, grants: &[&Membership]) -> Option<Finding> {
        let access = &self.context.policy.access;
        if is_named(member, &[&access.administrators, &access.superusers]) {
            return None;
        }
        let mut narrowed = narrowed_roles(Narrowed::Set, grants)
            .filter(|role| self.way(Narrowed::Set, member.oid, *role).is_none())
            .peekable();
        narrowed.peek()?;
        let administers = self.graph.can_administer(member.oid);
        let role = narrowed.find(|role| administers.contains(*role))?;
        let (name, group) = (quote_ident(&member.name), self.context.role_name(role));
        Some(self.finding(
            "a membership without SET can be widened by its own member",
            format!(
                "role {name} was granted {group} without SET and may grant itself that (ADMIN OPTION)"
            ),
            Severity::Medium,
            format!("REVOKE ADMIN OPTION FOR {group} FROM {name};"),
            name,
        ))
    }

    /// An attribute that decides nothing any more.
    fn attribute(&self, member: &Role, grants: &[&Membership]) -> Option<Finding> {
        if member.inherit {
            return None;
        }
        let mut names: Vec<String> = grants
            .iter()
            .filter(|grant| grant.inherit_option)
            .map(|grant| self.context.role_name(grant.role))
            .collect();
        names.sort();
        names.dedup();
        let name = quote_ident(&member.name);
        (!names.is_empty()).then(|| {
            self.finding(
                "a role that is NOINHERIT inherits",
                format!(
                    "role {name} is NOINHERIT and inherits {}: from PostgreSQL 16 each grant decides",
                    super::listing::listed(&names)
                ),
                Severity::Low,
                names
                    .iter()
                    .map(|group| format!("REVOKE INHERIT OPTION FOR {group} FROM {name};"))
                    .collect::<Vec<_>>()
                    .join(" "),
                name.clone(),
            )
        })
    }

    fn finding(
        &self,
        cause: &str,
        detail: String,
        severity: Severity,
        remediation: String,
        name: String,
    ) -> Finding {
        Finding {
            cause: cause.to_owned(),
            detail,
            severity,
            observations: self.observations.clone(),
            remediation,
            subject: Subject::cluster(SubjectKind::Role, name),
        }
    }
}

/// Roles that one of the grants gives without the option, each once.
fn narrowed_roles(narrowed: Narrowed, grants: &[&Membership]) -> impl Iterator<Item = Oid> {
    let mut roles: Vec<Oid> = grants
        .iter()
        .filter(|grant| narrowed.lacks(grant) && restrains(grant))
        .map(|grant| grant.role)
        .collect();
    roles.sort_unstable();
    roles.dedup();
    roles.into_iter()
}

/// Whether somebody else put the member into the group: the right to grant the role without being in it narrows nothing, and
/// what a member granted itself (`createrole_self_grant`) holds it back from nothing.
const fn restrains(grant: &Membership) -> bool {
    let management = grant.admin_option && !grant.inherit_option && !grant.set_option;
    !management && grant.grantor != grant.member
}
