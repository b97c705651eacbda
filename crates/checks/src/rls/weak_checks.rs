//! Policies that let rows be written which they would not show.

use super::expression::{Session, State, Tenant};
use super::grants::Bound;
use super::in_each;
use super::policy_set::{Door, PolicySet, ReadPolicy, Side, Table, Trouble, openness};
use super::predicate::is_constant_true;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::PolicyCommand;
use pgattest_model::{
    Area, Criterion, Meta, Missing, Population, Responsibility, Severity, Verdict,
};

declare_check! {
    /// ## What it checks
    /// No permissive policy on a table with row-level security accepts, in a session of one tenant, a row of another tenant that the
    /// session could not see. Its `WITH CHECK` condition is evaluated, in SQL's three-valued logic, for such a row, whose other columns
    /// the writer chooses: `tenant_id IS NOT NULL`, `status = 'draft'` and `tenant_id > 0` accept it. It is compared with the policy's
    /// own `USING`, and for a policy for `INSERT` with what the session can read. A policy for `ALL` or `UPDATE` without a `WITH CHECK`
    /// uses its `USING` and is as strong. Restrictive policies that deny, for the same roles and command, keep it shut. A `WITH CHECK`
    /// that is constantly true is RLS-05's. Left out are policies approved as in RLS-05.
    ///
    /// A function that is compared with the tenant column is taken to return the session's tenant. Where a query or another
    /// function decides, the text does not tell: the policy is then listed as not seen.
    ///
    /// ## Why it matters
    /// `INSERT` and `UPDATE` of one tenant then put rows into another: forged orders, a user with the attacker's password, a
    /// price. The attacker does not see them afterwards, the other tenant does. An `UPDATE` also makes rows disappear from the
    /// tenant that had them, without a deletion in any log.
    ///
    /// ## How to fix it
    /// Leave `WITH CHECK` out of policies for `ALL` and `UPDATE`, or write the tenant's condition into it; a policy for `INSERT`
    /// needs it.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.8, Row Security Policies; SQL command CREATE POLICY (number of version 15)
    pub WeakChecks {
        id: "RLS-09",
        name: "weak-checks",
        title: "No policy accepts rows of another tenant",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

/// A tenant's session that has set nothing else: what it may write needs no other setting.
const SESSION: Session = Session {
    tenant: State::Is(Tenant::Own),
    others: State::Unset,
};

impl Check for WeakChecks {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let bound = Bound::new(context)?;
        let (databases, mut not_seen) =
            in_each(context, |database| PolicySet::join(context, database))?;
        let mut findings = Vec::new();
        let mut count = 0;
        for set in &databases {
            let mut undecided = Vec::new();
            for (table, read) in set.permissive(context, &bound) {
                if read.check.is_none() {
                    continue;
                }
                count += 1;
                // Where the tenant's column is not known there is no telling whose row is written.
                if table.tenant_column().is_none() || !read.policy.has_check {
                    continue;
                }
                match judge(set, &bound, table, read) {
                    Judged::Accepts(hidden_by) => {
                        let says = format!(
                            "accepts rows of other tenants: a tenant can write a row that {hidden_by} would hide from it, because its WITH CHECK condition does not ask for the tenant"
                        );
                        let trouble = Trouble {
                            severity: set.severity(&bound, table, read.policy, Door::Writing),
                            cause: "a policy accepts rows of another tenant",
                            says,
                            remediation: set.repaired(table, read.policy, Door::Writing),
                        };
                        findings.push(set.finding(&bound, table, read.policy, trouble));
                    }
                    Judged::Undecided => undecided.push((table, read)),
                    Judged::Holds => {}
                }
            }
            not_seen.extend(set.undecided(&undecided, "when a row of another tenant is written"));
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no permissive policy is for writing".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "permissive policies for writing",
            },
            findings,
            not_seen,
        })
    }
}

enum Judged {
    /// What hides the row that was written.
    Accepts(&'static str),
    Undecided,
    Holds,
}

fn judge(
    set: &PolicySet<'_>,
    bound: &Bound<'_>,
    table: &Table<'_>,
    read: &ReadPolicy<'_>,
) -> Judged {
    if is_constant_true(&read.policy.check_expression) {
        return Judged::Holds;
    }
    let mut undecided = false;
    for command in [PolicyCommand::Insert, PolicyCommand::Update] {
        let outcomes = |side| set.outcomes(bound, table, read, command, side, SESSION);
        let Some(written) = outcomes(Side::Check) else {
            continue;
        };
        let (found, hidden_by) = match outcomes(Side::Using) {
            Some(found) => (Some(found), "its USING condition"),
            None => (
                set.reading(bound, table, read, SESSION),
                "the policies for reading",
            ),
        };
        let shown = found.map_or(0, openness);
        if openness(written) > shown {
            if written.is_certain() || !written.opaque {
                return Judged::Accepts(hidden_by);
            }
            undecided = true;
        }
    }
    if undecided {
        Judged::Undecided
    } else {
        Judged::Holds
    }
}
