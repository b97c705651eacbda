//! Login roles that are one `SET ROLE` away from a superuser.

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

/// Roles that providers give their customers instead of SUPERUSER. They are ordinary roles: what they can do is inherited.
pub const MANAGED: [&str; 3] = ["rds_superuser", "cloudsqlsuperuser", "azure_pg_admin"];

declare_check! {
    /// ## What it checks
    /// No login role that is not a superuser itself reaches one through memberships, at any depth, unless the login role is on
    /// the approved list (`access.superusers` in `pgattest.toml`). The path is printed. Two ways are told apart:
    ///
    /// - **`SET ROLE`**: every membership on the way has the SET option (before PostgreSQL 16 each one has). The session becomes
    ///   the superuser, attribute included, whether or not the role inherits.
    /// - **Inheritance alone**: the SUPERUSER attribute itself is never inherited. What is inherited is the superuser's rights as
    ///   an owner and grantee: replacing its functions and triggers, which then run as superuser; and where it is the bootstrap
    ///   superuser, reading password verifiers and calling the functions that read files.
    ///
    /// On managed services `rds_superuser`, `cloudsqlsuperuser` and `azure_pg_admin` count as superusers, by name: the master user
    /// belongs on the approved list, applications do not.
    ///
    /// ## Why it matters
    /// A list of superusers looks short while an application is a member of one of them. Whoever controls that session, by SQL
    /// injection for instance, types `SET ROLE` and is bound by no privilege, policy or audit setting.
    ///
    /// ## How to fix it
    /// Revoke the membership that leads to the superuser: `REVOKE admin FROM app;`. From PostgreSQL 16 each grantor's grant is
    /// revoked by itself (`GRANTED BY`). Grant the privileges that were needed to a role of their own. People who may become
    /// superuser in an emergency belong on the approved list.
    ///
    /// A role with ADMIN OPTION, and before PostgreSQL 16 one with CREATEROLE, can widen its memberships: not to a superuser, but to
    /// a role that can become one. That is not judged here, before somebody does it.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 22.3, Role Membership (numbers of version 15)
    /// - PostgreSQL documentation, chapter 22.2, Role Attributes
    pub PathToSuperuser {
        id: "ROL-02",
        name: "path-to-superuser",
        title: "No unapproved login role can become a superuser",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_3, Criterion::Cc6_1],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for PathToSuperuser {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let graph = context.role_graph()?;
        let observations = reach::observations(context)?;
        let logins = reach::ordinary_logins(graph);
        let not_seen = reach::not_seen(graph);
        if logins.is_empty() && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "every login role is a superuser itself".to_owned(),
            ));
        }
        let findings = logins
            .iter()
            .filter(|login| !is_approved(context, login))
            .filter_map(|login| {
                let way = Way::find(login, graph)?;
                Some(Finding {
                    subject: Subject::cluster(SubjectKind::Role, quote_ident(&login.name)),
                    cause: way.cause().to_owned(),
                    detail: way.detail(login),
                    severity: Severity::High,
                    observations: observations.clone(),
                    remediation: reach::revoke_last(context, graph, way.path()),
                })
            })
            .collect();
        let population = Population {
            count: logins.len(),
            of: "login roles that are not superusers",
        };
        Ok(Verdict::Assessed {
            population,
            findings,
            not_seen,
        })
    }
}

fn is_approved(context: &Context<'_>, login: &Role) -> bool {
    context
        .policy
        .access
        .superusers
        .as_ref()
        .is_some_and(|approved| approved.contains(&login.name))
}

/// How a login role comes to act as a superuser, the plainest way first.
enum Way {
    Becomes(Path),
    Owns(Path),
    Managed(Path),
}

impl Way {
    fn find(login: &Role, graph: &RoleGraph) -> Option<Self> {
        let managed = |role: &Role| MANAGED.contains(&role.name.as_str());
        graph
            .set_role_path_to_any(login.oid, |role| role.superuser)
            .map(Self::Becomes)
            .or_else(|| {
                graph
                    .path_to_any(login.oid, |role| role.superuser)
                    .map(Self::Owns)
            })
            .or_else(|| graph.path_to_any(login.oid, managed).map(Self::Managed))
    }

    const fn path(&self) -> &Path {
        match self {
            Self::Becomes(path) | Self::Owns(path) | Self::Managed(path) => path,
        }
    }

    const fn cause(&self) -> &'static str {
        match self {
            Self::Becomes(_) => "login role can become a superuser with SET ROLE",
            Self::Owns(_) => "login role inherits a superuser's rights as owner",
            Self::Managed(_) => "login role reaches a managed service's equivalent of a superuser",
        }
    }

    fn detail(&self, login: &Role) -> String {
        let (name, path) = (quote_ident(&login.name), self.path());
        let end = quote_ident(reach::end(path));
        match self {
            Self::Becomes(_) => format!("role {name} can become superuser {end}: {path}"),
            Self::Owns(_) => format!(
                "role {name} cannot become superuser {end}, but has its rights over what it owns and was granted: {path}"
            ),
            Self::Managed(_) => {
                format!(
                    "role {name} reaches {end}, on a managed service the equivalent of a superuser: {path}"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Way;
    use pgattest_access::RoleGraph;
    use pgattest_model::ServerVersion;
    use pgattest_model::facts::{Membership, Oid, Role};

    const APP: Oid = 20_001;
    const TEAM: Oid = 20_002;
    const ADMIN: Oid = 20_003;

    fn role(oid: Oid, name: &str) -> Role {
        Role {
            oid,
            name: name.to_owned(),
            superuser: oid == ADMIN,
            inherit: true,
            create_role: false,
            create_db: false,
            can_login: oid == APP,
            replication: false,
            bypass_rls: false,
            connection_limit: -1,
            valid_until: String::new(),
            expired: false,
        }
    }

    /// Grants as `(group, member, inherit, set)`, all by the bootstrap superuser with ADMIN OPTION.
    #[track_caller]
    fn check(grants: &[(Oid, Oid, bool, bool)], expected: Option<(&str, &str)>) {
        let roles = [role(APP, "app"), role(TEAM, "team"), role(ADMIN, "admin")];
        let memberships: Vec<Membership> = grants
            .iter()
            .map(|&(role, member, inherit_option, set_option)| Membership {
                role,
                member,
                grantor: Role::BOOTSTRAP,
                admin_option: true,
                inherit_option,
                set_option,
            })
            .collect();
        let version = ServerVersion(160_004);
        let graph = RoleGraph::new(&roles, &memberships, version);
        let found = Way::find(&roles[0], &graph);
        let words = found.map(|way| (way.cause(), way.path().to_string()));
        assert_eq!(
            words,
            expected.map(|(cause, path)| (cause, path.to_owned()))
        );
    }

    const BECOMES: &str = "login role can become a superuser with SET ROLE";
    const OWNS: &str = "login role inherits a superuser's rights as owner";

    #[test]
    fn the_attribute_needs_the_set_option_all_the_way() {
        check(
            &[(TEAM, APP, false, true), (ADMIN, TEAM, false, true)],
            Some((BECOMES, "app -> team (SET ROLE) -> admin (SET ROLE)")),
        );
        check(
            &[(TEAM, APP, false, true), (ADMIN, TEAM, false, false)],
            None,
        );
    }

    #[test]
    fn inheritance_alone_gives_an_owners_rights() {
        check(
            &[(TEAM, APP, true, false), (ADMIN, TEAM, true, false)],
            Some((OWNS, "app -> team (inherits) -> admin (inherits)")),
        );
        check(
            &[(TEAM, APP, false, true), (ADMIN, TEAM, true, false)],
            Some((OWNS, "app -> team (SET ROLE) -> admin (inherits)")),
        );
        // What is inherited cannot be used for `SET ROLE`.
        check(
            &[(TEAM, APP, true, false), (ADMIN, TEAM, false, true)],
            None,
        );
    }

    #[test]
    fn becoming_is_reported_before_owning() {
        check(
            &[
                (ADMIN, APP, true, false),
                (TEAM, APP, false, true),
                (ADMIN, TEAM, false, true),
            ],
            Some((BECOMES, "app -> team (SET ROLE) -> admin (SET ROLE)")),
        );
    }
}
