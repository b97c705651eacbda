//! Policies that let every row through.

use super::grants::{Bound, Grants, listed};
use super::predicate::is_constant_true;
use super::{covers, in_each};
use crate::check::{Check, declare_check};
use crate::context::Context;
use crate::tenancy::is_listed;
use pgattest_model::facts::{Acl, DatabaseFacts, Oid, PUBLIC, Policy, PolicyCommand, Relation};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Seen, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

declare_check! {
    /// ## What it checks
    /// No permissive policy lets every row through: neither its `USING` (rows that are read, updated or deleted, `SELECT`
    /// included) nor its `WITH CHECK` (rows that are written) is true whatever the row: the constant, a comparison of constants
    /// (`1 = 1`), a column compared with itself, or any of these behind an `OR`. Permissive policies are joined by OR, so one such
    /// policy takes the others away. Left out are: policies whose commands are narrowed again, for the same roles, by a
    /// restrictive policy that is not constant itself; policies only for roles on the approved list `access.bypass_rls`; tables
    /// listed in `tenancy.shared`; tables that an extension made.
    ///
    /// A policy only for roles that bypass row-level security anyway is of low severity; so is one on a table that is not
    /// multi-tenant, when it is known which tables are. Where row-level security is off, the policy waits to be enabled: medium.
    /// Conditions that come out true by what a function returns or a table holds (`EXISTS (SELECT 1 FROM ..)`) are not recognised
    /// here.
    ///
    /// ## Why it matters
    /// Such a policy is mostly left from a first try, or made so that a report works. The tenant's own policy beside it still
    /// reads well, and every row of every tenant is visible. A `WITH CHECK` of that kind lets one tenant write rows into another.
    ///
    /// ## How to fix it
    /// Drop the policy, or put the tenant's condition into it. If everybody may read the table, say so: list it in
    /// `tenancy.shared`. If an administrator's role needs every row, approve it in `access.bypass_rls`.
    ///
    /// ## References
    /// - PostgreSQL 16 documentation, chapter 5.8, Row Security Policies; SQL command CREATE POLICY
    pub ConstantPolicies {
        id: "RLS-05",
        name: "constant-policies",
        title: "No policy lets every row through",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for ConstantPolicies {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let bound = Bound::new(context)?;
        let (databases, not_seen) = in_each(context, |database| Inside::join(context, database))?;
        let count = databases
            .iter()
            .map(|inside| inside.permissive().count())
            .sum();
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "there are no permissive policies".to_owned(),
            ));
        }
        let findings = databases
            .iter()
            .flat_map(|inside| inside.findings(context, &bound))
            .collect();
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

/// What a constant policy opens.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Opens {
    /// Rows are found by SELECT.
    Reading,
    /// Rows are found by UPDATE or DELETE only.
    Changing,
    /// Any new row is accepted.
    Writing,
}

struct Inside<'a> {
    database: &'a DatabaseFacts,
    /// Tables that are not an extension's, by object identifier.
    tables: BTreeMap<Oid, &'a Relation>,
    relations: Seen<'a, Vec<Relation>>,
    policies: Seen<'a, Vec<Policy>>,
    acls: Seen<'a, Vec<Acl>>,
    /// `None` when nobody knows which tables are multi-tenant.
    tenants: Option<BTreeSet<Oid>>,
}

impl<'a> Inside<'a> {
    fn join(context: &Context<'_>, database: &'a DatabaseFacts) -> Result<Self, Missing> {
        let relations = database.relations.here()?;
        let tenancy = context.tenancy();
        let tenants = tenancy
            .is_known(database, context.policy)
            .then(|| tenancy.tables(database, context.policy))
            .flatten();
        Ok(Self {
            database,
            tables: relations
                .value
                .iter()
                .filter(|relation| relation.extension == 0)
                .map(|relation| (relation.oid, relation))
                .collect(),
            relations,
            policies: database.policies.here()?,
            acls: database.acls.here()?,
            tenants: tenants.map(|tables| tables.iter().map(|table| table.relation.oid).collect()),
        })
    }

    fn permissive(&self) -> impl Iterator<Item = (&'a Policy, &'a Relation)> {
        let policies = self
            .policies
            .value
            .iter()
            .filter(|policy| policy.permissive);
        policies.filter_map(|policy| Some((policy, *self.tables.get(&policy.relation)?)))
    }

    fn findings(&self, context: &Context<'_>, bound: &Bound<'_>) -> Vec<Finding> {
        let mut restrictive: BTreeMap<Oid, Vec<&Policy>> = BTreeMap::new();
        for policy in self
            .policies
            .value
            .iter()
            .filter(|policy| !policy.permissive)
        {
            restrictive.entry(policy.relation).or_default().push(policy);
        }
        let grants = Grants::new(self.acls.value);
        self.permissive()
            .filter(|(policy, table)| !is_intended(context, bound, self.database, policy, table))
            .filter_map(|(policy, table)| {
                let narrowing = restrictive.get(&table.oid).map_or(&[][..], Vec::as_slice);
                let opens = opens(bound, policy, narrowing)?;
                Some(self.finding(bound, &grants, policy, table, opens))
            })
            .collect()
    }

    fn finding(
        &self,
        bound: &Bound<'_>,
        grants: &Grants<'_>,
        policy: &Policy,
        table: &Relation,
        opens: Opens,
    ) -> Finding {
        let (policy_name, table_name) = (quote_ident(&policy.name), table.sql_name());
        let roles: Vec<String> = policy.roles.iter().map(|role| bound.name(*role)).collect();
        let (cause, lets, clause) = match opens {
            Opens::Reading => (
                "a policy lets every row be read",
                "lets every row be read",
                "USING",
            ),
            Opens::Changing => (
                "a policy lets every row be changed",
                "lets every row be changed",
                "USING",
            ),
            Opens::Writing => (
                "a policy accepts every new row",
                "accepts any row that is written",
                "WITH CHECK",
            ),
        };
        Finding {
            cause: cause.to_owned(),
            detail: format!(
                "policy {policy_name} for {} to {} on {table_name} {lets}: its {clause} condition is always true",
                policy.command.as_str(),
                listed(&roles)
            ),
            severity: self.severity(bound, grants, policy, table, opens),
            observations: vec![
                self.policies.from.clone(),
                self.relations.from.clone(),
                self.acls.from.clone(),
            ],
            remediation: format!("DROP POLICY {policy_name} ON {table_name};"),
            subject: Subject::in_database(
                SubjectKind::Policy,
                self.database.name.clone(),
                format!("{policy_name} ON {table_name}"),
            ),
        }
    }

    fn severity(
        &self,
        bound: &Bound<'_>,
        grants: &Grants<'_>,
        policy: &Policy,
        table: &Relation,
        opens: Opens,
    ) -> Severity {
        let is_tenants = self
            .tenants
            .as_ref()
            .map(|tenants| tenants.contains(&table.oid));
        if is_tenants == Some(false) || policy.roles.iter().all(|role| !bound.is_live(*role)) {
            Severity::Low
        } else if !table.row_security {
            Severity::Medium
        } else if opens == Opens::Reading
            && is_tenants == Some(true)
            && !bound.users(table, grants).is_empty()
        {
            Severity::Critical
        } else {
            Severity::High
        }
    }
}

/// Whether somebody decided that every row be let through.
pub(super) fn is_intended(
    context: &Context<'_>,
    bound: &Bound<'_>,
    database: &DatabaseFacts,
    policy: &Policy,
    table: &Relation,
) -> bool {
    let approved = context.policy.access.bypass_rls.as_ref();
    let for_approved_roles = policy.roles.iter().all(|role| {
        bound
            .graph()
            .name(*role)
            .is_some_and(|name| approved.is_some_and(|approved| approved.contains(name)))
    });
    for_approved_roles || is_listed(&context.policy.tenancy.shared, database, table)
}

/// What the policy opens that no restrictive policy closes again; the worst. `None` when it opens nothing.
fn opens(bound: &Bound<'_>, policy: &Policy, restrictive: &[&Policy]) -> Option<Opens> {
    use PolicyCommand::{Delete, Insert, Select, Update};
    let found = |command: PolicyCommand| {
        policy.has_using
            && covers(policy, command)
            && is_constant_true(&policy.using_expression)
            && !restrictive
                .iter()
                .any(|other| narrows(bound, other, policy, command) && is_condition(using(other)))
    };
    let written = |command: PolicyCommand| {
        covers(policy, command)
            && check(policy).is_some_and(is_constant_true)
            && !restrictive
                .iter()
                .any(|other| narrows(bound, other, policy, command) && is_condition(check(other)))
    };
    if found(Select) {
        Some(Opens::Reading)
    } else if found(Update) || found(Delete) {
        Some(Opens::Changing)
    } else if written(Insert) || written(Update) {
        Some(Opens::Writing)
    } else {
        None
    }
}

/// Whether a restrictive policy has its say wherever the permissive one has, for this command.
pub(super) fn narrows(
    bound: &Bound<'_>,
    restrictive: &Policy,
    permissive: &Policy,
    command: PolicyCommand,
) -> bool {
    covers(restrictive, command)
        && permissive.roles.iter().all(|role| {
            restrictive.roles.contains(&PUBLIC)
                || (*role != PUBLIC && bound.applies(&restrictive.roles, *role))
        })
}

fn using(policy: &Policy) -> Option<&str> {
    policy.has_using.then_some(policy.using_expression.as_str())
}

/// The condition on rows that are written: for ALL and UPDATE it is `USING` unless there is a `WITH CHECK`.
fn check(policy: &Policy) -> Option<&str> {
    if policy.has_check {
        return Some(&policy.check_expression);
    }
    matches!(policy.command, PolicyCommand::All | PolicyCommand::Update)
        .then(|| using(policy))
        .flatten()
}

fn is_condition(expression: Option<&str>) -> bool {
    expression.is_some_and(|expression| !is_constant_true(expression))
}
