//! The policies of one database, read and ready to be evaluated.

use super::constant_policies::{is_intended, narrows};
use super::expression::{Expression, Outcomes, Scenario, Session, Sources, Tenant};
use super::grants::{Bound, Grants, listed};
use super::{covers, is_protected};
use crate::context::Context;
use crate::tenancy::TenantTable;
use pgattest_model::facts::{DatabaseFacts, Oid, Policy, PolicyCommand, PolicyFunction, Relation};
use pgattest_model::ident::{qualified, quote_ident, quote_literal};
use pgattest_model::{Collected, Finding, Missing, ObservationId, Severity, Subject, SubjectKind};
use std::collections::{BTreeMap, BTreeSet};

/// The policies of the tables of one database that have row-level security, without those of extensions.
pub(super) struct PolicySet<'a> {
    pub(super) database: &'a DatabaseFacts,
    tables: BTreeMap<Oid, Table<'a>>,
    grants: Grants<'a>,
    pub(super) sources: Sources,
    observations: Vec<ObservationId>,
    /// Whether it is known which tables are multi-tenant.
    tenants_known: bool,
}

/// One table with its policies.
pub(super) struct Table<'a> {
    pub(super) relation: &'a Relation,
    /// `None` when it is not multi-tenant, or nobody knows.
    tenant: Option<TenantTable<'a>>,
    not_null: BTreeSet<String>,
    policies: Vec<ReadPolicy<'a>>,
}

/// One policy with its expressions read.
pub(super) struct ReadPolicy<'a> {
    pub(super) policy: &'a Policy,
    pub(super) using: Option<Expression>,
    /// The condition on rows that are written: its own, or `USING` where that stands in for it.
    pub(super) check: Option<Expression>,
}

/// What is wrong with a policy.
pub(super) struct Trouble<'a> {
    pub(super) severity: Severity,
    pub(super) cause: &'a str,
    /// Follows the policy's name, command, roles and table.
    pub(super) says: String,
    pub(super) remediation: String,
}

/// Which rows a condition is on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    /// Those that are found.
    Using,
    /// Those that are written.
    Check,
}

/// What a policy opens, the worst first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Door {
    Reading,
    Changing,
    Writing,
}

impl Door {
    /// Each with the commands that go through it and the condition that guards it.
    pub(super) const ALL: [(Self, &'static [PolicyCommand], Side); 3] = [
        (Self::Reading, &[PolicyCommand::Select], Side::Using),
        (
            Self::Changing,
            &[PolicyCommand::Update, PolicyCommand::Delete],
            Side::Using,
        ),
        (
            Self::Writing,
            &[PolicyCommand::Insert, PolicyCommand::Update],
            Side::Check,
        ),
    ];

    /// The clause that guards it.
    pub(super) const fn clause(self) -> &'static str {
        match self {
            Self::Reading | Self::Changing => "USING",
            Self::Writing => "WITH CHECK",
        }
    }

    /// What it lets a session do: completes "lets a session ..".
    pub(super) const fn verb(self) -> &'static str {
        match self {
            Self::Reading => "read",
            Self::Changing => "change",
            Self::Writing => "write",
        }
    }
}

impl<'a> PolicySet<'a> {
    pub(super) fn join(
        context: &Context<'a>,
        database: &'a DatabaseFacts,
    ) -> Result<Self, Missing> {
        let relations = database.relations.here()?;
        let columns = database.columns.here()?;
        let policies = database.policies.here()?;
        let functions = database.policy_functions.here()?;
        let acls = database.acls.here()?;
        let tenancy = context.tenancy();
        let tenants_known = tenancy.is_known(database, context.policy);
        let mut tenants: BTreeMap<Oid, TenantTable<'a>> = tenancy
            .tables(database, context.policy)
            .unwrap_or_default()
            .into_iter()
            .map(|table| (table.relation.oid, table))
            .collect();
        let mut tables: BTreeMap<Oid, Table<'a>> = relations
            .value
            .iter()
            .filter(|relation| is_protected(relation))
            .map(|relation| {
                let table = Table {
                    relation,
                    tenant: tenants.remove(&relation.oid),
                    not_null: BTreeSet::new(),
                    policies: Vec::new(),
                };
                (relation.oid, table)
            })
            .collect();
        for column in columns.iter().filter(|column| column.not_null) {
            if let Some(table) = tables.get_mut(&column.relation) {
                table.not_null.insert(column.name.clone());
            }
        }
        for policy in policies.value {
            if let Some(table) = tables.get_mut(&policy.relation) {
                table.policies.push(ReadPolicy::new(policy));
            }
        }
        tables.retain(|_, table| !table.policies.is_empty());
        let sources = sources(context, database, functions.value, &tables);
        Ok(Self {
            database,
            tables,
            grants: Grants::new(acls.value),
            sources,
            observations: vec![
                policies.from.clone(),
                relations.from.clone(),
                columns.from.clone(),
                functions.from.clone(),
                acls.from.clone(),
            ],
            tenants_known,
        })
    }

    /// Permissive policies that nobody approved to let everything through, with their tables.
    pub(super) fn permissive<'b>(
        &'b self,
        context: &'b Context<'_>,
        bound: &'b Bound<'_>,
    ) -> impl Iterator<Item = (&'b Table<'a>, &'b ReadPolicy<'a>)> {
        self.tables.values().flat_map(move |table| {
            table
                .policies
                .iter()
                .filter(move |read| {
                    read.policy.permissive
                        && !is_intended(context, bound, self.database, read.policy, table.relation)
                })
                .map(move |read| (table, read))
        })
    }

    /// How many permissive policies there are.
    pub(super) fn count(&self) -> usize {
        self.tables
            .values()
            .flat_map(|table| &table.policies)
            .filter(|read| read.policy.permissive)
            .count()
    }

    /// What one condition of a policy comes out as for a row of another tenant, with the restrictive policies that have their
    /// say wherever this one has, and without what other permissive policies open. One of those that fails, fails the statement.
    pub(super) fn outcomes(
        &self,
        bound: &Bound<'_>,
        table: &Table<'_>,
        read: &ReadPolicy<'_>,
        command: PolicyCommand,
        side: Side,
        session: Session,
    ) -> Option<Outcomes> {
        if !covers(read.policy, command) {
            return None;
        }
        let scenario = self.scenario(table, session);
        let mut outcomes = read.side(side)?.outcomes(&scenario);
        let beside = table.policies.iter().filter(|other| {
            other.policy.oid != read.policy.oid
                && narrows(bound, other.policy, read.policy, command)
        });
        for other in beside {
            let Some(theirs) = other
                .side(side)
                .map(|expression| expression.outcomes(&scenario))
            else {
                continue;
            };
            if !other.policy.permissive {
                outcomes = outcomes.and(theirs);
            } else if theirs.fails && !theirs.yes && !theirs.no && !theirs.null {
                outcomes = theirs;
            }
        }
        Some(outcomes)
    }

    /// What a role that a policy is for can read of another tenant's rows, through all policies together.
    pub(super) fn reading(
        &self,
        bound: &Bound<'_>,
        table: &Table<'_>,
        read: &ReadPolicy<'_>,
        session: Session,
    ) -> Option<Outcomes> {
        let scenario = self.scenario(table, session);
        let mut seen: Option<Outcomes> = None;
        let mut narrowed: Option<Outcomes> = None;
        let having_a_say = table
            .policies
            .iter()
            .filter(|other| narrows(bound, other.policy, read.policy, PolicyCommand::Select));
        for other in having_a_say {
            let Some(theirs) = other.using.as_ref().map(|using| using.outcomes(&scenario)) else {
                continue;
            };
            if other.policy.permissive {
                seen = Some(seen.map_or(theirs, |so_far| so_far.or(theirs)));
            } else {
                narrowed = Some(narrowed.map_or(theirs, |so_far| so_far.and(theirs)));
            }
        }
        match (seen, narrowed) {
            (Some(seen), Some(narrowed)) => Some(seen.and(narrowed)),
            (seen, _) => seen,
        }
    }

    fn scenario<'b>(&'b self, table: &'b Table<'_>, session: Session) -> Scenario<'b> {
        Scenario {
            table: &table.relation.name,
            tenant_column: table.tenant_column(),
            not_null: &table.not_null,
            row: Tenant::Foreign,
            session,
            sources: &self.sources,
        }
    }

    /// How bad it is that a policy opens this door.
    pub(super) fn severity(
        &self,
        bound: &Bound<'_>,
        table: &Table<'_>,
        policy: &Policy,
        door: Door,
    ) -> Severity {
        if policy.roles.iter().all(|role| !bound.is_live(*role)) {
            Severity::Low
        } else if self.tenants_known && table.tenant.is_none() {
            Severity::Medium
        } else if door == Door::Reading
            && table.tenant.is_some()
            && !bound.users(table.relation, &self.grants).is_empty()
        {
            Severity::Critical
        } else {
            Severity::High
        }
    }

    /// A finding on a policy.
    pub(super) fn finding(
        &self,
        bound: &Bound<'_>,
        table: &Table<'_>,
        policy: &Policy,
        trouble: Trouble<'_>,
    ) -> Finding {
        let Trouble {
            severity,
            cause,
            says,
            remediation,
        } = trouble;
        let (policy_name, table_name) = (quote_ident(&policy.name), table.relation.sql_name());
        let roles: Vec<String> = policy.roles.iter().map(|role| bound.name(*role)).collect();
        Finding {
            cause: cause.to_owned(),
            detail: format!(
                "policy {policy_name} for {} to {} on {table_name} {says}",
                policy.command.as_str(),
                listed(&roles)
            ),
            severity,
            observations: self.observations.clone(),
            remediation,
            subject: Subject::in_database(
                SubjectKind::Policy,
                self.database.name.clone(),
                format!("{policy_name} ON {table_name}"),
            ),
        }
    }

    /// The statement that makes a clause of a policy ask for the tenant, or a sentence where it is not known how to ask.
    pub(super) fn repaired(&self, table: &Table<'_>, policy: &Policy, door: Door) -> String {
        let clause = door.clause();
        let (policy_name, table_name) = (quote_ident(&policy.name), table.relation.sql_name());
        let column = table.tenant.and_then(|tenant| tenant.column);
        match (column, self.sources.settings.first()) {
            (Some(column), Some(setting)) => format!(
                "ALTER POLICY {policy_name} ON {table_name} {clause} ({} = (SELECT nullif(current_setting({}, true), '')::{}));",
                quote_ident(&column.name),
                quote_literal(setting),
                column.type_name
            ),
            _ => format!(
                "write the {clause} condition of {policy_name} on {table_name} so that it is false or NULL unless the session names the row's tenant"
            ),
        }
    }

    /// What could not be decided about policies because they ask what cannot be known from their text.
    pub(super) fn undecided(
        &self,
        policies: &[(&Table<'_>, &ReadPolicy<'_>)],
        when: &str,
    ) -> Option<Missing> {
        if policies.is_empty() {
            return None;
        }
        let mut parts = BTreeSet::new();
        let mut names = BTreeSet::new();
        for (table, read) in policies {
            names.insert(format!(
                "{} ON {}",
                quote_ident(&read.policy.name),
                table.relation.sql_name()
            ));
            for expression in [&read.using, &read.check].into_iter().flatten() {
                parts.extend(expression.unknown_parts(&self.sources));
            }
        }
        let listed_names = listed(&names.into_iter().collect::<Vec<_>>());
        let listed_parts = listed(&parts.into_iter().collect::<Vec<_>>());
        Some(Missing::because(format!(
            "in database {} the text of {listed_names} does not tell what happens {when}: it asks {}",
            quote_ident(&self.database.name),
            if listed_parts.is_empty() {
                "what is not understood here".to_owned()
            } else {
                listed_parts
            }
        )))
    }
}

impl<'a> ReadPolicy<'a> {
    fn new(policy: &'a Policy) -> Self {
        let using = policy
            .has_using
            .then(|| Expression::read(&policy.using_expression));
        let check = if policy.has_check {
            Some(Expression::read(&policy.check_expression))
        } else if matches!(policy.command, PolicyCommand::All | PolicyCommand::Update) {
            using.clone()
        } else {
            None
        };
        Self {
            policy,
            using,
            check,
        }
    }

    const fn side(&self, side: Side) -> Option<&Expression> {
        match side {
            Side::Using => self.using.as_ref(),
            Side::Check => self.check.as_ref(),
        }
    }

    /// Settings that the policy reads, as a person writes them: `app.tenant`.
    pub(super) fn settings(&self, sources: &Sources) -> String {
        let mut found = BTreeSet::new();
        for expression in [&self.using, &self.check].into_iter().flatten() {
            found.extend(expression.settings(sources));
        }
        if found.is_empty() {
            return "the tenant's setting".to_owned();
        }
        listed(&found.into_iter().collect::<Vec<_>>())
    }
}

impl Table<'_> {
    pub(super) fn tenant_column(&self) -> Option<&str> {
        Some(self.tenant?.column?.name.as_str())
    }
}

/// Where the tenant comes from in this database.
fn sources(
    context: &Context<'_>,
    database: &DatabaseFacts,
    functions: &[PolicyFunction],
    tables: &BTreeMap<Oid, Table<'_>>,
) -> Sources {
    let mut sources = Sources {
        configured: configured(context, database),
        ..Sources::default()
    };
    if let Some(setting) = &context.policy.tenancy.setting {
        sources.settings.insert(setting.to_ascii_lowercase());
    }
    for function in functions {
        if let Some(body) = Expression::read_body(&function.setting_read) {
            sources
                .bodies
                .insert(qualified(&function.schema_name, &function.name), body);
        }
    }
    for table in tables.values() {
        let Some(column) = table.tenant_column() else {
            continue;
        };
        for read in &table.policies {
            for expression in [&read.using, &read.check].into_iter().flatten() {
                expression.link(&table.relation.name, column, &mut sources);
            }
        }
    }
    sources
}

/// Settings of the application's own that every session of this database starts with.
fn configured(context: &Context<'_>, database: &DatabaseFacts) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if let Collected::Here { value, .. } = &context.facts.settings {
        names.extend(
            value
                .iter()
                .filter(|setting| setting.source == "configuration file")
                .map(|setting| setting.name.to_ascii_lowercase()),
        );
    }
    if let Collected::Here { value, .. } = &context.facts.role_settings {
        names.extend(
            value
                .iter()
                .filter(|row| row.role == 0 && (row.database == 0 || row.database == database.oid))
                .map(|row| row.name.to_ascii_lowercase()),
        );
    }
    names
}

/// How far a door is open: 0 shut, 1 for some rows, 2 for every row.
pub(super) const fn openness(outcomes: Outcomes) -> u8 {
    if outcomes.is_certain() {
        2
    } else if outcomes.is_refused() {
        0
    } else {
        1
    }
}
