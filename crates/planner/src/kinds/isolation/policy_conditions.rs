//! Policies that are open get the tenant's condition, beside what they ask already.

use super::audience::Audience;
use super::condition::TenantCondition;
use super::what_if::{Found, WhatIf, findings};
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::Planning;
use pgattest_checks::rls::{Bound, is_always_true};
use pgattest_checks::tenancy::TenantTable;
use pgattest_model::facts::{DatabaseFacts, Oid, Policy, Relation};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Closes, Impact, ImpactKind, Need, Stage};
use pgattest_model::{Missing, Subject, SubjectKind};
use std::collections::HashMap;

/// `ALTER POLICY .. USING (..) WITH CHECK (..)`.
///
/// What a policy asked is kept and the tenant's condition put before it with `AND`: whatever the policy says, it never lets more
/// through than before.
#[derive(Clone, Copy, Debug)]
pub struct PolicyConditions;

const CHECKS: [&str; 5] = ["RLS-05", "RLS-06", "RLS-07", "RLS-08", "RLS-09"];

/// The ways to mend a policy, the one that changes least first.
const WAYS: [Way; 4] = [Way::Using, Way::CheckAsUsing, Way::Check, Way::Both];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    /// The rows that it finds are the tenant's.
    Using,
    /// It accepts only what it shows.
    CheckAsUsing,
    /// The rows that it accepts are the tenant's.
    Check,
    Both,
}

impl Kind for PolicyConditions {
    fn name(&self) -> &'static str {
        "policy-condition"
    }

    fn closes(&self) -> &'static [&'static str] {
        &CHECKS
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let bound = Bound::new(&planning.context)?;
        let mut patients = patients(planning);
        let before = findings(&planning.context, &CHECKS);
        for way in WAYS {
            for patient in patients.iter_mut().filter(|patient| !patient.is_well) {
                patient.try_way(way);
            }
            let after = once_done(planning, &patients).findings(planning.context.policy, &CHECKS);
            for patient in &mut patients {
                patient.is_well = patient.is_mended(&before, &after);
            }
        }
        // One policy may have leant on another that was not mended.
        loop {
            for patient in patients.iter_mut().filter(|patient| !patient.is_well) {
                patient.mended = None;
            }
            let after = once_done(planning, &patients).findings(planning.context.policy, &CHECKS);
            let mut moved = false;
            for patient in patients.iter_mut().filter(|patient| patient.is_well) {
                patient.is_well = patient.is_mended(&before, &after);
                moved |= !patient.is_well;
            }
            if !moved {
                break;
            }
        }
        patients
            .iter()
            .map(|patient| patient.draft(planning, &bound))
            .collect()
    }
}

/// A policy with findings.
struct Patient<'a> {
    database: &'a DatabaseFacts,
    relation: &'a Relation,
    policy: &'a Policy,
    closes: Vec<Closes>,
    /// What asks for the tenant, or what somebody has to say first.
    condition: Result<TenantCondition, String>,
    mended: Option<Mended>,
    is_well: bool,
}

/// What a policy is to ask; `None`: what it asks already.
#[derive(Clone, Debug, Default)]
struct Mended {
    using: Option<String>,
    check: Option<String>,
}

fn patients<'a>(planning: &'a Planning<'_>) -> Vec<Patient<'a>> {
    let mut patients = Vec::new();
    for database in &planning.context.facts.inside {
        let (Ok(relations), Ok(policies)) = (database.relations.here(), database.policies.here())
        else {
            continue;
        };
        let by_oid: HashMap<Oid, &Relation> =
            relations.value.iter().map(|row| (row.oid, row)).collect();
        let tenants: HashMap<Oid, TenantTable<'_>> = planning
            .context
            .tenancy()
            .tables(database, planning.context.policy)
            .unwrap_or_default()
            .into_iter()
            .map(|table| (table.relation.oid, table))
            .collect();
        let mut problems: HashMap<&str, Vec<Closes>> = HashMap::new();
        for check in CHECKS {
            for problem in planning.open(check) {
                let subject = &problem.finding.subject;
                if subject.database.as_deref() == Some(database.name.as_str()) {
                    problems
                        .entry(&subject.name)
                        .or_default()
                        .push(problem.closes());
                }
            }
        }
        for policy in policies.value {
            let Some(relation) = by_oid.get(&policy.relation) else {
                continue;
            };
            let Some(closes) = problems.remove(subject_name(policy, relation).as_str()) else {
                continue;
            };
            let condition = match tenants.get(&relation.oid) {
                Some(tenant) => TenantCondition::new(planning, database, tenant),
                None => Err(format!(
                    "drop policy {} on {}, or list the table in tenancy.shared in pgattest.toml: it is not known to hold tenants' rows",
                    quote_ident(&policy.name),
                    relation.sql_name()
                )),
            };
            patients.push(Patient {
                database,
                relation,
                policy,
                closes,
                condition,
                mended: None,
                is_well: false,
            });
        }
    }
    patients
}

fn subject_name(policy: &Policy, relation: &Relation) -> String {
    format!("{} ON {}", quote_ident(&policy.name), relation.sql_name())
}

fn once_done(planning: &Planning<'_>, patients: &[Patient<'_>]) -> WhatIf {
    let mut then = WhatIf::new(planning.context.facts);
    for patient in patients {
        let Some(mended) = &patient.mended else {
            continue;
        };
        then.change_policies(patient.database.oid, |policies| {
            if let Some(row) = policies
                .iter_mut()
                .find(|row| row.oid == patient.policy.oid)
            {
                if let Some(using) = &mended.using {
                    row.using_expression = format!("({using})");
                }
                if let Some(check) = &mended.check {
                    row.check_expression = format!("({check})");
                }
            }
        });
    }
    then
}

impl Patient<'_> {
    fn try_way(&mut self, way: Way) {
        let policy = self.policy;
        if is_withheld(&policy.using_expression) || is_withheld(&policy.check_expression) {
            return;
        }
        let tenant = self.condition.as_ref().ok().map(|condition| &condition.sql);
        let using = || Some(narrowed(tenant?, &policy.using_expression));
        let check = || Some(narrowed(tenant?, &policy.check_expression));
        let (has_using, has_check) = (policy.has_using, policy.has_check);
        let mended = match way {
            Way::Using if has_using => using().map(|using| Mended {
                using: Some(using),
                check: None,
            }),
            Way::CheckAsUsing if has_using && has_check => Some(Mended {
                using: None,
                check: Some(narrowed(&policy.using_expression, &policy.check_expression)),
            }),
            Way::Check if has_check => check().map(|check| Mended {
                using: None,
                check: Some(check),
            }),
            Way::Both if has_using && has_check => {
                using().zip(check()).map(|(using, check)| Mended {
                    using: Some(using),
                    check: Some(check),
                })
            }
            _ => None,
        };
        if mended.is_some() {
            self.mended = mended;
        }
    }

    /// Whether no check reports the policy then that it is to be mended for, or did not report before.
    fn is_mended(&self, before: &Found, after: &Found) -> bool {
        let subject = Subject::in_database(
            SubjectKind::Policy,
            self.database.name.clone(),
            subject_name(self.policy, self.relation),
        );
        self.mended.is_some()
            && CHECKS.iter().all(|check| {
                let key = (*check, subject.clone());
                let is_claimed = self.closes.iter().any(|closes| closes.check == *check);
                !after.contains_key(&key) || (!is_claimed && before.contains_key(&key))
            })
    }

    fn draft(&self, planning: &Planning<'_>, bound: &Bound<'_>) -> Result<Draft, Missing> {
        let (policy, table) = (quote_ident(&self.policy.name), self.relation.sql_name());
        let title = format!(
            "let policy {} on {} ask for the tenant",
            visible(&policy),
            visible(&table)
        );
        let Some(mended) = self.mended.as_ref().filter(|_| self.is_well) else {
            return Ok(Draft::by_hand(
                title,
                Stage::Isolation,
                self.by_hand(&policy, &table),
                self.closes.clone(),
            ));
        };
        let alter = |using: Option<&str>, check: Option<&str>| {
            let using = using.map_or_else(String::new, |text| format!(" USING ({text})"));
            let check = check.map_or_else(String::new, |text| format!(" WITH CHECK ({text})"));
            format!("ALTER POLICY {policy} ON {table}{using}{check};")
        };
        let old_using = mended
            .using
            .as_ref()
            .map(|_| self.policy.using_expression.as_str());
        let old_check = mended
            .check
            .as_ref()
            .map(|_| self.policy.check_expression.as_str());
        let audience = Audience::join(planning.context.facts, bound, self.database)?;
        let impact = self.policy.roles.iter().map(|role| {
            let who = audience.bound.name(*role);
            Impact {
                kind: ImpactKind::RowsHidden,
                subject: who.clone(),
                detail: match (&mended.using, &self.condition) {
                    (Some(_), Ok(condition)) => format!(
                        "through policy {policy}, {who} finds only rows of {table} whose tenant {} names",
                        condition.setting
                    ),
                    _ => format!(
                        "through policy {policy}, {who} no longer writes rows of {table} of another tenant: such a statement fails"
                    ),
                },
                observations: [self.database.policies.here(),]
                    .into_iter()
                    .flatten()
                    .map(|seen| seen.from.clone())
                    .collect(),
            }
        });
        Ok(Draft::sql(
            title,
            Stage::Isolation,
            Some(&self.database.name),
            vec![alter(mended.using.as_deref(), mended.check.as_deref())],
            vec![alter(old_using, old_check)],
        )
        .closing(self.closes.iter().cloned())
        .approval()
        .needing(Need::Lock {
            mode: "ACCESS EXCLUSIVE".to_owned(),
            on: table.clone(),
        })
        .affecting(impact)
        .note("whoever is to see every tenant's rows needs a policy of its own that names its role, and that role on access.bypass_rls"))
    }

    fn by_hand(&self, policy: &str, table: &str) -> String {
        if is_withheld(&self.policy.using_expression) || is_withheld(&self.policy.check_expression)
        {
            return format!(
                "write the tenant's condition into policy {policy} on {table}: its text holds constants that stay in the server"
            );
        }
        match &self.condition {
            Err(why) => why.clone(),
            Ok(condition) => format!(
                "rewrite policy {policy} on {table} by hand: with {} put before what it asks it would still be reported",
                condition.sql
            ),
        }
    }
}

/// A condition with another before it; a constant one adds nothing.
fn narrowed(by: &str, condition: &str) -> String {
    if is_always_true(condition) {
        by.to_owned()
    } else {
        format!("({by}) AND ({condition})")
    }
}

/// Whether constants of an expression were left in the server.
fn is_withheld(expression: &str) -> bool {
    expression.contains("'...'")
}
