//! Roles that may copy the whole cluster.

use super::attribute::{Attribute, Subjects};
use super::holdings::Holdings;
use super::predefined::READ_STATE;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{Area, Criterion, Meta, Missing, Responsibility, Severity, Verdict};

/// Groups that a login for replication or backups needs, and that give it no data.
const HARMLESS: [&str; 6] = [
    READ_STATE[0],
    READ_STATE[1],
    READ_STATE[2],
    READ_STATE[3],
    "pg_checkpoint",
    "pg_use_reserved_connections",
];

declare_check! {
    /// ## What it checks
    /// Every role with the `REPLICATION` attribute is a login that exists for replication or backups. Those are the roles of
    /// `access.replication` (and `access.superusers`) in `pgattest.toml`. Where nobody declared `access.replication`, a login is
    /// taken for one when it owns nothing, was granted nothing on any table, may create nothing, is in no group but those of
    /// monitoring (`pg_monitor`, `pg_checkpoint` and the like), and no other login role can act as it; every database has to be
    /// seen to say so. Superusers may replicate too, and are ROL-01's subject.
    ///
    /// ## Why it matters
    /// With the attribute a session copies every block of every database, password verifiers included (`pg_basebackup`), and
    /// decodes every change of every tenant. No privilege and no policy stands before that. In an application's role it turns one
    /// leaked password into a full copy of the cluster; it can also fill the disk with a replication slot that nobody reads.
    ///
    /// ## How to fix it
    /// Make a login of its own for it (`CREATE ROLE standby LOGIN REPLICATION;`), let `pg_hba.conf` admit it from the standbys'
    /// addresses only, and take the attribute from the others: `ALTER ROLE app NOREPLICATION;`. A tool for change data capture that
    /// also reads tables belongs on the list `access.replication`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 22.2, Role Attributes (numbers of version 15)
    /// - PostgreSQL documentation, chapter 27.2.5.1, Authentication (of streaming replication)
    /// - PostgreSQL documentation, chapter 49.2, Logical Decoding Concepts
    pub ReplicationRoles {
        id: "ROL-08",
        name: "replication-roles",
        title: "Only logins that exist for it may replicate",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_3, Criterion::C1_1],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for ReplicationRoles {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let access = &context.policy.access;
        let attribute = Attribute {
            keyword: "REPLICATION",
            gives: "may copy the whole cluster (REPLICATION)",
            held: |role| role.replication,
            approved: &[&access.replication, &access.superusers],
            worst: Severity::High,
        };
        let mut subjects = Subjects::new(context)?;
        let unapproved: Vec<_> = subjects
            .unapproved(context, &attribute)
            .into_iter()
            .cloned()
            .collect();
        if unapproved.is_empty() || access.replication.is_some() {
            let findings = unapproved
                .iter()
                .map(|role| subjects.finding(&attribute, role))
                .collect();
            return Ok(subjects.verdict(findings));
        }
        let holdings = Holdings::read(context)?;
        let graph = context.role_graph()?;
        let (dedicated, shared): (Vec<_>, Vec<_>) = unapproved
            .iter()
            .partition(|role| holdings.is_dedicated(graph, role, &HARMLESS));
        subjects
            .observations
            .extend(holdings.observations.iter().cloned());
        let findings = shared
            .iter()
            .map(|role| {
                let mut finding = subjects.finding(&attribute, role);
                if role.can_login {
                    finding.detail = format!(
                        "{}: it has other memberships, property or privileges, or other logins act as it",
                        finding.detail
                    );
                }
                finding
            })
            .collect();
        if !dedicated.is_empty() {
            subjects.not_seen.extend(holdings.not_seen);
        }
        Ok(subjects.verdict(findings))
    }
}
