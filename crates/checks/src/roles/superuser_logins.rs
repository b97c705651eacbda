//! Superusers that log in.

use super::approval::{Provider, is_named};
use super::entrances::{Entrance, Entrances};
use super::listing::listed;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::Role;
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};

declare_check! {
    /// ## What it checks
    /// Superusers cannot log in, but for those kept for emergencies (`access.break_glass` in `pgattest.toml`). Where `pg_hba.conf`
    /// could be read and no line of it lets the role in today, it is low.
    ///
    /// Where nobody declared `access.break_glass`, only the superuser that `initdb` made is taken for one, and only as long as it is
    /// not let in from another machine: a way in that is meant for emergencies is the Unix socket or the machine itself. That needs
    /// `pg_hba.conf`; lines are tried as the server tries them. On a managed service the bootstrap superuser is the provider's.
    ///
    /// ROL-01 says which roles may be superusers at all; this check says that holding the attribute and logging in with it are two
    /// things.
    ///
    /// ## Why it matters
    /// A superuser session can do anything and turn off what would record it, and a shared superuser login says nothing about who
    /// it was. Where people become superuser from a login of their own, by `SET ROLE` or with an extension made for it such as
    /// `set_user`, the log has the person's name beside the act, and there is one place to watch.
    ///
    /// ## How to fix it
    /// `ALTER ROLE admin NOLOGIN;`, and let approved people become it: `GRANT admin TO alice;` (ROL-02 asks for `alice` on
    /// `access.superusers`), or `set_user`. Keep one login for emergencies, on the machine only: in `pg_hba.conf`,
    /// `host all postgres all reject` above the other lines, then reload. Declare it as `break_glass = ["postgres"]`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 22.2, Role Attributes (numbers of version 15)
    /// - PostgreSQL documentation, chapter 21.1, The `pg_hba.conf` File
    pub SuperuserLogins {
        id: "ROL-25",
        name: "superuser-logins",
        title: "Superusers log in for emergencies only",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_1],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for SuperuserLogins {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let roles = context.facts.roles.here()?;
        let break_glass = &context.policy.access.break_glass;
        let provider = Provider::of(context);
        let mut superusers: Vec<&Role> = roles
            .iter()
            .filter(|role| role.superuser && !provider.is_some_and(|provider| provider.owns(role)))
            .collect();
        if superusers.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no superuser but the provider's".to_owned(),
            ));
        }
        superusers.sort_by(|a, b| a.name.cmp(&b.name));
        let entrances = Entrances::new(context);
        let judge = Judge {
            entrances: entrances.as_ref().ok(),
            roles: roles.from,
        };
        let (mut findings, mut asked) = (Vec::new(), false);
        for role in superusers.iter().filter(|role| role.can_login) {
            if break_glass.is_none() && role.oid == Role::BOOTSTRAP {
                asked = true;
                findings.extend(judge.assumed(role));
            } else if !is_named(role, &[break_glass]) {
                findings.push(judge.undeclared(role));
            }
        }
        let not_seen = match (&entrances, asked) {
            (_, false) => Vec::new(),
            (Ok(entrances), true) => entrances.not_seen().to_vec(),
            (Err(missing), true) => vec![missing.clone()],
        };
        Ok(Verdict::Assessed {
            population: Population {
                count: superusers.len(),
                of: "superuser roles",
            },
            findings,
            not_seen,
        })
    }
}

struct Judge<'a> {
    /// `None` when `pg_hba.conf` could not be read.
    entrances: Option<&'a Entrances<'a>>,
    roles: &'a ObservationId,
}

impl Judge<'_> {
    /// The superuser that `initdb` made, which nobody declared.
    fn assumed(&self, role: &Role) -> Option<Finding> {
        let remote: Vec<String> = self
            .entrances?
            .of(role)
            .filter(|entrance| entrance.remote)
            .map(|entrance| entrance.words())
            .collect();
        let name = quote_ident(&role.name);
        (!remote.is_empty()).then(|| Finding {
            cause: "superuser logs in from other machines without being declared for emergencies"
                .to_owned(),
            detail: format!(
                "superuser {name} is let in from other machines by {}, and is not declared for emergencies",
                listed(&remote)
            ),
            severity: Severity::Medium,
            observations: self.observations(),
            remediation: format!(
                "Refuse it from other machines above those lines (host all {name} all reject) and reload, or declare it in access.break_glass"
            ),
            subject: Subject::cluster(SubjectKind::Role, name),
        })
    }

    fn undeclared(&self, role: &Role) -> Finding {
        let name = quote_ident(&role.name);
        let lines: Option<Vec<String>> = self
            .entrances
            .filter(|entrances| entrances.not_seen().is_empty())
            .map(|entrances| {
                entrances
                    .of(role)
                    .map(|entrance: Entrance<'_>| entrance.words())
                    .collect()
            });
        let (way, severity) = match lines {
            None => (String::new(), Severity::Medium),
            Some(lines) if lines.is_empty() => (
                " although no line of pg_hba.conf lets it in today".to_owned(),
                Severity::Low,
            ),
            Some(lines) => (format!(" by {}", listed(&lines)), Severity::Medium),
        };
        Finding {
            cause: "superuser logs in without being declared for emergencies".to_owned(),
            detail: format!(
                "superuser {name} can log in{way}, and is not declared for emergencies"
            ),
            severity,
            observations: self.observations(),
            remediation: format!("ALTER ROLE {name} NOLOGIN;"),
            subject: Subject::cluster(SubjectKind::Role, name),
        }
    }

    fn observations(&self) -> Vec<ObservationId> {
        match self.entrances {
            Some(entrances) => entrances.observations(),
            None => vec![self.roles.clone()],
        }
    }
}
