//! Roles that hand memberships on.

use super::approval::{Provider, is_named, is_ordinary};
use super::listing::listed;
use super::powers::Powers;
use super::reach;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::RoleGraph;
use pgattest_model::facts::{Membership, Oid, Role};

use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

/// Statements written out; more become one sentence.
const STATEMENTS: usize = 10;

declare_check! {
    /// ## What it checks
    /// Every membership `WITH ADMIN OPTION` belongs to a role on an approved list (`access.administrators`, or `access.superusers`,
    /// in `pgattest.toml`), or to a superuser. One finding a role names what it may grant, and says when that leads to a
    /// superuser, to `BYPASSRLS` or `REPLICATION`, or to a predefined role that stands for the server's files or for all data: high
    /// then, medium otherwise, low when no login role but superusers can act as the role that has the option.
    ///
    /// From PostgreSQL 16 a role with `CREATEROLE` is given ADMIN OPTION on every role it makes, by the bootstrap superuser. That is
    /// as real as any other: the finding says that it came so. It is approved with `CREATEROLE` itself (`access.create_role`).
    ///
    /// ## Why it matters
    /// Whoever has the option decides who is in the group, itself included, and nobody who approves access is asked. It also
    /// undoes options that narrow a membership: from PostgreSQL 16 the holder grants itself `SET` and `INHERIT`.
    ///
    /// ## How to fix it
    /// `REVOKE ADMIN OPTION FOR billing FROM lead;` leaves the membership and takes the right to grant it. Where others were granted
    /// the role by that holder, PostgreSQL refuses: grant it to them as a superuser first.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 22.3, Role Membership (numbers of version 15); SQL command GRANT
    pub AdminOption {
        id: "ROL-10",
        name: "admin-option",
        title: "Only approved roles grant memberships on",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_3],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for AdminOption {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let graph = context.role_graph()?;
        let powers = Powers::new(context)?;
        let observations = reach::observations(context)?;
        let memberships = context.facts.memberships.here()?;
        let findings = unapproved_admin_options(context, memberships.value)
            .into_iter()
            .map(|(member, grants)| {
                finding(context, graph, &powers, (member, &grants), &observations)
            })
            .collect();
        Ok(Verdict::Assessed {
            population: Population {
                count: memberships.len(),
                of: "memberships",
            },
            findings,
            not_seen: reach::not_seen(graph),
        })
    }
}

/// Memberships with the option that no list approves, by member.
pub fn unapproved_admin_options<'m>(
    context: &Context<'_>,
    memberships: &'m [Membership],
) -> BTreeMap<Oid, Vec<&'m Membership>> {
    let access = &context.policy.access;
    let provider = Provider::of(context);
    let mut found: BTreeMap<Oid, Vec<&Membership>> = BTreeMap::new();
    for membership in memberships.iter().filter(|grant| grant.admin_option) {
        let (Some(member), Some(role)) = (
            context.role(membership.member),
            context.role(membership.role),
        ) else {
            continue;
        };
        // Only superusers grant a superuser's role on, whatever the option says.
        if role.superuser {
            continue;
        }
        let approved = !is_ordinary(member, provider)
            || is_named(member, &[&access.administrators, &access.superusers])
            || (is_made(membership, member) && is_named(member, &[&access.create_role]));
        if !approved {
            found.entry(member.oid).or_default().push(membership);
        }
    }
    found
}

/// Whether it looks like what the server gives a role that makes a role (16 and later).
fn is_made(grant: &Membership, member: &Role) -> bool {
    grant.grantor == Role::BOOTSTRAP
        && member.create_role
        && !grant.inherit_option
        && !grant.set_option
}

fn finding(
    context: &Context<'_>,
    graph: &RoleGraph,
    powers: &Powers<'_>,
    (member, grants): (Oid, &[&Membership]),
    observations: &[ObservationId],
) -> Finding {
    let name = context.role_name(member);
    let granted: Vec<Oid> = grants
        .iter()
        .map(|grant| grant.role)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let mut names: Vec<String> = granted.iter().map(|oid| context.role_name(*oid)).collect();
    names.sort();
    let power = powers.worst(&granted);
    let near = context.role(member).is_some_and(|role| role.can_login)
        || graph.holders(member).iter().any(|holder| !holder.superuser);
    let (cause, leads, severity) = match power {
        Some(power) => (
            "ADMIN OPTION without approval on a role that leads too far",
            format!(", which leads to {power}"),
            Severity::High,
        ),
        None => (
            "ADMIN OPTION without approval",
            String::new(),
            Severity::Medium,
        ),
    };
    let made = grants
        .iter()
        .filter(|grant| {
            context
                .role(member)
                .is_some_and(|member| is_made(grant, member))
        })
        .count();
    let made = origin(made, grants.len());
    let far = if near {
        ""
    } else {
        "; no login role but superusers can act as it today"
    };
    Finding {
        cause: cause.to_owned(),
        detail: format!(
            "role {name} may grant {} to anybody{leads} (ADMIN OPTION{made}){far}",
            listed(&names)
        ),
        severity: if near { severity } else { Severity::Low },
        observations: observations.to_vec(),
        remediation: remedy(context, &name, grants),
        subject: Subject::cluster(SubjectKind::Role, name),
    }
}

/// Where the option came from, when the server gave it.
const fn origin(made: usize, all: usize) -> &'static str {
    if made == 0 {
        ""
    } else if made == all {
        ", as the server gives it to whoever makes a role"
    } else {
        ", some of which the server gave it for making the role"
    }
}

fn remedy(context: &Context<'_>, member: &str, grants: &[&Membership]) -> String {
    if grants.len() > STATEMENTS {
        return format!(
            "REVOKE ADMIN OPTION FOR each of the {} roles FROM {member}, or declare it in access.administrators",
            grants.len()
        );
    }
    let per_grantor = context
        .version()
        .is_ok_and(|version| version.major() >= reach::GRANTORS_PER_MEMBERSHIP);
    let statements: Vec<String> = grants
        .iter()
        .map(|grant| {
            let statement = format!(
                "REVOKE ADMIN OPTION FOR {} FROM {member}",
                context.role_name(grant.role)
            );
            if per_grantor && grant.grantor != Role::BOOTSTRAP {
                format!(
                    "{statement} GRANTED BY {};",
                    context.role_name(grant.grantor)
                )
            } else {
                format!("{statement};")
            }
        })
        .collect();
    statements.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{is_made, origin};
    use pgattest_model::facts::{Membership, Role};

    #[test]
    fn what_the_server_gives_a_maker_is_told_from_what_people_grant() {
        let helpdesk = Role {
            oid: 20_001,
            name: "helpdesk".to_owned(),
            superuser: false,
            inherit: true,
            create_role: true,
            create_db: false,
            can_login: true,
            replication: false,
            bypass_rls: false,
            connection_limit: -1,
            valid_until: String::new(),
            expired: false,
        };
        let made = Membership {
            role: 20_002,
            member: helpdesk.oid,
            grantor: Role::BOOTSTRAP,
            admin_option: true,
            inherit_option: false,
            set_option: false,
        };
        assert!(is_made(&made, &helpdesk));
        let granted = [
            Membership {
                grantor: 20_003,
                ..made
            },
            Membership {
                set_option: true,
                ..made.clone()
            },
            Membership {
                inherit_option: true,
                ..made
            },
        ];
        for grant in granted {
            assert!(!is_made(&grant, &helpdesk), "{grant:?}");
        }
        let other = Role {
            create_role: false,
            ..helpdesk
        };
        assert!(!is_made(&made, &other));
    }

    #[test]
    fn the_words_say_how_much_of_it_the_server_gave() {
        assert_eq!(origin(0, 2), "");
        assert!(origin(1, 2).contains("some of which"));
        assert!(origin(2, 2).starts_with(", as the server"));
    }
}
