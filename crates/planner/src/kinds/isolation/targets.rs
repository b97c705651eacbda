//! Which tables are to get row-level security, and how.

use super::condition::TenantCondition;
use super::what_if::{Found, WhatIf, findings};
use crate::planning::Planning;
use pgattest_checks::rls::Family;
use pgattest_checks::tenancy::TenantTable;
use pgattest_model::facts::{DatabaseFacts, Oid, PUBLIC, Policy, PolicyCommand, Relation};
use pgattest_model::ident::quote_ident;
use pgattest_model::plan::Closes;
use pgattest_model::{Missing, Subject, SubjectKind};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A table that policies do not bind, or not its owner.
pub(super) struct Target<'a> {
    pub(super) database: &'a DatabaseFacts,
    pub(super) relation: &'a Relation,
    /// `None` when it holds no tenants' rows, or nobody knows.
    pub(super) tenant: Option<TenantTable<'a>>,
    /// The findings on it. Empty for a child that would become a way round its parent's policies.
    pub(super) closes: Vec<Closes>,
    /// What is done, or what a person has to do instead: one sentence, no period.
    pub(super) steps: Result<Steps, String>,
}

/// What is done to a table.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    /// A policy that is made first, by name.
    pub(super) policy: Option<(String, TenantCondition)>,
    pub(super) enable: bool,
    pub(super) force: bool,
}

/// Checks whose findings the steps close.
pub(super) const CHECKS: [&str; 3] = ["RLS-01", "RLS-02", "RLS-03"];

/// Checks that look at a table's policies once row-level security is enabled: what they would report has to be repaired first.
const OF_POLICIES: [&str; 5] = ["RLS-04", "RLS-06", "RLS-07", "RLS-08", "RLS-09"];

/// The tables that open findings are about, and the children that would otherwise become a way round the policies.
pub(super) fn targets<'a>(planning: &'a Planning<'_>) -> Vec<Target<'a>> {
    let mut databases = Vec::new();
    for database in &planning.context.facts.inside {
        if let Ok(inside) = Inside::join(planning, database) {
            databases.push(inside);
        }
    }
    let mut targets: Vec<Target<'a>> = databases
        .iter()
        .flat_map(|inside| inside.targets(planning))
        .collect();
    if targets.is_empty() {
        return targets;
    }
    heed_policies(planning, &databases, &mut targets);
    follow_children(planning, &databases, &mut targets);
    heed_policies(planning, &databases, &mut targets);
    targets
}

/// The facts once the steps are done.
pub(super) fn once_done(planning: &Planning<'_>, targets: &[Target<'_>]) -> WhatIf {
    let mut then = WhatIf::new(planning.context.facts);
    for target in targets {
        let Ok(steps) = &target.steps else {
            continue;
        };
        let (database, relation) = (target.database.oid, target.relation.oid);
        then.change_relation(database, relation, |row| {
            row.row_security |= steps.enable;
            row.force_row_security |= steps.force;
        });
        if let Some((name, condition)) = &steps.policy {
            then.change_policies(database, |policies| {
                policies.push(Policy {
                    // No policy has the table's identifier.
                    oid: relation,
                    relation,
                    name: name.clone(),
                    command: PolicyCommand::All,
                    permissive: true,
                    roles: vec![PUBLIC],
                    has_using: true,
                    using_expression: format!("({})", condition.sql),
                    has_check: true,
                    check_expression: format!("({})", condition.sql),
                });
            });
        }
    }
    then
}

/// What the checks would report once the steps are done, and do not report now.
pub(super) fn new_findings(
    planning: &Planning<'_>,
    targets: &[Target<'_>],
    checks: &[&str],
) -> Found {
    let before = findings(&planning.context, checks);
    let mut after = once_done(planning, targets).findings(planning.context.policy, checks);
    after.retain(|key, _| !before.contains_key(key));
    after
}

/// Leaves a table to a person when what its policies say would come to light only with row-level security enabled, and be wrong.
fn heed_policies(planning: &Planning<'_>, databases: &[Inside<'_>], targets: &mut [Target<'_>]) {
    let found = new_findings(planning, targets, &OF_POLICIES);
    for target in targets {
        if target.steps.is_err() {
            continue;
        }
        let name = target.relation.sql_name();
        let mut subjects = vec![(SubjectKind::Relation, name.clone())];
        if let Some(inside) = databases
            .iter()
            .find(|inside| inside.database.oid == target.database.oid)
        {
            subjects.extend(inside.policies(target.relation.oid).iter().map(|policy| {
                (
                    SubjectKind::Policy,
                    format!("{} ON {name}", quote_ident(&policy.name)),
                )
            }));
        }
        let trouble = found.iter().find(|((_, subject), _)| {
            subject.database.as_deref() == Some(target.database.name.as_str())
                && subjects
                    .iter()
                    .any(|(kind, name)| subject.kind == *kind && subject.name == *name)
        });
        if let Some(((check, _), finding)) = trouble {
            target.steps = Err(format!(
                "repair the policies of {name} before they are put in force, for {check} would report: {}",
                finding.detail
            ));
        }
    }
}

/// Adds children that become a way round the policies once those of the table above bind its owner.
fn follow_children<'a>(
    planning: &'a Planning<'_>,
    databases: &[Inside<'a>],
    targets: &mut Vec<Target<'a>>,
) {
    loop {
        let found = new_findings(planning, targets, &["RLS-01"]);
        let known: BTreeSet<(Oid, Oid)> = targets
            .iter()
            .map(|target| (target.database.oid, target.relation.oid))
            .collect();
        let mut children = Vec::new();
        for inside in databases {
            for relation in inside.relations {
                let subject = Subject::in_database(
                    SubjectKind::Relation,
                    inside.database.name.clone(),
                    relation.sql_name(),
                );
                if found.contains_key(&("RLS-01", subject))
                    && !known.contains(&(inside.database.oid, relation.oid))
                {
                    children.push((inside, inside.target(planning, relation, Vec::new(), true)));
                }
            }
        }
        if children.is_empty() {
            return;
        }
        for (inside, child) in children {
            if let Err(why) = &child.steps {
                // Forced alone, the tables above would leave this one open.
                for above in targets.iter_mut().filter(|target| {
                    target.database.oid == inside.database.oid
                        && inside.family.descends_from(
                            child.relation.oid,
                            &BTreeSet::from([target.relation.oid]),
                        )
                }) {
                    above.steps = Err(why.clone());
                }
            }
            targets.push(child);
        }
    }
}

/// One database, joined.
struct Inside<'a> {
    database: &'a DatabaseFacts,
    relations: &'a [Relation],
    policies: HashMap<Oid, Vec<&'a Policy>>,
    tenants: BTreeMap<Oid, TenantTable<'a>>,
    family: Family,
}

impl<'a> Inside<'a> {
    fn join(planning: &Planning<'_>, database: &'a DatabaseFacts) -> Result<Self, Missing> {
        let mut policies: HashMap<Oid, Vec<&Policy>> = HashMap::new();
        for policy in database.policies.here()?.value {
            policies.entry(policy.relation).or_default().push(policy);
        }
        let tenants = planning
            .context
            .tenancy()
            .tables(database, planning.context.policy);
        Ok(Self {
            database,
            relations: database.relations.here()?.value,
            policies,
            tenants: tenants
                .unwrap_or_default()
                .into_iter()
                .map(|table| (table.relation.oid, table))
                .collect(),
            family: Family::new(database.inheritance.here()?.value),
        })
    }

    fn policies(&self, relation: Oid) -> &[&'a Policy] {
        self.policies.get(&relation).map_or(&[], Vec::as_slice)
    }

    fn targets(&self, planning: &Planning<'_>) -> Vec<Target<'a>> {
        let mut problems: BTreeMap<String, Vec<Closes>> = BTreeMap::new();
        for check in CHECKS {
            for problem in planning.open(check) {
                let subject = &problem.finding.subject;
                if subject.database.as_deref() == Some(self.database.name.as_str()) {
                    problems
                        .entry(subject.name.clone())
                        .or_default()
                        .push(problem.closes());
                }
            }
        }
        self.relations
            .iter()
            .filter(|relation| relation.can_have_policies())
            .filter_map(|relation| {
                let closes = problems.remove(&relation.sql_name())?;
                let enable = closes.iter().any(|closes| closes.check != "RLS-02");
                Some(self.target(planning, relation, closes, enable))
            })
            .collect()
    }

    fn target(
        &self,
        planning: &Planning<'_>,
        relation: &'a Relation,
        closes: Vec<Closes>,
        enable: bool,
    ) -> Target<'a> {
        let tenant = self.tenants.get(&relation.oid).copied();
        Target {
            database: self.database,
            relation,
            tenant,
            closes,
            steps: self.steps(planning, relation, tenant.as_ref(), enable),
        }
    }

    fn steps(
        &self,
        planning: &Planning<'_>,
        relation: &Relation,
        tenant: Option<&TenantTable<'_>>,
        enable: bool,
    ) -> Result<Steps, String> {
        let policies = self.policies(relation.oid);
        let needs_policy = enable && !policies.iter().any(|policy| policy.permissive);
        let policy = match tenant {
            Some(tenant) if needs_policy => Some((
                free_name(policies),
                TenantCondition::new(planning, self.database, tenant)?,
            )),
            None if needs_policy => {
                return Err(format!(
                    "write a permissive policy for {} first: it has restrictive ones only, and enabling row-level security would hide every row",
                    relation.sql_name()
                ));
            }
            _ => None,
        };
        Ok(Steps {
            policy,
            enable: enable && !relation.row_security,
            force: !relation.force_row_security,
        })
    }
}

/// A name that no policy of the table has.
fn free_name(policies: &[&Policy]) -> String {
    const NAME: &str = "tenant_isolation";
    let taken = |name: &str| policies.iter().any(|policy| policy.name == name);
    if !taken(NAME) {
        return NAME.to_owned();
    }
    // One more than there are policies is enough.
    (2..policies.len() + 3)
        .map(|number| format!("{NAME}_{number}"))
        .find(|name| !taken(name))
        .unwrap_or_else(|| NAME.to_owned())
}
