//! Grants that row-level security makes worthless.

use super::grants::{Bound, Grants, listed};
use super::{covers, in_each, is_protected};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{Oid, PUBLIC, Policy, PolicyCommand, Relation};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::BTreeMap;

declare_check! {
    /// ## What it checks
    /// On every table with row-level security, whoever is granted `SELECT`, `INSERT`, `UPDATE` or `DELETE` has at least one
    /// permissive policy for that command. Restrictive policies alone let nothing through. Grants to the owner, and to roles that
    /// only superusers and roles with `BYPASSRLS` can use, are left out. A grant to a group counts as usable when a policy is for
    /// the group, or when it is for each login role in it; a grant to `PUBLIC` when the command has a permissive policy for
    /// anybody.
    ///
    /// ## Why it matters
    /// Without a permissive policy the server raises no error: reads return nothing, updates and deletes change nothing. It
    /// shows up as lost data or a job that does nothing, and the usual repair under pressure is to switch row-level security
    /// off. A grant that nobody can use also makes an access review read wrong.
    ///
    /// ## How to fix it
    /// Create the policy that is missing, or take the privilege away: `REVOKE DELETE ON orders FROM app;`.
    ///
    /// ## References
    /// - PostgreSQL 16 documentation, chapter 5.8, Row Security Policies; SQL command CREATE POLICY
    pub SilentDeny {
        id: "RLS-04",
        name: "silent-deny",
        title: "Every grant on a table with row-level security has a policy that lets it be used",
        severity: Severity::Low,
        criteria: &[Criterion::Cc6_1, Criterion::A1_2],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for SilentDeny {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let bound = Bound::new(context)?;
        let (databases, not_seen) = in_each(context, |database| {
            Ok((
                database,
                database.relations.here()?,
                database.policies.here()?,
                database.acls.here()?,
            ))
        })?;
        let mut count = 0;
        let mut findings = Vec::new();
        for (database, relations, policies, acls) in databases {
            let from = policies.from;
            let mut permissive: BTreeMap<Oid, Vec<&Policy>> = BTreeMap::new();
            for policy in policies.value.iter().filter(|policy| policy.permissive) {
                permissive.entry(policy.relation).or_default().push(policy);
            }
            let grants = Grants::new(acls.value);
            for relation in relations
                .value
                .iter()
                .filter(|relation| is_protected(relation))
            {
                count += 1;
                let policies = permissive.get(&relation.oid).map_or(&[][..], Vec::as_slice);
                let denied = denied(&bound, &grants, relation, policies);
                if denied.is_empty() {
                    continue;
                }
                let name = relation.sql_name();
                let shown: Vec<String> = denied
                    .iter()
                    .map(|(who, what)| format!("{what} of {who}"))
                    .collect();
                let revoke: Vec<String> = denied
                    .iter()
                    .map(|(who, what)| format!("REVOKE {what} ON {name} FROM {who};"))
                    .collect();
                findings.push(Finding {
                    cause: "a grant that no permissive policy lets be used".to_owned(),
                    detail: format!(
                        "{} {name}: no permissive policy for {}",
                        relation.kind.as_str(),
                        listed(&shown)
                    ),
                    severity: Severity::Low,
                    observations: vec![relations.from.clone(), from.clone(), acls.from.clone()],
                    remediation: format!("create the missing policy, or {}", revoke.join(" ")),
                    subject: Subject::in_database(
                        SubjectKind::Relation,
                        database.name.clone(),
                        name,
                    ),
                });
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no table has row-level security".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "tables with row-level security",
            },
            findings,
            not_seen,
        })
    }
}

const COMMANDS: [(&str, PolicyCommand); 4] = [
    ("SELECT", PolicyCommand::Select),
    ("INSERT", PolicyCommand::Insert),
    ("UPDATE", PolicyCommand::Update),
    ("DELETE", PolicyCommand::Delete),
];

/// Grantees, in the order of names as SQL, with the commands they are granted to no avail.
fn denied(
    bound: &Bound<'_>,
    grants: &Grants<'_>,
    relation: &Relation,
    permissive: &[&Policy],
) -> BTreeMap<String, String> {
    let mut denied = BTreeMap::new();
    for (grantee, held) in grants.of(relation) {
        let exempt = !relation.force_row_security && bound.inherits(grantee, relation.owner);
        if exempt || !bound.is_live(grantee) {
            continue;
        }
        let lost: Vec<&str> = COMMANDS
            .into_iter()
            .filter(|(privilege, command)| {
                held.contains(privilege) && !is_let_through(bound, grantee, *command, permissive)
            })
            .map(|(privilege, _)| privilege)
            .collect();
        if !lost.is_empty() {
            denied.insert(bound.name(grantee), lost.join(", "));
        }
    }
    denied
}

fn is_let_through(
    bound: &Bound<'_>,
    grantee: Oid,
    command: PolicyCommand,
    permissive: &[&Policy],
) -> bool {
    let policies: Vec<&Policy> = permissive
        .iter()
        .copied()
        .filter(|policy| covers(policy, command))
        .collect();
    if grantee == PUBLIC || policies.is_empty() {
        return !policies.is_empty();
    }
    let applies_to = |role: Oid| {
        policies
            .iter()
            .any(|policy| bound.applies(&policy.roles, role))
    };
    applies_to(grantee)
        || bound
            .logins(grantee)
            .iter()
            .all(|login| applies_to(login.oid))
}
