//! Roles that may pass privileges on.

use super::holders::{Holders, Standing};
use super::objects::{Object, Objects, revoke};
use super::words::{count, few, statements};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{Acl, Oid, PUBLIC};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

declare_check! {
    /// ## What it checks
    /// No role holds a privilege WITH GRANT OPTION on something that it does not own, unless it is a superuser or on the list
    /// `access.administrators` (or `access.superusers`) in `pgattest.toml`: on tables, columns, views, sequences, functions, schemas,
    /// types, languages, foreign-data wrappers and servers, large objects, databases, tablespaces and settings. There is one finding
    /// for each role and database. It is low where no login role can use the role today, and there is none where every login role
    /// that can is on the list.
    ///
    /// An owner has the grant option on what it owns, granted or not; that is not judged here.
    ///
    /// ## Why it matters
    /// Whoever holds the option gives the privilege to anybody, PUBLIC included, without a superuser or owner having a hand in it.
    /// Taking the option back later takes back (or refuses, without CASCADE) every grant that was made with it: the longer it
    /// stands, the less it can be revoked.
    ///
    /// ## How to fix it
    /// `REVOKE GRANT OPTION FOR SELECT ON TABLE shop.orders FROM app;` keeps the privilege and takes the option. With `CASCADE` it also
    /// takes back what was granted with it: list that first (`\dp`), and grant it anew from the owner where it is needed.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.7, Privileges; reference pages GRANT and REVOKE (numbers of version 15)
    pub GrantOptions {
        id: "GRN-08",
        name: "grant-options",
        title: "No unapproved role may pass privileges on",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_3],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for GrantOptions {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let holders = Holders::new(context, &[&context.policy.access.administrators])?;
        let shared = context.facts.shared_acls.here()?;
        let (databases, mut not_seen) = context.in_databases(|database| &database.acls)?;
        not_seen.extend(holders.not_seen.iter().cloned());

        let judged = Judged {
            context,
            holders: &holders,
        };
        let candidates = judged.candidates(shared.value);
        let objects = Objects::shared(context, &candidates);
        let mut findings = judged.findings(&candidates, &objects, None, shared.from);
        for database in databases {
            let candidates = judged.candidates(database.rows.value);
            let objects = Objects::inside(database.database, &candidates);
            let name = Some(database.database.name.as_str());
            findings.extend(judged.findings(&candidates, &objects, name, database.rows.from));
        }
        let roles = context.facts.roles.here()?;
        let count = roles
            .iter()
            .filter(|role| !role.superuser && !role.is_predefined())
            .count();
        if count == 0 && findings.is_empty() && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "every role but the server's own is a superuser".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "roles that are not superusers",
            },
            findings,
            not_seen,
        })
    }
}

struct Judged<'a, 'c> {
    context: &'a Context<'c>,
    holders: &'a Holders<'a>,
}

impl Judged<'_, '_> {
    /// Grants with the option to somebody who is not trusted with it. Only an owner grants something to itself.
    fn candidates<'b>(&self, acls: &'b [Acl]) -> Vec<&'b Acl> {
        acls.iter()
            .filter(|acl| acl.privileges.iter().any(|given| given.grantable))
            .filter(|acl| acl.grantee != PUBLIC && acl.grantee != acl.grantor)
            .filter(|acl| self.holders.of(acl.grantee).standing != Standing::Trusted)
            .collect()
    }

    fn findings(
        &self,
        candidates: &[&Acl],
        objects: &Objects,
        database: Option<&str>,
        from: &ObservationId,
    ) -> Vec<Finding> {
        let mut by_grantee: BTreeMap<Oid, Vec<(&Acl, Object)>> = BTreeMap::new();
        for acl in candidates {
            let object = objects.of(acl);
            if object.owner != Some(acl.grantee) {
                by_grantee
                    .entry(acl.grantee)
                    .or_default()
                    .push((acl, object));
            }
        }
        by_grantee
            .into_iter()
            .map(|(grantee, held)| self.finding(grantee, &held, database, from))
            .collect()
    }

    fn finding(
        &self,
        grantee: Oid,
        held: &[(&Acl, Object)],
        database: Option<&str>,
        from: &ObservationId,
    ) -> Finding {
        let role = self.context.role_name(grantee);
        let users = self.holders.of(grantee);
        let (cause, severity) = match users.standing {
            Standing::Idle => (
                "a role that no login role can use may pass privileges on",
                Severity::Low,
            ),
            Standing::Used | Standing::Trusted => {
                ("a role may pass privileges on", Severity::Medium)
            }
        };
        let privileges: BTreeSet<&str> = held
            .iter()
            .flat_map(|(acl, _)| &acl.privileges)
            .filter(|given| given.grantable)
            .map(|given| given.name.as_str())
            .collect();
        let names: BTreeSet<String> = held
            .iter()
            .map(|(_, object)| format!("{} {}", object.kind.to_lowercase(), object.name))
            .collect();
        let names: Vec<String> = names.into_iter().collect();
        let revocations: Vec<String> = held
            .iter()
            .map(|(acl, object)| self.revoke(acl, object))
            .collect();
        let mut observations = vec![from.clone()];
        observations.extend(self.holders.observations.iter().cloned());
        Finding {
            cause: cause.to_owned(),
            detail: format!(
                "role {role} may pass on {} on {} ({}){}",
                privileges.into_iter().collect::<Vec<_>>().join(", "),
                count(names.len(), "object"),
                few(&names),
                users.words(&role)
            ),
            severity,
            observations,
            remediation: statements(&revocations),
            subject: match database {
                Some(database) => Subject::in_database(SubjectKind::Role, database, role),
                None => Subject::cluster(SubjectKind::Role, role),
            },
        }
    }

    fn revoke(&self, acl: &Acl, object: &Object) -> String {
        let privileges = acl
            .privileges
            .iter()
            .filter(|given| given.grantable)
            .map(|given| given.name.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        revoke(
            self.context,
            acl,
            object,
            &format!("GRANT OPTION FOR {privileges}"),
        )
    }
}
