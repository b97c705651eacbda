//! Multi-tenant tables without row-level security.

use super::family::Family;
use super::grants::{Bound, Grants, listed};
use super::in_each;
use crate::check::{Check, declare_check};
use crate::context::Context;
use crate::tenancy::{Source, TenantTable, unknown_tables};
use pgattest_model::facts::{Acl, DatabaseFacts, Inheritance, Oid, Policy};
use pgattest_model::ident::{quote_ident, quote_literal};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Seen,
    Severity, Subject, SubjectKind, Verdict,
};
use std::collections::BTreeSet;

declare_check! {
    /// ## What it checks
    /// Every table that holds rows of several tenants has row-level security enabled. Which tables those are is said by
    /// `[tenancy]` in `pgattest.toml`: `column` names the column that holds a row's tenant, `tables` adds tables without it,
    /// `shared` takes out tables that all tenants share. Without a declared column it is inferred, for each database: the
    /// columns by which existing policies tell tenants apart, and names that say tenant (`tenant_id`, `tenantId`) on several
    /// tables; where there is neither, names that tenants often go by (`org_id`, `workspace_id`, `account_id`, `customer_id` ..).
    /// A schema none of whose tables carries such a column is looked at by itself. A finding says how the column is known.
    ///
    /// A partition or inheritance child is reported only when somebody holds privileges on it directly, or its owner can log in
    /// while the parent forces its policies on owners: a query on its parent is bound by the parent's policies. A temporary table or one that an extension made is no tenant table.
    ///
    /// Where a database has tables, nothing is declared and nothing can be inferred, the verdict is no pass but `not assessed`: no
    /// tool can know that there are no tenants. A cluster that serves one tenant says so with `single_tenant = true`.
    ///
    /// ## Why it matters
    /// Without row-level security each query has to filter by tenant itself. One that forgets, or one that an attacker can write,
    /// returns the rows of every tenant.
    ///
    /// ## How to fix it
    /// Create a policy first, then enable it: enabling without a policy hides every row. Try it where the application is tested;
    /// jobs that work across tenants need a role of their own. The finding carries statements to begin with.
    ///
    /// ## References
    /// - PostgreSQL 16 documentation, chapter 5.8, Row Security Policies
    pub TenantTables {
        id: "RLS-01",
        name: "tenant-tables",
        title: "Every multi-tenant table has row-level security enabled",
        severity: Severity::Critical,
        criteria: &[Criterion::Cc6_1, Criterion::C1_1],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

const UNKNOWN: &str = "nobody said which column holds a row's tenant, and neither policies nor column names tell; \
                       declare tenancy.column (or tenancy.single_tenant) in pgattest.toml";

impl Check for TenantTables {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        if context.policy.tenancy.single_tenant {
            return Ok(Verdict::NotApplicable(
                "the policy file declares a single tenant".to_owned(),
            ));
        }
        let (databases, mut not_seen) =
            in_each(context, |database| Inside::join(context, database))?;
        let bound = Bound::new(context)?;
        let tenants: usize = databases.iter().map(|inside| inside.tenants.len()).sum();
        let tables: usize = databases.iter().map(|inside| inside.tables).sum();
        not_seen.extend(unknown_tables(context).into_iter().map(|name| {
            Missing::because(format!("tenancy.tables in the policy file names {name}, and no table that was seen is called so"))
        }));

        let unknown: Vec<&Inside<'_>> = databases
            .iter()
            .filter(|inside| inside.tables > 0 && !inside.is_known)
            .collect();
        if tenants == 0 && not_seen.is_empty() {
            let shared = databases.iter().any(|inside| inside.shares_any);
            return without_tenant_tables(context, tables, !unknown.is_empty(), shared);
        }
        not_seen.extend(unknown.into_iter().map(|inside| {
            Missing::because(format!(
                "in database {} {UNKNOWN}",
                quote_ident(&inside.database.name)
            ))
        }));
        let findings = databases
            .iter()
            .flat_map(|inside| inside.findings(context, &bound))
            .collect();
        Ok(Verdict::Assessed {
            population: Population {
                count: tenants,
                of: "multi-tenant tables",
            },
            findings,
            not_seen,
        })
    }
}

/// What it means that no table holds rows of several tenants, when everything was seen.
fn without_tenant_tables(
    context: &Context<'_>,
    tables: usize,
    unknown: bool,
    shared: bool,
) -> Result<Verdict, Missing> {
    if tables == 0 {
        return Ok(Verdict::NotApplicable("there are no tables".to_owned()));
    }
    if unknown {
        return Err(Missing::because(UNKNOWN));
    }
    if shared {
        return Ok(Verdict::NotApplicable(
            "every table with a tenant column is declared as shared".to_owned(),
        ));
    }
    let column = context.policy.tenancy.column.as_deref().unwrap_or_default();
    Err(Missing::because(format!(
        "no table has the tenant column {} that tenancy.column declares",
        quote_ident(column)
    )))
}

/// What is looked at in one database.
struct Inside<'a> {
    database: &'a DatabaseFacts,
    /// How many tables there are, multi-tenant or not.
    tables: usize,
    /// Whether it is known which of them are.
    is_known: bool,
    /// Whether a table would be multi-tenant, were it not declared as shared.
    shares_any: bool,
    tenants: Vec<TenantTable<'a>>,
    relations: &'a ObservationId,
    columns: &'a ObservationId,
    policy_columns: &'a ObservationId,
    acls: Seen<'a, Vec<Acl>>,
    inheritance: Seen<'a, Vec<Inheritance>>,
    policies: Seen<'a, Vec<Policy>>,
}

impl<'a> Inside<'a> {
    fn join(context: &Context<'_>, database: &'a DatabaseFacts) -> Result<Self, Missing> {
        let relations = database.relations.here()?;
        Ok(Self {
            database,
            relations: relations.from,
            columns: database.columns.here()?.from,
            policy_columns: database.policy_columns.here()?.from,
            tables: relations
                .iter()
                .filter(|relation| relation.can_have_policies() && relation.extension == 0)
                .count(),
            is_known: context.tenancy().is_known(database, context.policy),
            shares_any: context.tenancy().shares_any(database, context.policy),
            tenants: context
                .tenancy()
                .tables(database, context.policy)
                .unwrap_or_default(),
            acls: database.acls.here()?,
            inheritance: database.inheritance.here()?,
            policies: database.policies.here()?,
        })
    }

    fn findings(&self, context: &Context<'_>, bound: &Bound<'_>) -> Vec<Finding> {
        let grants = Grants::new(self.acls.value);
        let tenants: BTreeSet<Oid> = self
            .tenants
            .iter()
            .map(|table| table.relation.oid)
            .collect();
        let with_policies: BTreeSet<Oid> =
            self.policies.iter().map(|policy| policy.relation).collect();
        let forced: BTreeSet<Oid> = self
            .tenants
            .iter()
            .filter(|table| table.relation.row_security && table.relation.force_row_security)
            .map(|table| table.relation.oid)
            .collect();
        let family = Family::new(self.inheritance.value);
        self.tenants
            .iter()
            .filter(|table| !table.relation.row_security)
            .filter(|table| {
                let owner = bound.owner(table.relation, self.database);
                !family.descends_from(table.relation.oid, &tenants)
                    || !bound.users(table.relation, &grants).is_empty()
                    || (family.descends_from(table.relation.oid, &forced)
                        && bound.login(owner).is_some())
            })
            .map(|table| {
                self.finding(
                    context,
                    bound,
                    &grants,
                    table,
                    with_policies.contains(&table.relation.oid),
                )
            })
            .collect()
    }

    fn finding(
        &self,
        context: &Context<'_>,
        bound: &Bound<'_>,
        grants: &Grants<'_>,
        table: &TenantTable<'_>,
        has_policies: bool,
    ) -> Finding {
        let name = table.relation.sql_name();
        let owner = bound.owner(table.relation, self.database);
        let mut users = bound.users(table.relation, grants);
        if let Some(login) = bound.login(owner) {
            users.push(format!("{} as its owner", quote_ident(&login.name)));
        }
        let (severity, open_to) = match (users.is_empty(), table.source) {
            (true, _) => (
                Severity::Medium,
                "nobody but superusers is given access to it".to_owned(),
            ),
            (false, Source::Name) => (Severity::High, format!("open to {}", listed(&users))),
            (false, Source::Declared | Source::Policies) => {
                (Severity::Critical, format!("open to {}", listed(&users)))
            }
        };
        let known = match table.column {
            Some(column) => format!(
                "has the tenant column {} ({})",
                quote_ident(&column.name),
                table.source.words()
            ),
            None => "is declared as multi-tenant".to_owned(),
        };
        let cause = match table.source {
            Source::Name => "row-level security is off on a table that looks multi-tenant",
            Source::Declared | Source::Policies => {
                "row-level security is off on a multi-tenant table"
            }
        };
        let mut observations = vec![
            self.relations.clone(),
            self.columns.clone(),
            self.inheritance.from.clone(),
            self.acls.from.clone(),
        ];
        if table.source == Source::Policies {
            observations.extend([self.policies.from.clone(), self.policy_columns.clone()]);
        }
        Finding {
            cause: cause.to_owned(),
            detail: format!(
                "{} {name} {known} and no row-level security; {open_to}",
                table.relation.kind.as_str()
            ),
            severity,
            observations,
            remediation: remediation(context, table, &name, has_policies),
            subject: Subject::in_database(SubjectKind::Relation, self.database.name.clone(), name),
        }
    }
}

fn remediation(
    context: &Context<'_>,
    table: &TenantTable<'_>,
    name: &str,
    has_policies: bool,
) -> String {
    let enable = format!(
        "ALTER TABLE {name} ENABLE ROW LEVEL SECURITY; ALTER TABLE {name} FORCE ROW LEVEL SECURITY;"
    );
    match table.column {
        _ if has_policies => enable,
        Some(column) => {
            let setting = context
                .policy
                .tenancy
                .setting
                .as_deref()
                .unwrap_or("app.current_tenant");
            format!(
                "CREATE POLICY tenant_isolation ON {name} USING ({} = (SELECT current_setting({})::{})); {enable}",
                quote_ident(&column.name),
                quote_literal(setting),
                column.type_name
            )
        }
        None => {
            format!("create a policy that limits {name} to the rows of one tenant, then {enable}")
        }
    }
}
