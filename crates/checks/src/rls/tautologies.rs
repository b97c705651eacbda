//! Policies whose condition holds for every row although it is no constant.

use super::expression::Session;
use super::grants::Bound;
use super::in_each;
use super::policy_set::{Door, PolicySet, ReadPolicy, Side, Table, Trouble};
use super::predicate::is_constant_true;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{
    Area, Criterion, Meta, Missing, Population, Responsibility, Severity, Verdict,
};

declare_check! {
    /// ## What it checks
    /// No permissive policy has a `USING` condition that lets a tenant's session read, update or delete every row of another
    /// tenant. The condition is evaluated, in SQL's three-valued logic, for a row of one tenant in a session of another, whatever
    /// the row's other columns hold: `tenant_id IS NOT NULL`, a column that is `NOT NULL` tested for it, `current_setting('app.tenant')
    /// IS NOT NULL`, `tenant_id = .. OR tenant_id <> ''`, a `CASE` all of whose branches are true. Constants, which say the same
    /// without looking at anything, are RLS-05; conditions on rows that are written are RLS-09. Restrictive policies that deny, for
    /// the same roles and command, keep it shut. Left out are policies approved as in RLS-05.
    ///
    /// A condition that is true for some rows only (`is_public`) is a decision and not reported. What a function returns is not
    /// known here: one that is compared with the tenant column is taken to return the session's tenant, any other makes the
    /// condition one that is not reported.
    ///
    /// ## Why it matters
    /// Such a condition has a column of the table in it and reads like a filter: it survives review, and a search for `USING (true)`
    /// does not find it. Every row of every tenant is visible through it.
    ///
    /// ## How to fix it
    /// Compare the row's tenant with the session's: `USING (tenant_id = (SELECT nullif(current_setting('app.tenant', true), '')::uuid))`.
    /// If everybody may see the table, say so in `tenancy.shared`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.8, Row Security Policies (number of version 15)
    pub Tautologies {
        id: "RLS-06",
        name: "tautologies",
        title: "No policy's condition holds for every tenant's rows",
        severity: Severity::Critical,
        criteria: &[Criterion::Cc6_1],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for Tautologies {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let bound = Bound::new(context)?;
        let (databases, not_seen) =
            in_each(context, |database| PolicySet::join(context, database))?;
        let count = databases.iter().map(PolicySet::count).sum();
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no table with row-level security has a permissive policy".to_owned(),
            ));
        }
        let mut findings = Vec::new();
        for set in &databases {
            for (table, read) in set.permissive(context, &bound) {
                let Some(door) = opens(set, &bound, table, read) else {
                    continue;
                };
                let says = format!(
                    "lets a tenant {} every row of every other tenant: its USING condition is true whatever the row and the session hold",
                    door.verb()
                );
                let trouble = Trouble {
                    severity: set.severity(&bound, table, read.policy, door),
                    cause: "a policy's condition is true for every row",
                    says,
                    remediation: set.repaired(table, read.policy, door),
                };
                findings.push(set.finding(&bound, table, read.policy, trouble));
            }
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "permissive policies",
            },
            findings,
            not_seen,
        })
    }
}

fn opens(
    set: &PolicySet<'_>,
    bound: &Bound<'_>,
    table: &Table<'_>,
    read: &ReadPolicy<'_>,
) -> Option<Door> {
    if is_constant_true(&read.policy.using_expression) {
        return None;
    }
    let finds = |door: &(Door, &[_], Side)| {
        let (_, commands, side) = door;
        *side == Side::Using
            && commands.iter().any(|command| {
                set.outcomes(bound, table, read, *command, *side, Session::TENANT)
                    .is_some_and(super::expression::Outcomes::is_certain)
            })
    };
    Door::ALL.iter().find(|door| finds(door)).map(|door| door.0)
}
